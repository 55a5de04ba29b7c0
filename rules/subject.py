"""Pods that a change is about: what applies to them before it, and after it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from rules.netpol.changes import DIRECTIONS
from rules.netpol.index import Index
from rules.netpol.inventory import Namespace, Pod, PodEnd
from rules.netpol.model import Direction
from rules.netpol.reach import Applying, Network
from rules.netpol.sides import Side
from rules.netpol.swaps import Swap

Sides: TypeAlias = Mapping[Direction, tuple[Side, ...]]
_Ends: TypeAlias = tuple[tuple[PodEnd, Applying], ...]


@dataclass(frozen=True)  # without slots: what follows is found out when first asked for
class Ground:
    """A namespace in which a change happens; `swap` where it is one of policies and no more."""

    before: Index
    after: Index
    home: Namespace
    swap: Swap | None = None
    _closed: dict[Direction, bool] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def former(self) -> Network:
        """The policies that might apply there."""
        return self.before.network(self.home.name)

    @cached_property
    def future(self) -> Network:
        """Those that may apply there."""
        return self.after.network(self.home.name)

    def stays_closed(self, direction: Direction) -> bool:
        """Whether the change surely does nothing to pods there; those of nodes' networks aside."""
        known = self._closed.get(direction)
        if known is None:
            swap = self.swap
            known = swap is not None and swap.leaves_closed(self.former, self.home, direction)
            self._closed[direction] = known
        return known


@dataclass(frozen=True)  # without slots: what applies is found out when first asked for
class Subject:
    """Pods that no policy can tell apart, and how many; `make` makes one as it was and will be.

    `apart`: they are not on the network of their node, as far as that is known without one.
    """

    ground: Ground
    make: Callable[[], tuple[Pod, Pod]]
    count: int
    apart: bool = False

    @property
    def was(self) -> Pod:
        """One of them as it was."""
        return self._pods[0]

    @property
    def now(self) -> Pod:
        """The same one as it will be."""
        return self._pods[1]

    @cached_property
    def former(self) -> Sides:
        """What applied to them."""
        return _by_direction(self.ground.former.told(*each) for each in self._applied)

    @cached_property
    def future(self) -> Sides:
        """What will apply to them."""
        ground = self.ground
        if ground.after is ground.before and self.now is self.was:
            return self.former
        return _by_direction(ground.future.told(*each) for each in self._applying)

    def sides(self, direction: Direction) -> tuple[Side, ...]:
        """What will apply to them in a direction."""
        return self.future[direction]

    def moves(self, direction: Direction) -> bool:
        """The quick question whether they may fare otherwise than before."""
        ground, swap = self.ground, self.ground.swap
        if swap is None:
            return True
        if self.apart and ground.stays_closed(direction):
            return False
        return any(swap.moves(ground.former, about, direction) for _, about in self._applied)

    def form(self, direction: Direction) -> Hashable:
        """What groups have in common that a change of policies moves alike outside."""
        ground, swap = self.ground, self.ground.swap
        if swap is None:
            return id(self)
        pairs = zip(self._applied, self._applying, strict=True)
        return tuple(
            swap.form(ground.after.engine, end, about, later, direction)
            for (end, about), (_, later) in pairs
        )

    def freed(self, direction: Direction) -> bool:
        """Whether some policy isolated them before, and none does after."""
        if not self.moves(direction):
            return False
        was, now = self.former[direction], self.future[direction]
        return all(s.isolated for s in was) and not all(s.isolated for s in now)

    @cached_property
    def _pods(self) -> tuple[Pod, Pod]:
        return self.make()

    @cached_property
    def _applied(self) -> _Ends:
        return _meet(self.ground.before, self.ground.former, self.was)

    @cached_property
    def _applying(self) -> _Ends:
        ground, swap = self.ground, self.ground.swap
        if swap is None:
            return _meet(ground.after, ground.future, self.now)
        return tuple(
            (end, swap.applying(ground.future, end, about)) for end, about in self._applied
        )


def sides_of(index: Index, pod: Pod) -> Sides:
    """What applies to a pod, at each of its addresses."""
    network = index.network(pod.namespace.name)
    return _by_direction(network.sides(end) for end in index.ends(pod))


def _meet(index: Index, network: Network, pod: Pod) -> _Ends:
    return tuple((end, network.applying(end)) for end in index.ends(pod))


def _by_direction(ends: Iterable[Mapping[Direction, Side]]) -> Sides:
    found = tuple(ends)
    return {each: tuple(sides[each] for sides in found) for each in DIRECTIONS}
