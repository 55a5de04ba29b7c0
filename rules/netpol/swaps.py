"""Policies that come in the place of others, and the quick question whether that can matter.

swap = Swap(gone, come)
before = network.applying(end)
swap.moves(network, before, "egress")    # False: the pod surely fares as it did
after = swap.applying(network, end, before)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property

from rules.netpol.engine import Engine
from rules.netpol.forms import form_of
from rules.netpol.homes import Home
from rules.netpol.inventory import NOWHERE, Namespace, Pod, PodEnd
from rules.netpol.match import ALWAYS, Match
from rules.netpol.model import Direction, Grant, Policy, Unknown
from rules.netpol.reach import Applying, Network
from rules.netpol.sides import Applied, Side
from rules.netpol.strips import asks_names, strips

_ANYBODY = PodEnd(Pod(Namespace(""), ""), NOWHERE)


@dataclass(frozen=True)  # without slots: what follows is found once
class Swap:
    """The policies that go, and those that come in their place; all others stay as they are."""

    gone: tuple[Policy, ...]
    come: tuple[Policy, ...]

    def applying(self, network: Network, end: PodEnd, before: Applying) -> Applying:
        """The policies that are about a pod afterwards, where these were before."""
        return (*self._staying(before), *network.among(self.come, end))

    def moves(self, network: Network, before: Applying, direction: Direction) -> bool:
        """Whether a pod about which these policies were may be isolated otherwise, or meet others.

        It does not if no rule that goes or comes is about addresses, and where these policies
        isolate, some that stay isolate anyway. `network` is that before or after.
        """
        if self._reaches_out(network, direction):
            return True
        closed = _tiers(self._staying(before), direction)
        return not self._tiers(direction) <= closed

    def form(
        self, engine: Engine, end: PodEnd, before: Applying, after: Applying, direction: Direction
    ) -> Hashable:
        """What pods have in common that fare alike outside before, and alike after."""
        moving = self._moving
        own = [(id(each), id(about)) for each, about in (*before, *after) if id(each) in moving]
        return tuple(own), form_of(engine, end.pod, self._staying(before), direction)

    def leaves_closed(self, network: Network, home: Namespace, direction: Direction) -> bool:
        """Whether no pod of the namespace moves, whatever else is about it, as `moves` has it.

        Pods on the network of their node may.
        """
        if self._reaches_out(network, direction):
            return False
        left = self._tiers(direction)
        if not left or network.matcher.engine.addresses_match == "pods":
            return not left  # there labels of a pod's own hide those of its namespace
        place = Home(home.name, home.labels)
        everybodys = (
            (policy, ALWAYS)
            for roster in network.rosters
            for policy in roster.unlabelled()
            if not isinstance(policy.subject, Unknown)
            and place.may_have(policy.subject)
            and not network.refuses(policy)
        )
        return left <= _tiers(self._staying(everybodys), direction)

    def _staying(self, policies: Iterable[tuple[Policy, Match]]) -> Applying:
        moving = self._moving
        return tuple(each for each in policies if id(each[0]) not in moving)

    def _tiers(self, direction: Direction) -> frozenset[str]:
        """Those in which some policy isolates that goes or comes."""
        return self._known_tiers[direction]

    def _reaches_out(self, network: Network, direction: Direction) -> bool:
        """Whether any rule that goes or comes is about addresses."""
        known = self._known_reach.get(direction)
        if known is None:
            bare = Side(network.matcher, _ANYBODY, direction, ())
            grants = (grant for policy in (*self.gone, *self.come) for grant in policy.grants)
            own = [grant for grant in grants if grant.direction == direction]
            known = self._known_reach[direction] = any(_is_outside(bare, each) for each in own)
        return known

    @cached_property
    def _moving(self) -> frozenset[int]:
        return frozenset(map(id, (*self.gone, *self.come)))

    @cached_property
    def _known_tiers(self) -> dict[Direction, frozenset[str]]:
        found: dict[Direction, set[str]] = {"egress": set(), "ingress": set()}
        for policy in (*self.gone, *self.come):
            for each in policy.isolations:
                found[each.direction].add(each.tier)
        return {direction: frozenset(tiers) for direction, tiers in found.items()}

    @cached_property
    def _known_reach(self) -> dict[Direction, bool]:
        return {}


def _tiers(policies: Iterable[tuple[Policy, Match]], direction: Direction) -> frozenset[str]:
    """Those in which policies surely isolate."""
    return frozenset(
        each.tier
        for policy, about in policies
        if about.sure
        for each in policy.isolations
        if each.direction == direction and each.subject is policy.subject
    )


def _is_outside(side: Side, grant: Grant) -> bool:
    if asks_names(grant):  # that depends on the pod
        return True
    found = strips(side, Applied(grant, ALWAYS))
    return any(match for strip in found.values() for _, match in strip)
