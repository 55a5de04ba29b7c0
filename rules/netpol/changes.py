"""What a change of the index opens and closes: who is isolated no more, and what may pass now.

after = before.put(policy)
groups = after.subjects(namespace, (*before.meaning(policy), *after.meaning(policy)))
for change in compare(before, after, groups):
    change.opened, change.closed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rules.netpol.connections import FAMILIES
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.model import Direction
from rules.netpol.outside import Run, align, overlay, runs
from rules.netpol.sets import Addresses, Family, Ports
from rules.netpol.sides import Side, Verdict

DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Addresses outside the cluster, and the ports that open or close there."""

    addresses: Addresses
    ports: Ports


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a group of `count` pods, like `pod`, in one direction.

    `isolated` is said before and after. What nobody knows counts as open: it may pass.
    """

    pod: Pod
    count: int
    direction: Direction
    isolated: tuple[bool, bool]
    opened: tuple[Stretch, ...]
    closed: tuple[Stretch, ...]


def compare(before: Index, after: Index, groups: Iterable[tuple[Pod, int]]) -> Iterator[Change]:
    """The groups that fare otherwise than before, with what lies outside the cluster."""
    same = before.surroundings is after.surroundings
    for pod, count in groups:
        for direction in DIRECTIONS:
            old, new = before.sides(pod, direction), after.sides(pod, direction)
            if same and _causes(old) == _causes(new):
                continue
            isolated = _isolated(old), _isolated(new)
            opened: list[Stretch] = []
            closed: list[Stretch] = []
            for family in FAMILIES:
                was, now = _outside(old, family), _outside(new, family)
                opened += _more(was, now)
                closed += _more(now, was)
            if opened or closed or isolated[0] != isolated[1]:
                yield Change(pod, count, direction, isolated, tuple(opened), tuple(closed))


def _causes(sides: Iterable[Side]) -> list[list[int]]:
    # by identity: what did not change is shared between both indexes
    return [list(map(id, side.causes())) for side in sides]


def _isolated(sides: Iterable[Side]) -> bool:
    return all(side.isolated for side in sides)


def _outside(sides: Iterable[Side], family: Family) -> tuple[Run, ...]:
    return overlay([runs(side, family) for side in sides])


def _more(one: tuple[Run, ...], other: tuple[Run, ...]) -> Iterator[Stretch]:
    """Where the other lets pass what the one does not."""
    if not (one and other):
        return
    gains = (
        (run.addresses, _may(after) - _may(before)) for run, (before, after) in align((one, other))
    )
    for ports, group in groupby(gains, key=itemgetter(1)):
        if ports:
            yield Stretch(Addresses.union(addresses for addresses, _ in group), ports)


def _may(verdict: Verdict) -> Ports:
    return verdict.allowed | verdict.unknown
