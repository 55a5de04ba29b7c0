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
            if not (same and alike(old, new)):
                yield from changed(pod, count, old, new)


def changed(pod: Pod, count: int, old: tuple[Side, ...], new: tuple[Side, ...]) -> Iterator[Change]:
    """What becomes of a group in one direction, if anything does."""
    isolated = _isolated(old), _isolated(new)
    opened: list[Stretch] = []
    closed: list[Stretch] = []
    for family in FAMILIES:
        was, now = _outside(old, family), _outside(new, family)
        if was and now and was != now:
            met = [(run, _may(before), _may(after)) for run, (before, after) in align((was, now))]
            opened += _stretches((run, after - before) for run, before, after in met)
            closed += _stretches((run, before - after) for run, before, after in met)
    if opened or closed or isolated[0] != isolated[1]:
        direction = new[0].direction
        yield Change(pod, count, direction, isolated, tuple(opened), tuple(closed))


def alike(old: tuple[Side, ...], new: tuple[Side, ...]) -> bool:
    """Whether the same rules apply, which as long as nothing around changes say the same."""
    return _causes(old) == _causes(new)


def _causes(sides: Iterable[Side]) -> list[list[int]]:
    # by identity: what did not change is shared between both indexes
    return [list(map(id, side.causes())) for side in sides]


def _isolated(sides: Iterable[Side]) -> bool:
    return all(side.isolated for side in sides)


def _outside(sides: Iterable[Side], family: Family) -> tuple[Run, ...]:
    return overlay([runs(side, family) for side in sides])


def _stretches(gains: Iterable[tuple[Run, Ports]]) -> Iterator[Stretch]:
    """Where there is some gain; what lies side by side and gains the same as one."""
    for ports, group in groupby(gains, key=itemgetter(1)):
        if ports:
            yield Stretch(Addresses.union(run.addresses for run, _ in group), ports)


def _may(verdict: Verdict) -> Ports:
    return verdict.allowed | verdict.unknown
