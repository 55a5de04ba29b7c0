"""A real OPA server with the policies of a test."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.control_plane.process import Process, free_ports

HOST = "127.0.0.1"
PATIENCE = 20.0


class OpaServer:
    """OPA on a port that stays the same when it is stopped and started again.

    `paths` are the files and folders that it loads; `flags` further ones of `opa run`.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        *paths: Path,
        flags: Sequence[str] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        (self.port,) = free_ports(1)
        self._context = context
        scheme = "https" if context else "http"
        self.url = f"{scheme}://{HOST}:{self.port}"
        listening = ["run", "--server", f"--addr={HOST}:{self.port}", "--disable-telemetry"]
        words = [str(program), *listening, *flags, *map(str, paths)]
        self._process = Process(words, folder / "opa.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when it answers."""
        self._process.start({"PATH": os.defpath})
        self._process.wait_until(self._answers, seconds=PATIENCE)

    @property
    def pid(self) -> int:
        """Of OPA itself."""
        return self._process.pid

    def stop(self) -> None:
        """Kill it."""
        self._process.stop()

    def freeze(self) -> None:
        """It goes on holding its port and its connections, and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def send(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        """Status and text of a request to its API."""
        if self._context is None:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        else:
            connection = http.client.HTTPSConnection(
                HOST, self.port, timeout=PATIENCE, context=self._context
            )
        try:
            connection.request(method, path, body.encode())
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def adopt(self, rego: str) -> None:
        """Replace what it has of this name by a policy, or by none."""
        if rego:
            status, text = self.send("PUT", "/v1/policies/site", rego)
        else:
            status, text = self.send("DELETE", "/v1/policies/site")
        assert status == http.HTTPStatus.OK, text

    def _answers(self) -> bool:
        try:
            return self.send("GET", "/health")[0] == http.HTTPStatus.OK
        except OSError:
            return False
