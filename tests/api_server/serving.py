"""`sallyport serve` as a program of its own, with files that change under it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from certs.keep import keep_files
from rules.model import JSON
from tests.api_server.patience import await_that
from tests.control_plane.process import Process

ROOT = Path(__file__).parents[2]
WORLD = Path(__file__).with_name("world.yaml")
SITE = """\
version: 1
trusted: {namespaces: [platform-tools]}
mesh: {revision: asm-1-28}
cluster: {engine: cilium, acns: {fqdn: true, l7: false}, cidrs: {pods: [192.168.0.0/16]}}
"""
ENFORCE = SITE + "action: enforce\n"
WARN = SITE + "action: warn\n"
AUDIT = SITE + "action: audit\n"


class Serving:
    """A server with a rulebook, the view of world.yaml and a certificate for 127.0.0.1.

    `flags` are further ones of `serve`, `program` the module to run: the command itself, or one
    that adds rules to it. Used with `with`; `stop` in between is a crash.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rulebook: str = ENFORCE,
        flags: Sequence[str] = (),
        program: str = "webhook",
    ) -> None:
        self.certs = folder / "certs"
        self._folder = folder
        self._rulebook = folder / "rulebook.yaml"
        self._rulebook.write_text(rulebook, encoding="utf-8")
        self._flags = flags
        self._command = [sys.executable, "-m", program]
        self._process = Process([*self._command, *self._words()], folder / "server.log")
        self._ports: Mapping[str, int] = {}

    def __enter__(self) -> Self:
        if not self.certs.exists():
            keep_files(self.certs, ["127.0.0.1"], now=datetime.now(UTC))
        self._process.start(self._environment())
        self._process.wait_until(lambda: bool(self._ready_line()), seconds=60)
        self._ports = json.loads(self._ready_line())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the API server finds it."""
        return f"https://127.0.0.1:{self._ports['port']}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.is_running

    def stop(self) -> None:
        """Kill it, as a node that fails would."""
        self._process.stop()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def configurations(self, *, failure_policy: str = "Fail", bundle: Path | None = None) -> str:
        """What `sallyport manifests webhooks` prints for this server."""
        words = ["manifests", "webhooks", "--rulebook", str(self._rulebook)]
        words += ["--url", self.url, "--ca-bundle", str(bundle or self.certs / "ca.crt")]
        words += ["--failure-policy", failure_policy]
        words += [flag for flag in self._flags if flag == "--no-mutate"]
        return subprocess.run(
            [*self._command, *words],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    def adopt(self, rulebook: str) -> None:
        """Replace the rulebook, tell the server, and return when the new one is in force."""
        before = self._in_force()
        if rulebook == self._rulebook.read_text(encoding="utf-8"):
            return
        new = self._rulebook.with_suffix(".new")
        new.write_text(rulebook, encoding="utf-8")
        new.replace(self._rulebook)
        self.send(signal.SIGHUP)
        await_that(lambda: self._in_force() != before, "another rulebook is in force")

    def decisions(self, **wanted: JSON) -> list[JSON]:
        """The lines of the decision log so far that say this."""
        lines = self._log().splitlines()
        found = [json.loads(line) for line in lines if line.startswith('{"ts"')]
        return [line for line in found if wanted.items() <= line.items()]

    def metrics(self, name: str) -> Mapping[tuple[str, ...], float]:
        """The samples of this name by the values of their labels, in the order of their keys."""
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["probe_port"], timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def _in_force(self) -> str:
        (((revision,), _),) = self.metrics("sallyport_rulebook").items()
        return revision

    def _words(self) -> list[str]:
        words = ["serve", "--host", "127.0.0.1", "--port", "0", "--probe-port", "0"]
        words += ["--tls-cert", str(self.certs / "tls.crt")]
        words += ["--tls-key", str(self.certs / "tls.key")]
        return [*words, "--rulebook", str(self._rulebook), "--cluster", str(WORLD), *self._flags]

    def _ready_line(self) -> str:
        lines = self._log().splitlines(keepends=True)
        return next((line for line in lines if line.startswith('{"ready"')), "").rstrip("\n")

    def _log(self) -> str:
        """The whole lines of it."""
        log = self._folder / "server.log"
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        return text[: text.rfind("\n") + 1]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "SALLYPORT_DRAIN_SECONDS": "1"}
