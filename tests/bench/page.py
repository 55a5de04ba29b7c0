"""docs/performance.md and the tables on stdout, from what was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from tests.bench.connections import NewConnection
from tests.bench.direct import OpenLoop, Result, Slice
from tests.bench.judgement import Judgement
from tests.bench.load import Report
from tests.bench.policies import Cost
from tests.bench.second_voice import Duet, Slow, Turn
from tests.bench.targets import Figure, chosen
from tests.bench.through import CLIENTS, PAIRS, Round, Share
from tests.bench.view import NAMESPACES, View, WithPods
from tests.control_plane.binaries import pinned_version

HEAD = """\
# Performance

Written by `make bench`; do not edit. What a review costs is told in multiples of **the floor**: a
bare ASGI application on the same uvicorn, uvloop and httptools, behind the same TLS, that reads
the body and sends a fixed answer ([tests/bench/floor.py](../tests/bench/floor.py)). Nothing that
decides can cost less on this stack. Microseconds differ from machine to machine; ratios hardly do.

Measured {date} on {cores} cores with {versions}.
Server: all shipped rules, the shipped metrics, the decision log written and read.

## Targets

"""
METHOD = """
## How it is measured

- Each figure is the median of {rounds} rounds; the span beside it is that of the rounds. In a round
  the floor and ours take turns (floor, ours, ours, floor) in slices of {slice:g} s.
- CPU is what the kernel accounts to the server's process, all threads, divided by the reviews that
  it answered. The server has one core and the load the other.
- The pod is {pod} bytes of AdmissionReview, the Deployment update {deployment}, with all that an
  API server puts into them ([tests/bench/samples.py](../tests/bench/samples.py)). The pod lives in
  a namespace without a mesh, else Istio would make it larger; with its sidecar one is {injected}.
- One judgement is timed in one process, from the bytes of the review to those of the answer.
  The load generator looks at the status, the uid and the verdict of every answer; one wrong answer
  ends the run.
- Through the API server (kube-apiserver {kubernetes}, etcd, controller manager, load and webhook on
  the same cores; server-side dry runs, which pass all of admission): each arrangement has a
  namespace of its own, all are in place at once and take turns.
- A round is repeated, up to twice, when other processes used more than {limit:.0%} of the machine.

Again: `make bench` (all, about {minutes} minutes), `python -m tests.bench --quick` (CPU alone, a
minute), `python -m tests.bench --only t4,t8`. It needs Linux, and builds what it needs once.

## What to make of it

{remarks}"""
REMARKS = (
    "The reviews are allowed and have no findings: the case that a cluster sends nearly always. A "
    "denial costs more, for its words.",
    "Most pods that a cluster creates are replicas, and a pod like one before is not judged again "
    "while rulebook and cluster stay as they are. `Like none before` is what the first one takes: "
    "a pod of a new rollout, among network policies that have been met already.",
    "With the first three rules alone, before those for pods, tenants, the mesh and networks, the "
    "pod cost 2.4 times the floor, the Deployment update 2.99 and a pod that is filled in 3.93 "
    "times; above are the same with all of them.",
    "p50 and p99 of the webhook alone are those of a saturated server: as many reviews as it can "
    "answer. The fixed rate says what a caller waits when it is not.",
    "With OPA each review is one question to a server on the same cores, with three rules in Rego "
    "([tests/bench/opa.rego](../tests/bench/opa.rego)); asking takes several times as long as our "
    "own answer to a pod like one before. An OPA that takes a second keeps those waiting who need "
    "it, and nobody else; 64 are asked at a time.",
    "Memory at many connections is buffers of OpenSSL and uvloop; 150 is three API servers with 25 "
    "idle connections to each door.",
    "The API server takes far longer for a creation than any webhook; its own share of the machine "
    "decides what is left for us, so these figures vary most.",
)


@dataclass(slots=True)
class Measured:
    """What was measured, as far as it was asked for."""

    figures: list[Figure] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    open_loop: OpenLoop | None = None
    rested: list[tuple[str, Report]] = field(default_factory=list)
    view: View | None = None
    pods: list[WithPods] = field(default_factory=list)
    new: list[NewConnection] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    duets: list[Duet] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)
    policies: list[Cost] = field(default_factory=list)


def tables(measured: Measured) -> str:
    """All tables, the targets first."""
    parts = [_targets(measured.figures)]
    if measured.results:
        parts.append("## The webhook alone\n\n" + _alone(measured.results))
    if measured.judgements:
        parts.append("## One judgement\n\n" + _judgements(measured.judgements))
    if measured.open_loop:
        parts.append("## At a fixed rate\n\n" + _open(measured.open_loop))
    if measured.view or measured.pods:
        parts.append(f"## With {NAMESPACES:,} namespaces\n\n" + _followed(measured))
    if measured.rounds:
        parts.append("## Through a real API server\n\n" + _through(measured.rounds))
    if measured.new:
        parts.append("## New connections\n\n" + _new(measured.new))
    if measured.duets:
        parts.append("## With OPA as a second voice\n\n" + _duets(measured.duets))
    if measured.slow:
        parts.append("When OPA takes a second:\n\n" + _slow(measured.slow))
    if measured.policies:
        parts.append("## Network policies\n\n" + _policies(measured.policies))
    return "\n".join(parts)


def page(measured: Measured, date: str, facts: dict[str, object], noisy: Sequence[str]) -> str:
    """The whole page."""
    head = HEAD.format(date=date, cores=os.cpu_count(), versions=_versions())
    troubles = tuple(f"Not quiet, although repeated: {name}." for name in noisy)
    remarks = "".join(f"- {remark}\n" for remark in REMARKS + troubles)
    return (
        head
        + tables(measured)
        + METHOD.format(kubernetes=pinned_version(), remarks=remarks, **facts)
    )


def _targets(figures: Iterable[Figure]) -> str:
    def row(one: Figure) -> list[str]:
        span = f"{_text(min(one.values))}-{_text(max(one.values))}" if len(one.values) > 1 else ""
        floor = _text(median(one.floor)) + one.unit if one.floor else ""
        measured = _text(one.value) + one.unit
        return [one.target, one.what, measured, span, one.limit, one.verdict, floor]

    head = ["target", "what", "measured", "span", "limit", "verdict", "the floor has"]
    return _table(head, [row(one) for one in figures])


def _policies(costs: Iterable[Cost]) -> str:
    head = ["namespaces", "index CPU s", "MiB", "pods judged once", "CPU s", "MiB then"]
    head += ["question", "p50 CPU ms", "p99"]
    return _table(
        head,
        [
            [
                f"{one.namespaces:,}",
                f"{one.build:.1f}",
                f"{one.resident:.0f}",
                f"{one.pods:,}",
                f"{one.audit:.1f}",
                f"{one.resident + one.remembered:.0f}",
                question,
                f"{one.p50[question] / 1000:.2f}",
                f"{one.p99[question] / 1000:.2f}",
            ]
            for one in costs
            for question in one.p50
        ],
    )


def _alone(results: Iterable[Result]) -> str:
    head = ["review at connections", "CPU us floor", "ours", "x floor", "a second floor", "ours"]
    head += ["p50/p99 ms floor", "ours"]

    def row(one: Result) -> list[str]:
        cpu = [_text(_median(side, lambda s: s.cpu)) for side in (one.floor, one.ours)]
        rps = [f"{_median(side, lambda s: s.seen.rps):.0f}" for side in (one.floor, one.ours)]
        wait = [
            "/".join(_text(_median(side, pick) / 1000) for pick in (_p50, _p99))
            for side in (one.floor, one.ours)
        ]
        return [str(one.case), *cpu, _text(median(one.costs)), *rps, *wait]

    return _table(head, [row(one) for one in results])


def _judgements(found: Iterable[Judgement]) -> str:
    def row(one: Judgement) -> list[str]:
        *_, p99 = quantiles(one.times, n=100)
        return [one.name, str(one.size), _text(median(one.times)), _text(p99)]

    return _table(["review", "bytes", "p50 us", "p99"], [row(one) for one in found])


def _open(found: OpenLoop) -> str:
    rows = [("floor", found.floor), ("ours", found.ours), ("rulebook changes", found.reloading)]
    return _waits(rows)


def _followed(measured: Measured) -> str:
    rows: list[tuple[str, Sequence[Report]]] = []
    if measured.view:
        rows.append(("followed", measured.view.resting))
        rows.append(("listed again each second", measured.view.listing))
    rows += [(f"{each.pods:,} pods listed again", each.listing) for each in measured.pods]
    return _waits(rows)


def _waits(rows: Iterable[tuple[str, Sequence[Report]]]) -> str:
    return _table(
        ["server", "p50 ms", "p99", "p99.9", "longest"],
        [
            [name]
            + [
                _text(median(getattr(report, part) for report in reports) / 1000)
                for part in ("p50", "p99", "p999", "longest")
            ]
            for name, reports in rows
        ],
    )


def _through(rounds: Sequence[Round]) -> str:
    head = ["webhooks", "clients", "pods a second without", "floor", "ours", "% of none floor"]
    head += ["ours", "mean ms floor", "ours"]
    rows = []
    for pair in PAIRS:
        for clients in CLIENTS:
            turns = chosen(rounds, pair, clients)
            if not turns:
                continue
            sides = [[getattr(turn, side) for turn in turns] for side in ("none", "floor", "ours")]
            speeds = [_speed(side) for side in sides]
            shares = [f"{100 * speed / speeds[0]:.0f}" for speed in speeds[1:]]
            waits = [_text(median(one.times.mean for one in side)) for side in sides[1:]]
            counts = [f"{speed:.0f}" for speed in speeds]
            rows.append([pair.title, str(clients), *counts, *shares, *waits])
    return _table(head, rows)


def _new(found: Sequence[NewConnection]) -> str:
    head = ["CPU us a review", "new connection, floor", "new connection, ours", "kept, floor"]
    values = [median(getattr(one, side) for one in found) for side in ("floor", "ours", "kept")]
    return _table(head, [["pod", *map(_text, values)]])


def _duets(duets: Iterable[Duet]) -> str:
    head = ["review at connections", "a second without OPA", "with", "p50/p99 ms without", "with"]
    head += ["CPU us without", "with", "and of OPA"]

    def row(one: Duet) -> list[str]:
        sides = (one.alone, one.asking)
        rps = [f"{median(turn.seen.rps for turn in side):.0f}" for side in sides]
        wait = [
            "/".join(_text(_wait(side, part)) for part in (_turn_p50, _turn_p99)) for side in sides
        ]
        cpu = [_text(median(turn.cpu for turn in side)) for side in sides]
        return [str(one.case), *rps, *wait, *cpu, _text(median(t.opa for t in one.asking))]

    return _table(head, [row(one) for one in duets])


def _wait(side: Iterable[Turn], pick: Callable[[Turn], float]) -> float:
    return median(pick(turn) for turn in side) / 1000


def _slow(found: Iterable[Slow]) -> str:
    head = ["callers at /validate", "answered a second", "p50/p99 ms", "8 at /mutate meanwhile"]

    def row(one: Slow) -> list[str]:
        waits = [
            "/".join(_text(wait / 1000) for wait in (seen.p50, seen.p99))
            for seen in (one.validating, one.mutating)
        ]
        return [str(one.callers), f"{one.validating.rps:.0f}", *waits]

    return _table(head, [row(one) for one in found])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _median(slices: Iterable[Slice], pick: Callable[[Slice], float]) -> float:
    return median(pick(one) for one in slices)


def _p50(one: Slice) -> float:
    return one.seen.p50


def _p99(one: Slice) -> float:
    return one.seen.p99


def _turn_p50(one: Turn) -> float:
    return one.seen.p50


def _turn_p99(one: Turn) -> float:
    return one.seen.p99


def _speed(side: Iterable[Share]) -> float:
    return median(one.rps for one in side)


def _text(value: float) -> str:
    """Three digits, which is more than holds from one day to the next."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _versions() -> str:
    packages = ("uvicorn", "uvloop", "httptools", "orjson", "msgspec")
    found = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    kernel = ".".join(platform.release().split(".")[:2])
    return ", ".join([f"Python {platform.python_version()}", openssl, *found, f"Linux {kernel}"])
