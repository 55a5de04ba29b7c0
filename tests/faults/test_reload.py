"""Rows about files: what is bad at boot ends it, what turns bad while running changes nothing."""

from __future__ import annotations

import shutil
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certs.issue import issue_authority, issue_leaf
from rules.model import SERVICE_ENTRY
from tests.faults.conftest import VIEW
from tests.faults.serving import (
    HOST,
    PATIENCE,
    Serving,
    command,
    issue,
    read_answer,
    request,
    start,
    trusting,
    wait_for,
)
from tests.reviews import SPACE, ask, ask_stored, bare_pod, pod, reasons, written, wrong_pod
from webhook.cli import main
from webhook.live import Live
from webhook.metrics import Metrics
from webhook.settings import Settings

GOOD = "version: 1\n"
LENIENT = "version: 1\nrules: {sandboxed-runtime-class: {action: warn}}\n"
BAD = "version: 1\nrulez: {}\nrules: {no-such-rule: {}, well-formed: {action: maybe}}\n"


class Site:
    """A server with files of its own, which a test may spoil."""

    def __init__(self, folder: Path) -> None:
        self.keys = issue(folder / "keys")
        self.rulebook = folder / "rulebook.yaml"
        self.view = folder / "cluster.yaml"
        self.denied = folder / "denied-images.txt"
        self.rulebook.write_text(GOOD, encoding="utf-8")
        self.view.write_text(VIEW, encoding="utf-8")
        self.threats = folder / "threats.txt"
        self.denied.write_text("", encoding="utf-8")
        self.threats.write_text("", encoding="utf-8")
        files = (
            "--rulebook",
            self.rulebook,
            "--cluster",
            self.view,
            "--denied-images",
            self.denied,
            "--threats",
            self.threats,
        )
        self.server = Serving(self.keys, *files)

    def reload(self, what: str, result: str, change: Callable[[], object]) -> None:
        """Change something, have it read again, and wait until that has turned out so."""
        before = self.server.metric("reloads_total", what=what, result=result)
        change()
        self.server.signal(signal.SIGHUP)
        wait_for(
            lambda: self.server.metric("reloads_total", what=what, result=result) > before,
            f"{what} {result}",
        )

    def says(self, text: str) -> None:
        """Wait until it is in the log."""
        wait_for(lambda: text in self.server.errors, text)

    def restore(self) -> None:
        """As it was in the beginning."""
        self.denied.write_text("", encoding="utf-8")
        self.threats.write_text("", encoding="utf-8")
        self.reload("rulebook", "done", lambda: self.rulebook.write_text(GOOD, encoding="utf-8"))
        self.reload("view", "done", lambda: self.view.write_text(VIEW, encoding="utf-8"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.server:
        yield site
        assert site.server.process.poll() is None
        assert "Traceback" not in site.server.errors


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    yield shared
    shared.restore()


def denied(site: Site, value: Any, **request: Any) -> set[str]:
    return reasons(site.server.ask(ask_stored(value, **request)))


def test_row_40_a_list_of_denied_images_is_taken_and_of_a_bad_one_the_last_good_one_stays(
    site: Site,
) -> None:
    image = pod({"containers": [{"name": "app", "image": "evil.example/app:1"}]})
    assert "image-not-denied" not in denied(site, image)
    text = "# found yesterday\nevil.example  # all of it\n"
    site.reload("rulebook", "done", lambda: site.denied.write_text(text, encoding="utf-8"))
    assert "image-not-denied" in denied(site, image)
    site.reload("rulebook", "failed", lambda: site.denied.write_text("a\n b:1\n", encoding="utf-8"))
    site.says(f'{site.denied}:2:2: "b:1" is neither')
    assert "image-not-denied" in denied(site, image)
    site.reload("rulebook", "failed", site.denied.unlink)
    assert "image-not-denied" in denied(site, image)


def test_a_list_of_threats_is_taken_and_of_a_bad_one_the_last_good_one_stays(site: Site) -> None:
    declared = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "a", "namespace": SPACE},
        "spec": {"hosts": ["a.c2.bad.example"], "exportTo": ["."]},
    }

    def refused() -> bool:
        asked = ask(declared, SERVICE_ENTRY, namespace=SPACE, name="a")
        return "no-egress-to-threats" in reasons(site.server.ask(asked))

    assert not refused()
    text = "203.0.113.0/24 # a network\nC2.bad.example\n"
    site.reload("rulebook", "done", lambda: site.threats.write_text(text, encoding="utf-8"))
    assert refused()
    bad = "a.example\n 203.0.113.7/24\n"
    site.reload("rulebook", "failed", lambda: site.threats.write_text(bad, encoding="utf-8"))
    site.says(f'{site.threats}:2:2: "203.0.113.7/24" is no network')
    assert refused()


def test_a_bad_list_of_denied_images_at_boot_is_told_and_ends_it(
    tmp_path: Path, keys: Path, view: Path
) -> None:
    listed = tmp_path / "denied-images.txt"
    listed.write_text("evil.example/a:1\n", encoding="utf-8")
    code, told = refusal(*command(keys, "--cluster", view, "--denied-images", listed))
    assert (code, f"{listed}:1:1: " in told) == (2, True)


SPOILT_BOOKS: list[bytes] = [
    BAD.encode(),
    b"",
    b"\x00\xff",
    b"[" * 5000,
    b"a: &a [*a]",
    b"7",
    b"version: 2\n",
    b"version: 1\n---\nversion: 1\n",
    b"version: 1\nrules: {sandboxed-runtime-class: {parameters: {accepted: 7}}}",
]


@pytest.mark.parametrize("text", SPOILT_BOOKS[:1] + SPOILT_BOOKS[2:])
def test_row_60_a_bad_rulebook_is_not_taken_and_the_last_good_one_stays(
    site: Site, text: bytes
) -> None:
    site.reload("rulebook", "failed", lambda: site.rulebook.write_bytes(text))
    site.says(f"{site.rulebook}:")
    assert denied(site, wrong_pod()) == {"sandboxed-runtime-class"}
    assert site.server.probe("/readyz") == (200, "ok\n")


def test_row_60_a_rulebook_that_is_gone_stays_in_force(site: Site) -> None:
    site.reload("rulebook", "failed", site.rulebook.unlink)
    assert denied(site, wrong_pod()) == {"sandboxed-runtime-class"}


def test_row_60_every_mistake_is_told_with_its_place(site: Site) -> None:
    site.reload("rulebook", "failed", lambda: site.rulebook.write_text(BAD, encoding="utf-8"))
    for line, column in ((2, 1), (3, 9), (3, 49)):
        site.says(f"{site.rulebook}:{line}:{column}: ")


def test_a_changed_rulebook_is_taken_and_named_in_the_log(site: Site) -> None:
    site.server.ask(ask_stored(wrong_pod(), uid="before"))
    site.reload("rulebook", "done", lambda: site.rulebook.write_text(LENIENT, encoding="utf-8"))
    response = site.server.ask(ask_stored(wrong_pod(), uid="after"))
    assert response["allowed"]
    assert response["warnings"][0].startswith("[sandboxed-runtime-class] ")
    before, after = (site.server.line(uid)["rulebook"] for uid in ("before", "after"))
    assert before != after
    assert site.server.metric("rulebook", revision=after) == 1
    assert site.server.metric("rulebook") == 1, "only one is in force"


def test_what_the_rulebook_says_of_the_site_holds_for_rules_that_were_asked_before(
    site: Site,
) -> None:
    labelled = pod(labels={"istio.io/rev": "next"})
    assert denied(site, labelled) == {"sidecar-injected"}
    text = GOOD + "mesh: {revisions: [next]}\ntrusted: {namespaces: [mine]}\n"
    site.reload("rulebook", "done", lambda: site.rulebook.write_text(text, encoding="utf-8"))
    assert denied(site, labelled) == set()
    assert denied(site, wrong_pod(), namespace="mine") == set()


def test_a_changed_file_is_seen_without_a_signal(site: Site) -> None:
    site.rulebook.write_text(LENIENT, encoding="utf-8")
    wait_for(lambda: site.server.ask(ask_stored(wrong_pod()))["allowed"], "the rulebook is polled")


def test_a_changed_view_is_taken(site: Site) -> None:
    assert denied(site, pod(labels={}), namespace="shop") == {"sidecar-injected"}
    text = VIEW.replace("{sallyport.dev/tenant: blue}", "{istio.io/rev: prod-stable}")
    site.reload("view", "done", lambda: site.view.write_text(text, encoding="utf-8"))
    assert denied(site, pod(labels={}), namespace="shop") == set()


@pytest.mark.parametrize("text", [b"\xff", b"[" * 5000, b"7", b"kind: []\napiVersion: {}", b"{"])
def test_a_bad_view_is_not_taken(site: Site, text: bytes) -> None:
    site.reload("view", "failed", lambda: site.view.write_bytes(text))
    site.says(f"{site.view}:")
    assert denied(site, pod()) == set()
    assert site.server.probe("/readyz") == (200, "ok\n")


def test_a_view_without_the_class_is_told_before_any_pod_is_denied(site: Site) -> None:
    text = VIEW.replace("handler: kata", "handler: runc")
    site.reload("view", "done", lambda: site.view.write_text(text, encoding="utf-8"))
    site.server.counts(1, "preflight", rule="sandboxed-runtime-class")
    site.says("[sandboxed-runtime-class] even a pod that says nothing would be denied")
    assert site.server.probe("/readyz") == (200, "ok\n"), "which is no unreadiness"
    assert denied(site, bare_pod()) >= {"sandboxed-runtime-class"}


def spoil(keys: Path, how: str) -> None:
    """Make the pair in a folder one that cannot be served."""
    chain, key = keys / "tls.crt", keys / "tls.key"
    past = datetime.now(UTC) - timedelta(days=400)
    match how:
        case "absent":
            chain.unlink()
        case "no key":
            key.unlink()
        case "truncated":
            chain.write_bytes(chain.read_bytes()[:200])
        case "empty":
            chain.write_bytes(b"")
        case "garbage":
            key.write_bytes(b"\x00" * 100)
        case "mismatched":
            other = issue_leaf(
                issue_authority([HOST], now=datetime.now(UTC)), [HOST], now=datetime.now(UTC)
            )
            key.write_bytes(other.key)
        case "expired":
            pair = issue_leaf(issue_authority([HOST], now=past), [HOST], now=past)
            chain.write_bytes(pair.chain)
            key.write_bytes(pair.key)


SPOILT = ["absent", "no key", "truncated", "empty", "garbage", "mismatched", "expired"]


def refusal(*flags: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and words of a server that does not start, nothing of it on stdout."""
    process = start(*map(str, flags), environment=environment)
    said, told = process.communicate(timeout=PATIENCE)
    assert said == b""
    text = told.decode()
    assert "Traceback" not in text
    return process.returncode, text


@pytest.mark.parametrize("how", ["absent", "mismatched", "expired"])
def test_row_54_a_bad_certificate_at_boot_is_told_and_ends_it(
    tmp_path: Path, keys: Path, view: Path, how: str
) -> None:
    own = Path(shutil.copytree(keys, tmp_path / "keys"))
    spoil(own, how)
    code, told = refusal(*command(own, "--cluster", view))
    assert code == 2
    assert told.startswith("sallyport: ")
    assert {"absent": "tls.crt", "mismatched": "key", "expired": "expired"}[how] in told


@pytest.mark.parametrize("how", ["no key", "truncated", "empty", "garbage"])
def test_row_54_any_bad_certificate_at_boot_ends_it(
    tmp_path: Path, keys: Path, view: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(keys, tmp_path / "keys"))
    spoil(own, how)
    words = command(own, "--cluster", view)
    assert main(words[words.index("serve") :]) == 2
    said, told = capsys.readouterr()
    assert (said, told[:11]) == ("", "sallyport: ")


@pytest.mark.parametrize("how", SPOILT)
def test_row_54_a_certificate_that_turns_bad_is_not_taken(
    site: Site, tmp_path: Path, how: str
) -> None:
    kept = Path(shutil.copytree(site.keys, tmp_path / "kept"))
    try:
        site.reload("certificate", "failed", lambda: spoil(site.keys, how))
        assert site.server.ask(ask_stored(pod()))["allowed"]
        assert site.server.probe("/readyz") == (200, "ok\n")
        site.says("certificate not taken, the last good one stays")
    finally:
        shutil.copytree(kept, site.keys, dirs_exist_ok=True)


def test_row_54_a_new_certificate_is_taken_and_no_connection_lost(
    site: Site, tmp_path: Path
) -> None:
    good = written(ask_stored(pod()))
    with site.server.connect() as old, old.makefile("rb") as stream:
        old.sendall(request(good))
        assert read_answer(stream) is not None
        other = issue(tmp_path / "other")
        site.reload(
            "certificate",
            "done",
            lambda: shutil.copytree(other, site.keys, dirs_exist_ok=True),
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            site.server.connect()
        site.server.context = trusting(other / "ca.crt")
        assert site.server.ask(ask_stored(pod()))["allowed"]
        old.sendall(request(good))
        answer = read_answer(stream)
    assert answer is not None
    assert answer.response["allowed"]


def test_row_54_an_expired_certificate_is_no_longer_ready(keys: Path, view: Path) -> None:
    settings = Settings(
        tls_cert=keys / "tls.crt", tls_key=keys / "tls.key", cluster=(view,), port=0
    )
    live = Live(settings, Metrics(["Pod"]))
    assert live.trouble == ""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    live.pair = SimpleNamespace(not_after=yesterday)  # type: ignore[assignment]
    assert live.trouble == f"the certificate expired on {yesterday:%Y-%m-%d}"


def test_without_certificate_the_server_does_not_start() -> None:
    code, told = refusal(sys.executable, "-m", "webhook", "serve")
    assert code == 2
    assert "--tls-cert and --tls-key are needed" in told


def test_row_60_a_bad_rulebook_at_boot_is_told_and_ends_it(
    tmp_path: Path, keys: Path, view: Path
) -> None:
    book = tmp_path / "rulebook.yaml"
    book.write_text(BAD, encoding="utf-8")
    code, told = refusal(*command(keys, "--cluster", view, "--rulebook", book))
    assert code == 2
    for line, column in ((2, 1), (3, 9), (3, 49)):
        assert f"{book}:{line}:{column}: " in told
    code, told = refusal(*command(keys, "--cluster", view, "--rulebook", tmp_path / "none"))
    assert (code, "No such file" in told) == (2, True)


def test_a_bad_view_at_boot_is_told_and_ends_it(tmp_path: Path, keys: Path) -> None:
    spoilt = tmp_path / "cluster.yaml"
    spoilt.write_text("a: [", encoding="utf-8")
    code, told = refusal(*command(keys, "--cluster", spoilt))
    assert (code, f"{spoilt}:1:" in told) == (2, True)


@pytest.mark.parametrize("flag", ["--port", "--probe-port"])
def test_a_port_that_is_taken_is_told_and_ends_it(
    server: Serving, keys: Path, view: Path, flag: str
) -> None:
    taken = str(server.port if flag == "--port" else server.probe_port)
    code, told = refusal(*command(keys, "--cluster", view, flag, taken))
    assert code == 2
    assert f"Address already in use (while attempting to bind on address ('{HOST}', {taken}))" in (
        told
    )


READ_ONLY = """
import os, runpy, sys

def refuse(event, arguments):
    path, mode, flags = arguments if event == "open" else (arguments[:1], "w", os.O_CREAT)
    if isinstance(path, int) or not isinstance(flags, int):
        return
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) and path != os.devnull:
        os.write(2, f"writes: {event} {arguments}\\n".encode())
        os._exit(99)

WRITING = {"open", "os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link",
           "tempfile.mkstemp", "tempfile.mkdtemp", "os.truncate", "os.utime",
           "os.chmod", "shutil.copyfile"}
sys.addaudithook(lambda event, arguments: event in WRITING and refuse(event, arguments))
sys.argv = ["sallyport", *sys.argv[1:]]
runpy.run_module("webhook", run_name="__main__")
"""


def test_row_59_it_needs_no_place_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, view: Path
) -> None:
    own = issue(tmp_path / "keys")
    monkeypatch.setattr("tests.faults.serving.PROGRAM", [sys.executable, "-B", "-c", READ_ONLY])
    nowhere = {"TMPDIR": "/no/such/folder", "HOME": "/no/such/folder"}
    with Serving(own, "--cluster", view, environment=nowhere) as serving:
        assert serving.ask(ask_stored(pod()))["allowed"]
        assert not serving.ask(ask_stored(wrong_pod()))["allowed"]
        shutil.copytree(issue(tmp_path / "other"), own, dirs_exist_ok=True)
        serving.signal(signal.SIGHUP)
        wait_for(
            lambda: serving.metric("reloads_total", what="certificate", result="done") == 1,
            "the certificate is read again",
        )
        assert serving.probe("/readyz") == (200, "ok\n")
        serving.signal(signal.SIGINT)
        assert serving.end() == 0, serving.errors
    assert "writes: " not in serving.errors


def test_row_59_what_is_refused_there_is_seen(tmp_path: Path) -> None:
    target = tmp_path / "written"
    program = READ_ONLY.replace(
        'runpy.run_module("webhook", run_name="__main__")', "open(sys.argv[1], 'w')"
    )
    process = start(sys.executable, "-B", "-c", program, str(target))
    assert process.communicate(timeout=PATIENCE)[0] == b""
    assert process.returncode == 99
    assert not target.exists()
