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

from certs.issue import issue_authority, issue_leaf
from rules.model import JSON
from tests.api_server.patience import PATIENCE, await_that
from tests.api_server.world import WORLD
from tests.certs.volume import Volume
from tests.control_plane.cluster import ControlPlane
from tests.control_plane.process import Process, StartFailed
from webhook.rulebook import load

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
SITE = """\
version: 1
trusted: {namespaces: [platform-tools]}
mesh: {revision: asm-1-28}
cluster: {engine: cilium, acns: {fqdn: true, l7: false}, cidrs: {pods: [192.168.0.0/16]}}
"""
NO_MUTATE = "--no-mutate"
ENFORCE = SITE + "action: enforce\n"
WARN = SITE + "action: warn\n"
AUDIT = SITE + "action: audit\n"


class Serving:
    """A server with a rulebook, the view of a file (world.yaml) and a certificate for 127.0.0.1.

    `follows`: its view is live, of this control plane, and of no file. `flags` are further ones of
    `serve`, `program` the module to run: the command itself, or one that adds rules to it. Used
    with `with`; `stop` in between is a crash.
    """

    def __init__(  # noqa: PLR0913  # what tests vary, one or two at a time
        self,
        folder: Path,
        *,
        rulebook: str = ENFORCE,
        flags: Sequence[str] = (),
        program: str = "webhook",
        view: Path = WORLD,
        follows: ControlPlane | None = None,
    ) -> None:
        now = datetime.now(UTC)
        authority = issue_authority([HOST], now=now)
        self.authority = authority.certificate
        self.volume = Volume(folder / "certs", issue_leaf(authority, [HOST], now=now))
        self._folder = folder
        self._rulebook = folder / "rulebook.yaml"
        self._rulebook.write_text(rulebook, encoding="utf-8")
        self._flags = flags
        self._view = ["--cluster", str(view)] if follows is None else []
        self._follows = follows
        self._command = [sys.executable, "-m", program]
        self._process = Process([*self._command, *self._words()], folder / "server.log")
        self._ports: Mapping[str, int] = {}

    def __enter__(self) -> Self:
        self._process.start(self._environment())
        try:
            self._process.wait_until(lambda: bool(self._ready_line()), seconds=PATIENCE)
        except StartFailed:
            self.stop()
            raise
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
        return f"https://{HOST}:{self._ports['port']}"

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

    def configurations(self, *, failure_policy: str = "Fail", bundle: bytes = b"") -> str:
        """What `sallyport manifests webhooks` prints for this server; `bundle`: whom to trust."""
        trusted = self._folder / "ca.crt"
        trusted.write_bytes(bundle or self.authority)
        words = ["manifests", "webhooks", "--rulebook", str(self._rulebook)]
        words += ["--url", self.url, "--ca-bundle", str(trusted)]
        words += ["--failure-policy", failure_policy]
        words += [flag for flag in self._flags if flag == NO_MUTATE]
        return subprocess.run(
            [*self._command, *words],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout

    def adopt(self, rulebook: str) -> None:
        """Replace the rulebook, tell the server, and return when the new one is in force."""
        self._replace_rulebook(rulebook)
        flags = {"audit": "--audit" in self._flags, "mutate": NO_MUTATE not in self._flags}
        wanted = load(self._rulebook, **flags).revision
        await_that(
            lambda: (wanted,) in self.metrics("sallyport_rulebook"), "the rulebook is in force"
        )

    def offer(self, rulebook: str) -> None:
        """Replace the rulebook by one that cannot stand; return when the server has said so."""

        def refused() -> float:
            return self.metrics("sallyport_reloads_total").get(("failed", "rulebook"), 0)

        before = refused()
        self._replace_rulebook(rulebook)
        await_that(lambda: refused() > before, "the rulebook is refused")

    def decisions(self, **wanted: JSON) -> list[JSON]:
        """The lines of the decision log so far that say this."""
        lines = self._log().splitlines()
        found = [json.loads(line) for line in lines if line.startswith('{"ts"')]
        return [line for line in found if wanted.items() <= line.items()]

    def metrics(self, name: str) -> Mapping[tuple[str, ...], float]:
        """The samples of this name by the values of their labels, in the order of their keys."""
        connection = http.client.HTTPConnection(HOST, self._ports["probe_port"], timeout=10)
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

    def _replace_rulebook(self, text: str) -> None:
        new = self._rulebook.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._rulebook)
        self.send(signal.SIGHUP)

    def _words(self) -> list[str]:
        words = ["serve", "--host", HOST, "--port", "0", "--probe-port", "0"]
        words += ["--tls-cert", str(self.volume.certificate), "--tls-key", str(self.volume.key)]
        return [*words, "--rulebook", str(self._rulebook), *self._view, *self._flags]

    def _ready_line(self) -> str:
        lines = self._log().splitlines(keepends=True)
        return next((line for line in lines if line.startswith('{"ready"')), "").rstrip("\n")

    def _log(self) -> str:
        """The whole lines of it."""
        log = self._folder / "server.log"
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        return text[: text.rfind("\n") + 1]

    def _environment(self) -> dict[str, str]:
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
            "SALLYPORT_DRAIN_SECONDS": "600",
        }
        if self._follows is not None:
            environment["KUBECONFIG"] = str(self._follows.kubeconfig())
        return environment
