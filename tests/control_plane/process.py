"""A program that runs beside the tests: its log in a file, its life no longer than ours."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
PAUSE = 0.05  # seconds between two looks at something that gets ready


class StartFailed(Exception):
    """A program ended or stayed silent; the message shows the end of its log."""


class Process:
    """One program. It can be started again after it was stopped; its log goes on."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._running is not None and self._running.poll() is None

    @property
    def pid(self) -> int:
        """The program's own: the tether became it."""
        if self._running is None:
            raise StartFailed(f"{self.command[0]} was not started")
        return self._running.pid

    def start(self, environment: Mapping[str, str]) -> None:
        """Returns at once; `wait_until` tells when it is of use.

        A session of its own keeps Ctrl-C for pytest, which then stops the programs in order.
        """
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid())]
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [*tether, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                cwd=self.log.parent,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Look until `ready` says yes, the program ends, or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running:
                raise StartFailed(self._last_words("ended"))
            if time.monotonic() > deadline:
                raise StartFailed(self._last_words(f"was not ready after {seconds:.0f} s"))
            time.sleep(PAUSE)

    def stop(self) -> None:
        """Kill, and wait until it is gone. Stopping twice is stopping once."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def _last_words(self, fate: str) -> str:
        name = Path(self.command[0]).name
        return f"{name} {fate}; the end of {self.log}:\n{tail(self.log)}"


def tail(log: Path, *, lines: int = 25) -> str:
    """The last lines of a log, or nothing where there is no log."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody had a moment ago, all different.

    Somebody may take one before we do; whoever starts a program on it starts again with others.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
