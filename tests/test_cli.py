"""The command line: what users type, what it prints where, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.model import JSON
from webhook import cli
from webhook.cli import main
from webhook.rulebook import catalogue
from webhook.settings import BadSettings, Settings, read_settings, wants_colour

GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: kube-system}
spec: {containers: [{name: a, image: "b:1"}]}
"""
BAD = GOOD.replace("kube-system", "blue").replace("spec: {", "spec: {runtimeClassName: runc, ")
COMMANDS = [
    "serve",
    "check",
    "reach",
    "rules",
    "rulebook",
    "rulebook check",
    "rulebook schema",
    "manifests",
    "manifests webhooks",
    "certs",
    "certs issue",
    "demo",
    "version",
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good and a bad manifest, and nothing in the environment."""
    for name in [name for name in os.environ if name.startswith("SALLYPORT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments: str, stdin: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """The installed command, as a user starts it."""
    command = [str(Path(sys.executable).with_name("sallyport")), *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=60, **more
    )


# The whole command


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(command in shown.err for command in ("serve", "check", "rulebook", "demo"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([*command.split(), "--help"])
    assert done.value.code == 0
    assert "usage: sallyport" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        "nonsense",
        "check",
        "check a.yaml --phase middle",
        "check a.yaml -o xml",
        "rulebook check",
        "certs",
        "manifests webhooks --failure-policy Maybe",
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments.split())
    assert done.value.code == 2


def test_every_command_is_wired() -> None:
    assert {command.split()[0] for command in COMMANDS} == set(cli.COMMANDS)


@pytest.mark.parametrize("module", [True, False])
def test_the_installed_command_checks_stdin(*, module: bool, files: Path) -> None:
    if module:
        command = [sys.executable, "-m", "webhook", "check", "-", "-o", "json"]
        done = subprocess.run(command, input=BAD, capture_output=True, text=True, check=False)
    else:
        done = _run("check", "-", "-o", "json", stdin=BAD)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["findings"][0]["file"] == "-"
    assert done.stderr.count("\n") == len(told["assumed"]) == 5
    assert all(line.startswith("assumed: ") for line in done.stderr.splitlines())


def test_a_check_loads_neither_server_nor_cluster_client(files: Path) -> None:
    """Start-up is measured by what is imported: each of these costs more than the check itself."""
    program = (
        "import sys; from webhook.cli import main; code = main(['check', 'good.yaml']);"
        "print(code, sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    loaded = done.stderr.splitlines()[-1]
    assert loaded.startswith("0 ")
    for heavy in (
        "fastapi",
        "uvicorn",
        "kubernetes",
        "cryptography",
        "prometheus_client",
        "msgspec",
    ):
        assert f"'{heavy}'" not in loaded


def test_a_reader_that_leaves_early_is_no_fault(files: Path) -> None:
    many = "---\n".join(BAD.replace("name: a,", f"name: a{n},") for n in range(2000))
    (files / "many.yaml").write_text(many)
    program = str(Path(sys.executable).with_name("sallyport"))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [program, "check", "many.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
        assert process.wait(timeout=60) == cli.CUT_SHORT
    assert b"Traceback" not in complaints


def test_a_terminal_that_knows_ascii_only_is_no_fault(files: Path) -> None:
    (files / "bad.yaml").write_text(BAD + "# runc → ä\n" + "x: ä")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert _run("check", "bad.yaml", env=environment).returncode == 1


# check


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("good.yaml", 0),
        ("bad.yaml", 1),
        (".", 1),
        ("good.yaml absent.yaml", 2),
        ("bad.yaml --exit-zero", 0),
        ("bad.yaml absent.yaml --exit-zero", 2),
        ("bad.yaml --summary", 1),
        ("bad.yaml --rulebook audit.rulebook", 0),
        ("bad.yaml --rulebook absent.yaml", 2),
        ("bad.yaml --cluster bad.yaml", 0),
        ("bad.yaml --cluster absent.yaml", 2),
        ("good.yaml -n blue --no-mutate", 0),
    ],
)
def test_the_exit_code_of_a_check(
    arguments: str, code: int, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "audit.rulebook").write_text("action: audit\n")
    assert main(["check", *arguments.split()]) == code
    assert capsys.readouterr().out.rstrip().rpartition("\n")[2].startswith("Checked ")


def test_who_asks(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    asked = []

    def listen(question: Any, _stdin: Any) -> Any:
        from webhook.report import Report

        asked.append((question.phases, question.requester, question.namespace, question.mutate))
        return Report()

    monkeypatch.setattr("webhook.check.check", listen)
    for arguments in ("", "--phase final", "--phase final --as bob", "--as-group a --as-group b",
                      "--as bob -n green --no-mutate"):  # fmt: skip
        main(["check", "good.yaml", *arguments.split()])
    told = [(p, r and (r.username, sorted(r.groups)), n, m) for p, r, n, m in asked]
    raw, final, everyone = ("raw", "final"), ("final",), ["system:authenticated"]
    assert told == [
        (raw, ("developer", everyone), "default", True),
        (final, None, "default", True),
        (final, ("bob", everyone), "default", True),
        (raw, ("developer", ["a", "b"]), "default", True),
        (raw, ("bob", everyone), "green", False),
    ]


def test_json_comes_with_its_summary(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "bad.yaml", "-o", "json", "--summary"])
    told = json.loads(capsys.readouterr().out)
    assert {count["rule"] for count in told["summary"]} == {f["rule"] for f in told["findings"]}


def test_an_assumption_cannot_write_to_the_terminal(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = '"\\e[31m"'
    text = (
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, labels: {{istio.io/rev: {label}}}}}"
    )
    (files / "namespace.yaml").write_text(text)
    main(["check", "namespace.yaml"])
    assert "\x1b" not in capsys.readouterr().err


# rules and rulebook


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    shown = capsys.readouterr().out
    assert main(["rules", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in told["rules"]] == [rule.name for rule in catalogue()]
    for rule in told["rules"]:
        assert f"\n{rule['name']} " in shown
        assert rule["summary"] in shown
        assert {"severity", "action", "mend", "kinds", "parameters", "why"} <= set(rule)


def test_the_rulebook_in_force_is_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "rulebook.yaml").write_text("mesh: {revision: asm-1}\n")

    def actions(*flags: str) -> tuple[JSON, set[str]]:
        assert main(["rulebook", "--rulebook", "rulebook.yaml", *flags]) == 0
        told = yaml.safe_load(capsys.readouterr().out)
        return told["mesh"], {rule["action"] for rule in told["rules"].values()}

    mesh, found = actions()
    assert mesh["revision"] == "asm-1"
    assert "enforce" in found
    assert actions("--audit")[1] == {"audit"}


def test_a_rulebook_is_linted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "good.yaml").write_text("action: warn\n")
    (files / "bad.yaml").write_text("action: no-way\nmesh: {revison: a}\n")
    assert main(["rulebook", "check", "good.yaml"]) == 0
    assert "good.yaml: good" in capsys.readouterr().out
    assert main(["rulebook", "check", "bad.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        'sallyport: bad.yaml:1:9: action is "no-way"; it must be enforce, warn, audit or off',
        "sallyport: bad.yaml:2:8: mesh.revison is an unknown key; did you mean revision?",
    ]
    assert main(["rulebook", "--rulebook", "bad.yaml"]) == 2


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rulebook", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


# manifests, certs, version


def test_the_webhooks_are_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*flags: str) -> list[JSON]:
        assert main(["manifests", *flags]) == 0
        return list(yaml.safe_load_all(capsys.readouterr().out))

    kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    assert [hook["kind"] for hook in printed("webhooks")] == kinds
    assert [hook["kind"] for hook in printed("webhooks", "--no-mutate")] == kinds[1:]
    assert [hook["kind"] for hook in printed("--no-mutate", "webhooks")] == kinds[1:]
    told = printed("webhooks", "--url", "https://127.0.0.1:9", "--failure-policy", "Ignore")
    for hook in (entry for configuration in told for entry in configuration["webhooks"]):
        assert hook["failurePolicy"] == "Ignore"
        assert hook["clientConfig"]["url"].startswith("https://127.0.0.1:9/")
    assert {"Deployment", "Service", *kinds} <= {value["kind"] for value in printed()}


def test_manifests_of_a_bad_rulebook_or_bundle_are_not_printed(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "bad.yaml").write_text("action: 5\n")
    assert main(["manifests", "--rulebook", "bad.yaml"]) == 2
    assert main(["manifests", "webhooks", "--ca-bundle", "absent.pem"]) == 2
    assert main(["manifests", "webhooks", "--ca-bundle", "bad.yaml"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("sallyport: ") == 3


def test_certificates_are_issued_into_a_folder(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certs", "issue", "--out", "certs", "--san", "127.0.0.1", "--san", "a.b"]) == 0
    assert {file.name for file in (files / "certs").iterdir()} == {"ca.crt", "tls.crt", "tls.key"}
    assert "127.0.0.1, a.b" in capsys.readouterr().out
    assert main(["certs", "issue", "--out", "certs2", "--san", "no name"]) == 2
    assert main(["certs", "issue", "--out", "good.yaml"]) == 2


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out[0].isdigit()


# serve and its settings


def test_a_server_without_what_it_needs_does_not_start(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 2
    shown = capsys.readouterr().err
    assert "--tls-cert" in shown
    assert "certs issue" in shown


def test_without_files_the_cluster_is_read_from_its_api_server() -> None:
    settings = read_settings({"tls_cert": "x", "tls_key": "y"}, {"KUBECONFIG": "k"})
    assert (settings.cluster, settings.kubeconfig) == ((), "k")


def test_the_settings_are_handed_to_the_server(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Settings] = []

    def serve(settings: Settings) -> int:
        served.append(settings)
        return 7

    monkeypatch.setattr("webhook.server.serve", serve)
    arguments = "--tls-cert a --tls-key b --cluster c --cluster d --port 0 --probe-port 1 --audit"
    assert main(["serve", *arguments.split(), "--no-mutate", "--host", "::1"]) == 7
    assert served == [
        Settings(
            tls_cert=Path("a"),
            tls_key=Path("b"),
            cluster=(Path("c"), Path("d")),
            host="::1",
            port=0,
            probe_port=1,
            audit=True,
            mutate=False,
        )
    ]


NEEDED = {
    "SALLYPORT_TLS_CERT": "a",
    "SALLYPORT_TLS_KEY": "b",
    "SALLYPORT_CLUSTER": os.pathsep.join(("c", "d")),
}


def test_the_environment_says_the_same_as_flags() -> None:
    said = {
        "SALLYPORT_HOST": "127.0.0.1",
        "SALLYPORT_PORT": "1",
        "SALLYPORT_PROBE_PORT": "2",
        "SALLYPORT_RULEBOOK": "r",
        "SALLYPORT_DENIED_IMAGES": "i",
        "SALLYPORT_THREATS": "t",
        "SALLYPORT_AUDIT": "true",
        "SALLYPORT_NO_MUTATE": "1",
        "SALLYPORT_DRAIN_SECONDS": "0.5",
    }
    assert read_settings({}, NEEDED | said) == Settings(
        tls_cert=Path("a"),
        tls_key=Path("b"),
        cluster=(Path("c"), Path("d")),
        rulebook=Path("r"),
        denied_images=Path("i"),
        threats=Path("t"),
        host="127.0.0.1",
        port=1,
        probe_port=2,
        audit=True,
        mutate=False,
        drain_seconds=0.5,
    )


def test_flags_win_and_the_rest_has_defaults() -> None:
    settings = read_settings({"tls_cert": "x", "cluster": ["y"], "port": "0"}, NEEDED)
    assert (settings.tls_cert, settings.cluster, settings.port) == (Path("x"), (Path("y"),), 0)
    assert (settings.probe_port, settings.drain_seconds) == (9080, 20.0)
    assert (settings.rulebook, settings.audit, settings.mutate) == (None, False, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PROBE_PORT", "65536"),
        ("AUDIT", "maybe"),
        ("DRAIN_SECONDS", "soon"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "inf"),
        ("DRAIN_SECONDS", "nan"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadSettings, match="it must be"):
        read_settings({}, NEEDED | {f"SALLYPORT_{name}": text})


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False),
     ({"TERM": "dumb"}, True, False), ({"NO_COLOR": ""}, True, True)],
)  # fmt: skip
def test_colour_is_for_terminals_that_want_it(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    terminal: bool,
    coloured: bool,
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(terminal=terminal) is coloured


def test_stdin_is_read_when_asked_for(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(BAD.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["check", "-"]) == 1
    assert "--> -:4:26" in capsys.readouterr().out


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_asked: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "version", interrupt)
    assert main(["version"]) == cli.INTERRUPTED
