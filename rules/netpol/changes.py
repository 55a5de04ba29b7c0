"""What a change of the index opens and closes: who is isolated no more, and what may pass now.

after = before.put(policy)
groups = after.subjects(namespace, (*before.meaning(policy), *after.meaning(policy)))
for change in compare(before, after, groups):
    change.opened, change.closed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.model import Direction
from rules.netpol.outside import Run, align, overlay, runs
from rules.netpol.sets import FAMILIES, Addresses, Family, Ports
from rules.netpol.shifts import shifts
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
    opened, closed = _Stretches(), _Stretches()
    for addresses, was, now in _shifted(old, new):
        opened.add(addresses, now - was)
        closed.add(addresses, was - now)
    if opened.found or closed.found or isolated[0] != isolated[1]:
        yield Change(pod, count, new[0].direction, isolated, opened.all(), closed.all())


class _Stretches:
    """Addresses by what is gained there."""

    def __init__(self) -> None:
        self.found: dict[Ports, list[Addresses]] = {}

    def add(self, addresses: Addresses, ports: Ports) -> None:
        """Some more addresses, if anything is gained."""
        if ports:
            self.found.setdefault(ports, []).append(addresses)

    def all(self) -> tuple[Stretch, ...]:
        """One for each set of ports."""
        found = self.found.items()
        return tuple(Stretch(Addresses.union(held), ports) for ports, held in found)


def _shifted(
    old: tuple[Side, ...], new: tuple[Side, ...]
) -> Iterator[tuple[Addresses, Ports, Ports]]:
    """Where a pod fares otherwise, at some of the addresses that it has; what may pass there."""
    if len(old) == len(new) == 1:
        for shift in shifts(old[0], new[0]):
            yield shift.addresses, _may(shift.was), _may(shift.now)
    elif old and new:
        for family in FAMILIES:
            for run, (was, now) in align((_outside(old, family), _outside(new, family))):
                yield run.addresses, _may(was), _may(now)


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


def _may(verdict: Verdict) -> Ports:
    return verdict.allowed | verdict.unknown
