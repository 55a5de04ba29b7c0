"""The load: the Go program in tests/control_plane/load, and what it reports.

That program checks every answer. One wrong answer spoils a measurement: it raises.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import machine

LONGEST = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a client saw; times in microseconds."""

    requests: int
    errors: int
    rps: float
    mean: float
    p50: float
    p99: float
    p999: float
    longest: float
    reused: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Generator:
    """The program, and where it runs."""

    program: Path
    ca: Path
    cores: frozenset[int]

    def run(
        self, mode: str, flags: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
    ) -> Report:
        """One run of the program; raises machine.Wrong where an answer was not right."""
        words = [f"-{name.replace('_', '-')}={_text(value)}" for name, value in flags.items()]
        with machine.pinned(self.cores):
            process = subprocess.Popen(
                [str(self.program), mode, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment or {},
                text=True,
            )
        try:
            out, complaint = process.communicate(timeout=LONGEST)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise machine.Wrong(complaint.strip())
        said = json.loads(out)
        if said["errors"] and mode != "idle":
            raise machine.Wrong(f"{said['errors']} of {said['requests']}: {said['faults']}")
        times = {name: said[f"{name}_us"] for name in ("mean", "p50", "p99", "p999")}
        return Report(
            requests=said["requests"],
            errors=said["errors"],
            rps=said["rps"],
            longest=said["max_us"],
            reused=said.get("reused", 0),
            lost=said.get("lost", 0),
            **times,
        )

    def press(self, url: str, body: Path, **flags: Any) -> Report:
        """Reviews over connections of its own; the webhook is told the API server's timeout."""
        given = {"url": url, "ca": self.ca, "body": body, "timeout": "4s"}
        return self.run("press", given | flags)

    def idle(self, url: str, body: Path, **flags: Any) -> Report:
        """Reviews over connections that rest meanwhile; here errors are the figure."""
        return self.run("idle", {"url": url, "ca": self.ca, "body": body} | flags)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
