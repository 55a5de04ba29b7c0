"""What a server is over its life: its memory, and its start."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.servers import Server

REVIEWS = 100_000
CONNECTIONS = 150  # 3 API servers, 2 doors, 25 idle connections each
SETTLE = 3.0  # until what nobody waits for is loaded, too


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB: ready, after `REVIEWS` reviews, at `CONNECTIONS` connections; and log lines."""

    idle: float
    after: float
    connected: float
    logged: int


def memory(bench: Bench) -> Memory:
    """One server through all three states."""
    with bench.ours():
        time.sleep(SETTLE)  # it may have to compile, which leaves its marks in memory
    with bench.ours() as server:
        time.sleep(SETTLE)
        idle = machine.resident_mib(server.pid)
        bench.say(f"{REVIEWS} reviews")
        for sample in ("pod", "deployment"):
            bench.load.press(server.url("validate"), bench.review(sample), c=25, n=REVIEWS // 2)
        time.sleep(SETTLE)
        after = machine.resident_mib(server.pid)
        bench.say(f"{CONNECTIONS} connections")
        connected = _connected(bench, server)
        time.sleep(SETTLE)
        return Memory(idle, after, connected, server.lines)


def _connected(bench: Bench, server: Server) -> float:
    """The most that the server takes while all connections are open and used."""
    flags = {"c": CONNECTIONS, "rate": 1000, "duration": "4s"}
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(
            bench.load.press, server.url("validate"), bench.review("deployment"), **flags
        )
        seen = []
        while not running.done():
            seen.append(machine.resident_mib(server.pid))
            time.sleep(0.05)
        running.result()
    return max(seen)


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process to its ready line, and to 200 of /readyz."""

    line: float
    ready: float


def starts(bench: Bench, times: int = 7) -> tuple[list[Start], list[Start]]:
    """Cold processes, with their bytecode on disk as in an image: ours, and the floor's."""
    ours, floor = (
        [bench.guard.measure("start", partial(_start, serve)) for _ in range(times + 1)]
        for serve in (bench.ours, bench.floor)
    )
    return ours[1:], floor[1:]  # the first may have compiled


def _start(serve: Callable[[], AbstractContextManager[Server]]) -> Start:
    with serve() as server:
        ready = time.monotonic() - server.started
        return Start(server.listening, ready)
