"""OPA as a second voice: what a review costs with and without the question, and when OPA is slow.

Both servers and OPA stand all the time and take turns, as in `tests.bench.direct`; OPA has all
cores, since beside a replica it has none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.direct import DEPLOYMENT, POD, Case
from tests.bench.load import Report
from tests.bench.servers import Server
from tests.control_plane.binaries import opa_binary
from tests.opa.server import OpaServer

REGO = Path(__file__).with_name("opa.rego")
CASES = (Case("pod", "pod", 1), POD, Case("pod", "pod", 25), DEPLOYMENT)
CROWDS = (25, 100)


@dataclass(frozen=True, slots=True)
class Turn:
    """Some seconds of one server: microseconds of CPU a review, its own and OPA's."""

    cpu: float
    opa: float
    seen: Report


@dataclass(frozen=True, slots=True)
class Duet:
    """Some rounds of a case, each: without, with, with, without."""

    case: Case
    alone: list[Turn]
    asking: list[Turn]


@dataclass(frozen=True, slots=True)
class Slow:
    """With an OPA that takes a second: so many callers at /validate, and 8 at /mutate meanwhile."""

    callers: int
    validating: Report
    mutating: Report


def measure(bench: Bench) -> list[Duet]:
    """Every case in every round."""
    duets = [Duet(case, [], []) for case in CASES]
    folder = bench.folder / "opa"
    folder.mkdir(exist_ok=True)
    with machine.pinned(bench.cores.every), OpaServer(opa_binary(), folder, REGO) as opa:
        bench.guard.pids.add(opa.pid)
        with bench.ours() as alone, bench.ours(f"--opa={opa.url}") as asking:
            for server in (alone, asking):  # warm up, unmeasured
                _press(bench, server, POD, 0.5)
            for number in range(bench.pace.rounds):
                for duet in duets:
                    bench.say(f"round {number + 1}: {duet.case}, with and without OPA")
                    take = partial(_take, bench, (alone, asking), opa, duet.case)
                    without, with_opa = bench.guard.measure(f"OPA, {duet.case}", take)
                    duet.alone.extend(without)
                    duet.asking.extend(with_opa)
        bench.guard.pids.discard(opa.pid)
    return duets


def slow(bench: Bench) -> list[Slow]:
    """Behaviour when OPA takes a second."""
    found = []
    with (
        bench.beside("tests.bench.slow") as opa,
        bench.ours(f"--opa=http://127.0.0.1:{opa.port}") as ours,
    ):
        for callers in CROWDS:
            bench.say(f"OPA takes a second, {callers} callers")
            found.append(_wait(bench, ours, callers))
    return found


def _take(
    bench: Bench, servers: tuple[Server, Server], opa: OpaServer, case: Case
) -> tuple[list[Turn], list[Turn]]:
    alone, asking = servers
    turns: dict[Server, list[Turn]] = {alone: [], asking: []}
    for server in (alone, asking, asking, alone):
        before, opa_before = server.cpu(), machine.cpu_seconds(opa.pid)
        seen = _press(bench, server, case, bench.pace.slice)
        spent, opa_spent = server.cpu() - before, machine.cpu_seconds(opa.pid) - opa_before
        each = 1e6 / seen.requests
        turns[server].append(Turn(spent * each, opa_spent * each, seen))
    return turns[alone], turns[asking]


def _press(bench: Bench, server: Server, case: Case, seconds: float) -> Report:
    return bench.load.press(
        server.url(case.door),
        bench.review(case.sample),
        c=case.connections,
        duration=f"{seconds}s",
    )


def _wait(bench: Bench, ours: Server, callers: int) -> Slow:
    """Each caller asks three times; meanwhile others ask what needs no OPA."""
    seen: list[Report] = []

    def validate() -> None:
        seen.append(
            bench.load.press(ours.url("validate"), bench.review("pod"), c=callers, n=3 * callers)
        )

    waiting = Thread(target=validate)
    waiting.start()
    mutating = bench.load.press(ours.url("mutate"), bench.review("pod"), c=8, duration="2s")
    waiting.join()
    return Slow(callers, seen[0], mutating)
