"""The targets, as limits on figures, and which measurement gives which figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median

from tests.bench.connections import NewConnection
from tests.bench.direct import (
    DEPLOYMENT,
    DEPLOYMENT_BY_TEN,
    MUTATE,
    POD,
    POD_BY_TEN,
    RATE,
    UNLIKE,
    OpenLoop,
    Result,
)
from tests.bench.lasting import CONNECTIONS, REVIEWS, Memory, Start
from tests.bench.load import Report
from tests.bench.policies import PLANNED, Cost
from tests.bench.second_voice import Duet
from tests.bench.through import CLIENTS, PAIRS, Pair, Round
from tests.bench.view import NAMESPACES, View, WithPods

MEASUREMENTS = {
    "direct": ("T1", "T2", "T5", "T6", "T11"),
    "open loop": ("T6",),
    "memory": ("T7",),
    "start": ("T8",),
    "view": ("T6", "T7", "T8"),
    "pods": ("T6", "T13"),
    "connections": ("T9",),
    "through": ("T4", "T10"),
    "judgement": (),
    "second voice": ("T12",),
    "policies": ("T13",),
    "policies, ten times": ("T13",),
}
"""What must be run for a target."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one or more rounds, and its limit where a target sets one.

    `floor` is what the floor had in the same rounds, where the limit is no multiple of that: what
    the floor misses too, nobody can meet on this machine.
    """

    target: str
    what: str
    values: Sequence[float]
    unit: str = ""
    most: float | None = None
    least: float | None = None
    floor: Sequence[float] = ()

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def verdict(self) -> str:
        """`met`, `missed` and by whom, or nothing where there is no limit."""
        if self.most is None and self.least is None:
            return ""
        if not self._misses(self.value):
            return "met"
        as_the_floor = self.floor and self._misses(median(self.floor))
        return "missed, as by the floor" if as_the_floor else "missed"

    def _misses(self, value: float) -> bool:
        above = self.most is not None and value > self.most
        return above or (self.least is not None and value < self.least)

    @property
    def limit(self) -> str:
        """The limit in words."""
        if self.most is not None:
            return f"at most {self.most:g}{self.unit}"
        return f"at least {self.least:g}{self.unit}" if self.least is not None else ""


def direct(results: Iterable[Result]) -> list[Figure]:
    """CPU, speed and waits of the webhook alone."""
    by_case = {result.case: result for result in results}
    pod, deployment, mutate = (by_case[case] for case in (POD, DEPLOYMENT, MUTATE))
    unlike = by_case[UNLIKE]
    by_ten, updated_by_ten = by_case[POD_BY_TEN], by_case[DEPLOYMENT_BY_TEN]
    few = [result for case, result in by_case.items() if case.rulebook]
    worst = max(few, key=lambda result: median(result.costs))
    return [
        Figure("T1", f"CPU, {by_ten.case}", by_ten.costs, "x floor", most=2.0),
        Figure("T1", f"CPU, {updated_by_ten.case}", updated_by_ten.costs, "x floor", most=2.5),
        Figure("T1", "CPU a pod review, all rules", pod.costs, "x floor", most=3.0),
        Figure("T1", f"CPU, {unlike.case}, all rules", unlike.costs, "x floor"),
        Figure("T1", "CPU a Deployment update, all rules", deployment.costs, "x floor", most=4.0),
        Figure("T2", "pod reviews a second, ten rules", by_ten.speeds, "x floor", least=0.45),
        Figure("T2", "pod reviews a second, all rules", pod.speeds, "x floor", least=0.33),
        Figure("T2", "Deployment updates a second, all rules", deployment.speeds, "x floor"),
        Figure("T5", f"CPU, the dearest: {worst.case}", worst.costs, "x floor", most=3.0),
        _wait(pod, most=1.0),
        _wait(deployment, most=3.5),
        Figure("T11", "CPU a pod that is filled in", mutate.costs, "x floor", most=4.0),
    ]


def open_loop(found: OpenLoop) -> list[Figure]:
    """Waits at a fixed rate."""
    what = f"{RATE} pod reviews a second"
    plain = [report.p99 / 1000 for report in found.ours]
    changing = [report.p999 / 1000 for report in found.reloading]
    p99 = [report.p99 / 1000 for report in found.floor]
    p999 = [report.p999 / 1000 for report in found.floor]
    changes = f"p99.9, {what}, new rulebook each second"
    return [
        Figure("T6", f"p99, {what}", plain, " ms", most=2.5, floor=p99),
        Figure("T6", changes, changing, " ms", most=10.0, floor=p999),
    ]


def memory(found: Memory) -> list[Figure]:
    """Resident memory."""
    return [
        Figure("T7", "resident, idle", [found.idle], " MiB", most=70),
        Figure("T7", f"resident after {REVIEWS:,} reviews", [found.after], " MiB", most=110),
        Figure("T7", f"resident at {CONNECTIONS} connections", [found.connected], " MiB", most=110),
    ]


def start(starts: Sequence[Start], floor: Sequence[Start]) -> list[Figure]:
    """Cold start."""
    ready = [one.ready for one in starts]
    return [
        Figure("T8", "start to listening", [one.line for one in starts], " s"),
        Figure("T8", "start to ready", ready, " s", most=0.6, floor=[s.line for s in floor]),
    ]


def view(found: View) -> list[Figure]:
    """A server that follows an API server."""
    what = f"{NAMESPACES:,} namespaces in the view"
    waits = [[report.p999 / 1000 for report in part] for part in (found.resting, found.listing)]
    return [
        Figure("T6", f"p99.9, {RATE} pod reviews a second, {what}", waits[0], " ms"),
        Figure("T6", "the same while all are listed again each second", waits[1], " ms", most=10),
        Figure("T6", "longest step of the loop meanwhile, CPU", found.steps.longest, " ms"),
        Figure("T6", "all steps of one such list, CPU", found.steps.total, " ms"),
        Figure("T7", f"resident, {what}", [s.resident for s in found.starts], " MiB", most=110),
        Figure("T7", "the same after all were listed again", [found.largest], " MiB", most=110),
        Figure("T8", f"start to ready, {what}", [s.ready for s in found.starts], " s", most=1.5),
        Figure("T8", "CPU of that start", [s.cpu for s in found.starts], " s"),
    ]


def pods(found: Iterable[WithPods]) -> Iterator[Figure]:
    """A server that follows an API server with pods, which are listed again meanwhile."""
    for each in found:
        what = f"{each.pods:,} pods"
        waits = [report.p999 / 1000 for report in each.listing]
        steps = each.steps
        yield Figure("T6", f"p99.9, {RATE} pod reviews a second, {what} listed", waits, " ms", 10)
        yield Figure("T6", f"longest step of listing {what}, CPU", steps.longest, " ms")
        yield Figure("T6", f"all steps of listing {what}, CPU", steps.total, " ms")
        yield Figure("T13", f"resident with {what}, listed again", [each.largest], " MiB")
        yield Figure("T13", f"start to ready with {what}", [each.start.ready], " s")


def connections(rested: Iterable[tuple[str, Report]], new: Iterable[NewConnection]) -> list[Figure]:
    """Idle and new connections."""
    new = list(new)
    ratios = [one.ours / one.kept for one in new]
    floor = [one.floor / one.kept for one in new]
    errors = [
        Figure("T9", f"errors, {report.reused} calls after {pause}", [report.errors], most=0)
        for pause, report in rested
    ]
    what = "CPU a review on a new connection"
    return [*errors, Figure("T9", what, ratios, "x floor", most=13, floor=floor)]


def second_voice(duets: Iterable[Duet]) -> list[Figure]:
    """Reviews a second with OPA, against without."""
    return [
        Figure(
            "T12",
            f"reviews a second with OPA, {duet.case}",
            [a.seen.rps / b.seen.rps for a, b in zip(duet.asking, duet.alone, strict=True)],
            "x without",
        )
        for duet in duets
    ]


def through(rounds: Sequence[Round]) -> list[Figure]:
    """Creations through the API server."""
    found = []
    for pair in PAIRS:
        least = 0.9 if pair.mutates else 0.95
        for clients in CLIENTS:
            what = f"pods created a second, {pair.title}, {clients} clients"
            speeds = [one.speed for one in chosen(rounds, pair, clients)]
            found.append(Figure("T4", what, speeds, "x floor", least=least))
    alone = PAIRS[0]
    for clients in CLIENTS:
        what = f"mean wait that the API server sees, {clients} clients"
        waits = [one.wait for one in chosen(rounds, alone, clients)]
        found.append(Figure("T4", what, waits, "x floor", most=None if clients == 8 else 1.5))
    for clients in CLIENTS[:2]:
        what = f"calls within the API server's first bucket, 5 ms, {clients} clients"
        shares = [one.ours.times.share_fast for one in chosen(rounds, alone, clients)]
        found.append(Figure("T10", what, [100 * share for share in shares], " %"))
    return found


def chosen(rounds: Iterable[Round], pair: Pair, clients: int) -> list[Round]:
    """The rounds of one pair at one number of clients."""
    return [one for one in rounds if one.pair is pair and one.clients == clients]


def _wait(result: Result, *, most: float) -> Figure:
    """The p99 in milliseconds, the median of each round's slices."""
    ours, floor = (
        [median(one.seen.p99 for one in side(turn)) / 1000 for turn in result.rounds]
        for side in (attrgetter("ours"), attrgetter("floor"))
    )
    return Figure("T6", f"p99, {result.case}", ours, " ms", most=most, floor=floor)


def policies(costs: Sequence[Cost]) -> Iterator[Figure]:
    """T13: what network policies cost in a cluster of the planned size, and how that grows."""
    for cost in costs:
        where = f"{cost.namespaces:,} namespaces"
        goals = (1.0, 2.0, 150.0) if cost.namespaces == PLANNED else (None, None, None)
        for question, most in zip(("pod", "policy"), goals, strict=False):
            what = f"p99 of the network rules on a {question}, {where}, CPU"
            yield Figure("T13", what, [cost.p99[question] / 1000], " ms", most)
        yield Figure("T13", f"memory of the index, {where}", [cost.resident], " MiB", goals[2])
