"""The load generator counts what it says it counts, and believes no answer unread."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.control_plane.binaries import load_binary
from tests.control_plane.cluster import ControlPlane

pytestmark = pytest.mark.control_plane  # whose certificate the webhook below borrows

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def test_right_answers_over_few_connections(control_plane: ControlPlane, tmp_path: Path) -> None:
    with webhook(control_plane, answer_well) as url:
        report = load(control_plane, tmp_path, "review", f"-url={url}", "-c=4", "-n=200")

    assert (report["requests"], report["errors"]) == (200, 0)
    assert report["new_connections"] <= 4
    quantiles = [report[f"{name}_us"] for name in ("p50", "p90", "p99", "p999", "max")]
    assert quantiles == sorted(quantiles)
    assert quantiles[0] > 0


@pytest.mark.parametrize(("flags", "opened"), [((), 0), (("-fresh",), 40)])
def test_pressing_checks_each_answer_and_keeps_its_connections(
    flags: tuple[str, ...],
    opened: int,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with webhook(control_plane, answer_well) as url:
        given = (f"-url={url}", "-c=4", "-n=40", "-want=AdmissionReview", *flags)
        report = load(control_plane, tmp_path, "press", *given)

    assert (report["requests"], report["errors"]) == (40, 0)
    assert report["new_connections"] == opened  # those of the start are not counted


@pytest.mark.parametrize(
    ("change", "flags", "fault"),
    [
        ({"uid": "another"}, (), "the uid of another review"),
        ({"allowed": False}, (), 'no "allowed":true in the answer'),
        ({}, ("-want=patch",), "no patch in the answer"),
        ({"uid": "another"}, ("-any-uid",), None),
    ],
)
def test_pressing_finds_wrong_answers(
    change: dict[str, Any],
    flags: tuple[str, ...],
    fault: str | None,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with webhook(control_plane, lambda uid: answer_well(uid) | change) as url:
        report = load(control_plane, tmp_path, "press", f"-url={url}", "-n=3", *flags)

    assert report.get("faults") == ({fault: 3} if fault else None)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"uid": "another"}, "the uid of another review"),
        ({"allowed": False}, "allowed is false"),
    ],
)
def test_wrong_answers_are_errors(
    change: dict[str, Any],
    fault: str,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with webhook(control_plane, lambda uid: answer_well(uid) | change) as url:
        report = load(control_plane, tmp_path, "review", f"-url={url}", "-n=3")

    assert report["faults"] == {fault: 3}
    assert (report["requests"], report["errors"], report["rps"]) == (3, 3, 0)


def test_a_rate_is_kept(control_plane: ControlPlane, tmp_path: Path) -> None:
    with webhook(control_plane, answer_well) as url:
        given = ("-c=8", "-rate=100", "-duration=1s", f"-uid={UID}")
        report = load(control_plane, tmp_path, "review", f"-url={url}", *given)

    assert (report["requests"], report["errors"]) == (100, 0)
    assert report["seconds"] >= 0.9


@pytest.mark.parametrize(("patience", "reused", "opened"), [(60.0, 10, 5), (0.2, 0, 15)])
def test_idle_connections_are_used_again_where_the_server_kept_them(
    patience: float,
    reused: int,
    opened: int,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with webhook(control_plane, answer_well, patience=patience) as url:
        given = ("-c=5", "-rounds=2", "-idle=1s")
        report = load(control_plane, tmp_path, "idle", f"-url={url}", *given)

    assert (report["requests"], report["errors"], report["lost"]) == (15, 0, 0)
    assert (report["reused"], report["new_connections"]) == (reused, opened)


def test_pods_are_created_for_real_or_as_a_dry_run(
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    control_plane.create_namespace("loaded")
    pod = tmp_path / "pod.yaml"
    pod.write_text(
        "{apiVersion: v1, kind: Pod, metadata: {generateName: load-},"
        " spec: {containers: [{name: main, image: 'registry.example/app:1'}]}}",
        encoding="utf-8",
    )
    given = (f"-server={control_plane.url}", "-namespace=loaded", f"-pod={pod}", "-c=2", "-n=20")
    token = f"-token={control_plane.token('developer')}"

    dry = load(control_plane, tmp_path, "create", *given, token)
    stranger = f"-token={control_plane.token('stranger')}"
    refused = load(control_plane, tmp_path, "create", *given, stranger)
    stored = load(control_plane, tmp_path, "create", *given, token, "-dry-run=false")

    assert (dry["errors"], stored["errors"], refused["errors"]) == (0, 0, 20)
    assert "HTTP 403" in next(iter(refused["faults"]))
    names = control_plane.kubectl("get", "pods", "--namespace", "loaded", "-o", "name").stdout
    assert len(names.split()) == 20


def test_load_stays_on_this_machine(control_plane: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as fault:
        load(control_plane, tmp_path, "review", "-url=https://webhook.example/", "-n=1")

    assert "must be https on a loopback address" in fault.value.stderr


def load(control_plane: ControlPlane, folder: Path, mode: str, *args: str) -> dict[str, Any]:
    """Run the generator with the control plane's CA and a small review; the report it prints."""
    words = [str(load_binary()), mode, f"-ca={control_plane.ca_file}", *args]
    if mode != "create":
        body = folder / "review.json"
        body.write_text(json.dumps({"request": {"uid": UID}}), encoding="utf-8")
        words.append(f"-body={body}")
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def answer_well(uid: str) -> dict[str, Any]:
    return {"uid": uid, "allowed": True}


@contextmanager
def webhook(
    control_plane: ControlPlane,
    answer: Callable[[str], dict[str, Any]],
    *,
    patience: float = 60,
) -> Iterator[str]:
    """A webhook that closes a connection after so many seconds of silence."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = patience
        wbufsize = -1  # one packet an answer, else Nagle's algorithm waits for the client

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = {"kind": "AdmissionReview", "response": answer(body["request"]["uid"])}
            raw = json.dumps(said, separators=(",", ":")).encode()  # as orjson and Go write it
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    certificate = control_plane.ca_file
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.block_on_close = False  # a kept connection would be waited for
        server.socket = tls.wrap_socket(
            server.socket,
            server_side=True,
            do_handshake_on_connect=False,
        )
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/validate"
        finally:
            server.shutdown()
