"""A server that follows an API server with many namespaces: its start, memory, and its waits.

The waits are looked at while all namespaces are listed again and again, and while none are.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread

from tests.bench import machine, steps
from tests.bench.bench import Bench
from tests.bench.direct import RATE
from tests.bench.load import Report
from tests.bench.servers import Server
from tests.bench.steps import Steps

NAMESPACES = 5000
STARTS = 3
RELIST_SECONDS = 1.0
SETTLE = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until it was ready, the CPU seconds in them, and the resident MiB then."""

    ready: float
    cpu: float
    resident: float


@dataclass(frozen=True, slots=True)
class View:
    """The starts; reports at rest, and while listing again; the resident MiB after all that."""

    starts: list[Start]
    resting: list[Report]
    listing: list[Report]
    largest: float
    steps: Steps


def measure(bench: Bench) -> View:
    """All of it, against one stand-in for an API server."""
    with bench.stand_in(NAMESPACES) as api_server:
        bench.say(f"starts with {NAMESPACES:,} namespaces")
        _start(bench, api_server)  # it may compile
        starts = [
            bench.guard.measure("start, following", partial(_start, bench, api_server))
            for _ in range(STARTS)
        ]
        resting: list[Report] = []
        listing: list[Report] = []
        with bench.following(api_server) as ours:
            for number in range(bench.pace.rounds):
                bench.say(f"round {number + 1}: {RATE} reviews a second while following")
                take = partial(_run, bench, ours)
                resting.append(bench.guard.measure("following", take))
                take = partial(_run_listing, bench, ours, api_server)
                listing.append(bench.guard.measure("following, listed again", take))
            largest = machine.resident_mib(ours.pid)
        found = steps.measure(str(bench.way_to(api_server)))
    return View(starts, resting, listing, largest, found)


def _start(bench: Bench, api_server: Server) -> Start:
    with bench.following(api_server) as ours:
        ready, cpu = time.monotonic() - ours.started, ours.cpu()
        time.sleep(SETTLE)
        return Start(ready, cpu, machine.resident_mib(ours.pid))


def _run(bench: Bench, ours: Server) -> Report:
    return bench.load.press(
        ours.url("validate"),
        bench.review("pod"),
        c=25,
        rate=RATE,
        duration=f"{bench.pace.open_loop}s",
    )


def _run_listing(bench: Bench, ours: Server, api_server: Server) -> Report:
    with _expiring(bench, api_server):
        return _run(bench, ours)


@contextmanager
def _expiring(bench: Bench, api_server: Server) -> Iterator[None]:
    """What is known expires each second meanwhile."""
    over = Event()
    thread = Thread(target=_expire, args=(bench, api_server, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _expire(bench: Bench, api_server: Server, over: Event) -> None:
    context = ssl.create_default_context(cafile=str(bench.load.ca))
    while not over.wait(RELIST_SECONDS):
        connection = http.client.HTTPSConnection("127.0.0.1", api_server.port, context=context)
        connection.request("GET", "/expire")
        connection.getresponse().read()
        connection.close()
