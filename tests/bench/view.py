"""A server that follows an API server with many objects: its start, memory, and its waits.

The waits are looked at while all namespaces, or all pods, are listed again and again, and while
none are.
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
PODS = (2_500, 100_000)
STARTS = 3
LISTS = 10
LISTS_OF_PODS = 3
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


@dataclass(frozen=True, slots=True)
class WithPods:
    """The same with so many pods, which are what is listed again."""

    pods: int
    start: Start
    listing: list[Report]
    largest: float
    steps: Steps


def measure(bench: Bench) -> View:
    """With namespaces alone, against one stand-in for an API server."""
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
                take = partial(_run_listing, bench, ours, api_server, "namespaces")
                listing.append(bench.guard.measure("following, listed again", take))
            largest = machine.resident_mib(ours.pid)
        found = steps.measure(str(bench.way_to(api_server)), "namespaces", LISTS)
    return View(starts, resting, listing, largest, found)


def measure_pods(bench: Bench) -> list[WithPods]:
    """With pods, each number of them against a stand-in of its own."""
    return [_with_pods(bench, pods) for pods in PODS]


def _with_pods(bench: Bench, pods: int) -> WithPods:
    with bench.stand_in(NAMESPACES, pods) as api_server:
        bench.say(f"start with {pods:,} pods")
        start = _start(bench, api_server)
        listing: list[Report] = []
        with bench.following(api_server) as ours:
            for number in range(bench.pace.rounds):
                bench.say(f"round {number + 1}: {RATE} reviews a second while listing pods")
                take = partial(_run_listing, bench, ours, api_server, "pods")
                listing.append(bench.guard.measure(f"following, {pods:,} pods listed again", take))
            largest = machine.resident_mib(ours.pid)
        bench.say(f"steps of listing {pods:,} pods")
        found = steps.measure(str(bench.way_to(api_server)), "pods", LISTS_OF_PODS)
    return WithPods(pods, start, listing, largest, found)


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


def _run_listing(bench: Bench, ours: Server, api_server: Server, resource: str) -> Report:
    with _expiring(bench, api_server, resource):
        return _run(bench, ours)


@contextmanager
def _expiring(bench: Bench, api_server: Server, resource: str) -> Iterator[None]:
    """What is known expires each second meanwhile, or as soon as all of it is known again."""
    over = Event()
    thread = Thread(target=_expire, args=(bench, api_server, resource, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _expire(bench: Bench, api_server: Server, resource: str, over: Event) -> None:
    context = ssl.create_default_context(cafile=str(bench.load.ca))
    while not over.wait(RELIST_SECONDS):
        connection = http.client.HTTPSConnection("127.0.0.1", api_server.port, context=context)
        connection.request("GET", f"/expire/{resource}")
        connection.getresponse().read()
        connection.close()
