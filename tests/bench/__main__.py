"""`python -m tests.bench`: measure, say it on stdout, and write docs/performance.md.

Exit code: 0 all targets met, 1 one was missed, 2 it could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench import (
    connections,
    direct,
    judgement,
    lasting,
    machine,
    page,
    policies,
    samples,
    second_voice,
    targets,
    through,
    view,
)
from tests.bench.bench import QUICK, Bench, Pace
from tests.bench.page import Measured
from tests.bench.servers import ROOT, Silent
from tests.control_plane.binaries import Unavailable

PAGE = ROOT / "docs" / "performance.md"


def main() -> int:
    """Do what the command line asks for."""
    asked = _arguments()
    chosen = _choose(asked.only)
    started = time.monotonic()
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-") as folder:
        try:
            bench = Bench.of(Path(folder), QUICK if asked.quick else Pace())
            for section, measure in _SECTIONS.items():
                if section not in chosen:
                    continue
                measure(bench, measured, asked.quick)
                measured.figures.sort(key=lambda one: int(one.target[1:]))
                if not (asked.quick or asked.only):  # who breaks off has what was measured so far
                    facts = _facts(bench, time.monotonic() - started)
                    text = page.page(measured, asked.date, facts, bench.guard.noisy)
                    PAGE.write_text(text, encoding="utf-8")
        except (machine.Wrong, Silent, Unavailable) as fault:
            sys.stderr.write(f"bench: {fault}\n")
            return 2
    if asked.only and not chosen & set(asked.only.split(",")):
        wanted = asked.only.upper().split(",")
        measured.figures = [one for one in measured.figures if one.target in wanted]
    sys.stdout.write(page.tables(measured))
    for name in bench.guard.noisy:
        sys.stdout.write(f"not quiet, although repeated: {name}\n")
    return 1 if any(one.verdict.startswith("missed") for one in measured.figures) else 0


def _direct(bench: Bench, found: Measured, quick: bool) -> None:  # noqa: FBT001  # as all sections
    found.results = direct.measure(bench, direct.QUICK if quick else direct.CASES)
    found.figures += targets.direct(found.results)


def _judgement(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.judgements = judgement.measure(bench)


def _open_loop(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.open_loop = direct.open_loop(bench)
    found.figures += targets.open_loop(found.open_loop)


def _memory(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.figures += targets.memory(lasting.memory(bench))


def _start(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.figures += targets.start(*lasting.starts(bench))


def _view(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.view = view.measure(bench)
    found.figures += targets.view(found.view)


def _pods(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.pods = view.measure_pods(bench)
    found.figures += targets.pods(found.pods)


def _connections(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.new = connections.fresh(bench)
    found.figures += targets.connections(connections.rested(bench), found.new)


def _through(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.rounds = through.measure(bench)
    found.figures += targets.through(found.rounds)


def _second_voice(bench: Bench, found: Measured, _quick: bool) -> None:  # noqa: FBT001
    found.duets, found.slow = second_voice.measure(bench), second_voice.slow(bench)
    found.figures += targets.second_voice(found.duets)


def _policies(
    bench: Bench,
    found: Measured,
    _quick: bool,  # noqa: FBT001
    sizes: tuple[int, ...] = policies.SIZES,
) -> None:
    costs = policies.measure(bench, sizes)
    found.policies += costs
    found.figures += targets.policies(costs)


_SECTIONS: dict[str, Callable[[Bench, Measured, bool], None]] = {
    "direct": _direct,
    "judgement": _judgement,
    "open loop": _open_loop,
    "memory": _memory,
    "start": _start,
    "view": _view,
    "pods": _pods,
    "connections": _connections,
    "through": _through,
    "second voice": _second_voice,
    "policies": _policies,
    "policies, ten times": partial(_policies, sizes=policies.LARGE),
}
"""Each adds what it measured; the last takes longest."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="CPU alone, in a minute")
    parser.add_argument("--only", metavar="T,...", help="targets as t1,t8, or view")
    today = datetime.now(UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="the date on the page (today)")
    asked = parser.parse_args()
    if asked.quick:
        asked.only = asked.only or "t1,t2,t11"
    return asked


def _choose(only: str | None) -> set[str]:
    """The measurements that give these targets."""
    if not only:
        return set(targets.MEASUREMENTS)
    wanted = set(only.upper().split(","))
    known = targets.MEASUREMENTS.items()
    return {name for name, given in known if wanted & {*given, name.upper()}}


def _facts(bench: Bench, seconds: float) -> dict[str, object]:
    reviews = samples.reviews()
    return {
        "rounds": bench.pace.rounds,
        "slice": bench.pace.slice,
        "pod": len(reviews["pod"]),
        "injected": len(reviews["pod-injected"]),
        "deployment": len(reviews["deployment"]),
        "limit": machine.LIMIT,
        "minutes": round(seconds / 60),
    }


if __name__ == "__main__":
    sys.exit(main())
