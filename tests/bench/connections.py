"""Connections: what a new one costs, and whether a rested one can be used again."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial

from tests.bench.bench import Bench
from tests.bench.load import Report
from tests.bench.servers import Server

RESTS = (("5 s", 1.0, 3), ("87 s", 2.0, 1))
"""Pause, spread in seconds, rounds. uvicorn's own limit is 5 s; the API server closes at 90 s."""


def rested(bench: Bench) -> list[tuple[str, Report]]:
    """100 clients that use their connections again after each pause."""
    found = []
    with bench.ours() as server:
        for pause, spread, rounds in RESTS:
            bench.say(f"100 connections rest for {pause}")
            report = bench.load.idle(
                server.url("validate"),
                bench.review("pod"),
                c=100,
                idle=pause.replace(" ", ""),
                spread=f"{spread}s",
                rounds=rounds,
            )
            found.append((pause, report))
    return found


@dataclass(frozen=True, slots=True)
class NewConnection:
    """CPU microseconds: a review over a new connection of ours, of the floor's; one kept alive."""

    ours: float
    floor: float
    kept: float


def fresh(bench: Bench) -> list[NewConnection]:
    """A full handshake for each review, against a review on the floor's open connection."""
    found = []
    with bench.floor() as floor, bench.ours() as ours:
        for number in range(bench.pace.rounds):
            bench.say(f"round {number + 1}: new connections")
            take = partial(_connect, bench, floor, ours)
            found.append(bench.guard.measure("new connections", take))
    return found


def _connect(bench: Bench, floor: Server, ours: Server) -> NewConnection:
    kept = _cost(bench, floor, fresh=False)
    new = _cost(bench, ours, fresh=True)
    new_floor = _cost(bench, floor, fresh=True)
    return NewConnection(new, new_floor, statistics.mean([kept, _cost(bench, floor, fresh=False)]))


def _cost(bench: Bench, server: Server, *, fresh: bool) -> float:
    before = server.cpu()
    seen = bench.load.press(
        server.url("validate"),
        bench.review("pod"),
        c=8,
        duration=f"{bench.pace.slice}s",
        fresh=fresh,
        any_uid=not server.probe_port,
    )
    return (server.cpu() - before) / seen.requests * 1e6
