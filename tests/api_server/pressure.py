"""Pods that are created without a pause, through the API server, while something else happens."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import pytest

from rules.model import JSON
from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.control_plane.binaries import Unavailable, load_binary
from tests.control_plane.cluster import ControlPlane


class Pressure:
    """As dry runs, which are admitted like all others, by several clients, batch after batch."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        sample = folder / "pod.json"
        sample.write_text(json.dumps(pod("pressed-")), encoding="utf-8")
        self._command = [
            str(_program()),
            "create",
            f"-server={control_plane.url}",
            f"-ca={control_plane.ca_file}",
            f"-token={control_plane.token('developer')}",
            "-namespace=foo",
            f"-pod={sample}",
            "-c=4",
            "-n=40",
        ]
        self._reports: list[JSON] = []
        self._enough = Event()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        self._running = self._pool.submit(self._run)
        self.go_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._pool.shutdown()
        if self._running is not None:
            self._running.result()

    def go_on(self) -> None:
        """Return when a whole batch that began after this call has been answered."""
        enough = len(self._reports) + 2
        await_that(lambda: len(self._reports) >= enough, "pods are created all the while")

    @property
    def faults(self) -> JSON:
        """What went wrong so far, by message; nothing should."""
        return [report["faults"] for report in self._reports if report["errors"]]

    def _run(self) -> None:
        while not self._enough.is_set():
            done = subprocess.run(self._command, check=True, capture_output=True, timeout=60)
            self._reports.append(json.loads(done.stdout))


def _program() -> Path:
    try:
        return load_binary()
    except Unavailable as fault:
        reason = f"no load generator: {fault}"
        if os.environ.get("SALLYPORT_REQUIRE_CONTROL_PLANE") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
