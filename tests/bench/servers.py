"""The servers under load: ours as a user starts it, and the floor. Each is a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Self

from tests.bench import machine

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
PAUSE = 0.001


class Silent(Exception):
    """A server did not get ready; the message shows its last words."""


class Server:
    """A server that runs from `with` to its end. `lines` counts what it logged on stdout."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        *,
        cores: frozenset[int],
        guard: machine.Guard,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._words = words
        self._folder = folder
        self._cores = cores
        self._guard = guard
        self._environment = {**_environment(folder), **(environment or {})}
        self.lines = 0
        self.port = 0
        self.probe_port = 0
        self.started = self.listening = 0.0  # the moment, and the seconds until the ready line

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        with machine.pinned(self._cores), (self._folder / "stderr.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
            )
        self._guard.pids.add(self.pid)
        try:
            self._await_line()
        except BaseException:
            self._end()
            raise
        self._reader = Thread(target=self._drain, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._reader.join()

    @property
    def pid(self) -> int:
        """Of the server itself: nothing stands between."""
        return self._process.pid

    def url(self, path: str) -> str:
        """Of one of the two doors."""
        return f"https://127.0.0.1:{self.port}/{path}"

    def cpu(self) -> float:
        """CPU seconds so far."""
        return machine.cpu_seconds(self.pid)

    def await_probe(self) -> float:
        """The seconds from the start until /readyz said 200."""
        while time.monotonic() - self.started < PATIENCE:
            connection = http.client.HTTPConnection("127.0.0.1", self.probe_port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return time.monotonic() - self.started
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(PAUSE)
        raise Silent("/readyz never said 200")

    @property
    def _stdout(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise Silent("no stdout")
        return self._process.stdout

    def _await_line(self) -> None:
        ready, _, _ = select.select([self._stdout], [], [], PATIENCE)
        line = self._stdout.readline() if ready else b""
        if not line:
            log = (self._folder / "stderr.log").read_text(encoding="utf-8", errors="replace")
            raise Silent(f"{self._words[0]} did not get ready:\n{log[-2000:]}")
        said = json.loads(line)
        self.port, self.probe_port = said["port"], said.get("probe_port", 0)
        self.listening = time.monotonic() - self.started

    def _drain(self) -> None:
        while chunk := os.read(self._stdout.fileno(), 1 << 20):
            self.lines += chunk.count(b"\n")

    def _end(self) -> None:
        self._guard.pids.discard(self.pid)
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment(folder: Path) -> Mapping[str, str]:
    """As the image has it, bytecode too; a server that is told to end does so at once."""
    return {
        "PATH": os.defpath,
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "PYTHONNODEBUGRANGES": "1",
        "MALLOC_ARENA_MAX": "1",
        "SALLYPORT_DRAIN_SECONDS": "0",
    }
