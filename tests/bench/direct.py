"""The webhook alone, one core for it and one for the load: CPU a review, reviews a second, waits.

Ours and the floor take turns in short slices, so that a machine that slows down slows both.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from threading import Event, Thread

from tests.bench.bench import Bench
from tests.bench.load import Report
from tests.bench.servers import Server

RATE = 1000


RULES = {"ten": "ten rules", "staged": "ten rules with overrides"}


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, at which door, over how many connections, under which rulebook.

    The rulebook is the built-in one, or one of the samples by its name.
    """

    name: str
    sample: str
    connections: int
    door: str = "validate"
    rulebook: str = ""

    def __str__(self) -> str:
        rules = f", {RULES[self.rulebook]}" if self.rulebook else ""
        return f"{self.name}{rules} at {self.connections}"

    @property
    def want(self) -> str:
        """What an answer must hold besides its verdict."""
        return '"patch":"' if self.door == "mutate" else ""


POD = Case("pod", "pod", 8)
POD_BY_TEN = Case("pod", "pod", 8, rulebook="ten")
INJECTED = Case("pod with its sidecar", "pod-injected", 8)
UNLIKE = Case("pod like none before", "pod-unlike", 8)
DEPLOYMENT = Case("Deployment", "deployment", 25)
DEPLOYMENT_BY_TEN = Case("Deployment", "deployment", 25, rulebook="ten")
MUTATE = Case("mutate", "pod-left", 8, door="mutate")
QUICK = (POD_BY_TEN, DEPLOYMENT_BY_TEN, POD, UNLIKE, DEPLOYMENT, MUTATE)
CASES = (
    *QUICK,
    INJECTED,
    Case("pod", "pod", 25),
    Case("Deployment", "deployment", 8),
    Case("Deployment, class left to us", "deployment-left", 25),
    Case("pod", "pod", 8, rulebook="staged"),
    Case("Deployment", "deployment", 25, rulebook="staged"),
)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some seconds of one server under load."""

    cpu: float  # microseconds a review
    seen: Report


@dataclass(frozen=True, slots=True)
class Round:
    """Floor, ours, ours, floor."""

    ours: tuple[Slice, ...]
    floor: tuple[Slice, ...]

    @property
    def cost(self) -> float:
        """CPU a review, in multiples of the floor's."""
        return _cpu(self.ours) / _cpu(self.floor)

    @property
    def speed(self) -> float:
        """Reviews a second, as a share of the floor's."""
        return mean(one.seen.rps for one in self.ours) / mean(one.seen.rps for one in self.floor)


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of a case."""

    case: Case
    rounds: tuple[Round, ...]

    @property
    def costs(self) -> list[float]:
        """One for each round."""
        return [one.cost for one in self.rounds]

    @property
    def speeds(self) -> list[float]:
        """One for each round."""
        return [one.speed for one in self.rounds]

    @property
    def ours(self) -> list[Slice]:
        """All slices of ours."""
        return [one for turn in self.rounds for one in turn.ours]

    @property
    def floor(self) -> list[Slice]:
        """All slices of the floor."""
        return [one for turn in self.rounds for one in turn.floor]


def measure(bench: Bench, cases: tuple[Case, ...]) -> list[Result]:
    """Every case in every round; the rounds go over all cases in turn."""
    rounds: dict[Case, list[Round]] = {case: [] for case in cases}
    with ExitStack() as running:
        floor = running.enter_context(bench.floor())
        ours = {"": running.enter_context(bench.ours())}
        for name in {case.rulebook for case in cases} - {""}:
            ours[name] = running.enter_context(bench.ours(f"--rulebook={bench.rulebook(name)}"))
        for case in cases:  # warm up, unmeasured
            for server in (floor, ours[case.rulebook]):
                _press(bench, server, case, 0.3)
        for number in range(bench.pace.rounds):
            for case in cases:
                bench.say(f"round {number + 1}: {case}")
                take = partial(_take, bench, floor, ours[case.rulebook], case)
                rounds[case].append(bench.guard.measure(str(case), take))
    return [Result(case, tuple(turns)) for case, turns in rounds.items()]


def _take(bench: Bench, floor: Server, ours: Server, case: Case) -> Round:
    """One round of a case."""
    slices: dict[Server, list[Slice]] = {floor: [], ours: []}
    for server in (floor, ours, ours, floor):
        before = server.cpu()
        seen = _press(bench, server, case, bench.pace.slice)
        spent = server.cpu() - before
        slices[server].append(Slice(spent / seen.requests * 1e6, seen))
    return Round(tuple(slices[ours]), tuple(slices[floor]))


def _press(bench: Bench, server: Server, case: Case, seconds: float) -> Report:
    return bench.load.press(
        server.url(case.door),
        bench.review(case.sample),
        c=case.connections,
        duration=f"{seconds}s",
        want=case.want,
        any_uid=not server.probe_port,  # the floor's answer is fixed
    )


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Reports at a fixed rate: of the floor, of ours, of ours while its rulebook changes."""

    floor: list[Report]
    ours: list[Report]
    reloading: list[Report]


def open_loop(bench: Bench) -> OpenLoop:
    """Pods at a rate that has nothing to do with how fast they are answered."""
    found = OpenLoop([], [], [])
    rulebook = bench.folder / "changing.yaml"
    rulebook.write_bytes(bench.rulebook("staged").read_bytes())
    with bench.floor() as floor, bench.ours(f"--rulebook={rulebook}") as ours:
        for number in range(bench.pace.rounds):
            bench.say(f"round {number + 1}: {RATE} reviews a second")
            for server, reports in ((floor, found.floor), (ours, found.ours)):
                take = partial(_run_open, bench, server)
                reports.append(bench.guard.measure("open loop", take))
            take = partial(_run_open, bench, ours, rulebook)
            found.reloading.append(bench.guard.measure("open loop, reloading", take))
    return found


def _run_open(bench: Bench, server: Server, changing: Path | None = None) -> Report:
    """One run at a fixed rate; `changing`: the rulebook to write anew each second."""
    over = Event()
    writer = Thread(target=_change, args=(changing, over))
    if changing is not None:
        writer.start()
    try:
        return bench.load.press(
            server.url("validate"),
            bench.review("pod"),
            c=25,
            rate=RATE,
            duration=f"{bench.pace.open_loop}s",
            any_uid=not server.probe_port,
        )
    finally:
        over.set()
        if changing is not None:
            writer.join()


def _change(rulebook: Path, over: Event) -> None:
    while not over.wait(1.0):
        text = rulebook.read_text(encoding="utf-8").partition("#")[0]
        rulebook.write_text(f"{text}# {time.monotonic()}\n", encoding="utf-8")


def _cpu(slices: tuple[Slice, ...]) -> float:
    """Weighed by their reviews."""
    spent = sum(one.cpu * one.seen.requests for one in slices)
    return spent / sum(one.seen.requests for one in slices)
