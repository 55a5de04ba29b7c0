"""What policies together let through in a cluster, as one engine reads them.

network = Network.of(engine, inventory, policies)
for pod_end in inventory.ends(pod):
    side = network.side(pod_end, "egress")
    side.verdict(end)                        # of any End: Verdict(allowed, unknown)
    for block in blocks(side, V4):           # the outside, cut where verdicts may change
        side.verdict(block)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import inf

from rules.netpol.engine import Engine
from rules.netpol.inventory import Inventory, PodEnd, Tier
from rules.netpol.matching import Matcher
from rules.netpol.model import Direction, Grant, Isolation, Policy, Unknown
from rules.netpol.peers import AllOf, AnyOf, Anywhere, Networks, Not, Peer
from rules.netpol.sets import V4, Addresses, Family
from rules.netpol.sides import Side, Stage


@dataclass(frozen=True, slots=True)
class Network:
    """A cluster's policies, as one engine reads them. `policies` are those that count."""

    matcher: Matcher
    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, engine: Engine, inventory: Inventory, policies: Iterable[Policy]) -> Network:
        """From policies that the engine enforces; those that nobody stores or reads fall out."""
        counting = (policy for policy in policies if policy.counts and not policy.staged)
        return cls(Matcher(engine, inventory), tuple(map(engine.reads, counting)))

    def side(self, pod: PodEnd, direction: Direction) -> Side:
        """What applies to a pod in a direction. Pods on their node's network have no policies."""
        policies = () if pod.pod.host_network else self.policies
        about = [each for each in policies if self.matcher.subject(each.subject, pod)]
        by_tier: dict[str, tuple[list[Grant], list[Isolation]]] = defaultdict(lambda: ([], []))
        for policy in about:
            for grant in policy.grants:
                if grant.direction == direction and self.matcher.subject(grant.subject, pod):
                    by_tier[grant.place.tier][0].append(grant)
            for isolation in policy.isolations:
                if isolation.direction == direction:
                    by_tier[isolation.tier][1].append(isolation)
        tiers = sorted(map(self._tier, by_tier), key=_order)
        stages = (
            Stage(tier, self._rungs(by_tier[tier.name][0]), tuple(by_tier[tier.name][1]))
            for tier in tiers
        )
        return Side(self.matcher, pod, direction, tuple(stages))

    def _tier(self, name: str) -> Tier:
        # a tier that nobody made comes last and ends in deny
        return self.matcher.inventory.tiers.get(name, Tier(name))

    def _rungs(self, grants: list[Grant]) -> tuple[tuple[Grant, ...], ...]:
        rung = self.matcher.engine.rung
        return tuple(tuple(each) for _, each in groupby(sorted(grants, key=rung), key=rung))


def _order(tier: Tier) -> tuple[float, str]:
    return inf if tier.order is None else tier.order, tier.name


def blocks(side: Side, family: Family) -> Iterator[Networks]:
    """All addresses of a family, in runs within which the side's verdict does not change."""
    edges = {0, 1 << (32 if family == V4 else 128)}
    for addresses in _addresses(side):
        edges.update(addresses.v4 if family == V4 else addresses.v6)
    for first, end in pairwise(sorted(edges)):
        yield Networks(Addresses((first, end)) if family == V4 else Addresses((), (first, end)))


def _addresses(side: Side) -> Iterator[Addresses]:
    for stage in side.stages:
        for grant in (grant for rung in stage.rungs for grant in rung):
            for entry in grant.peers:
                if not isinstance(entry, Unknown):
                    yield from _named(entry.peer, side.matcher.inventory)


def _named(peer: Peer, inventory: Inventory) -> Iterator[Addresses]:
    """The address sets that decide whether an address is one of the peer's."""
    match peer:
        case Networks(addresses):
            yield addresses
        case AllOf(peers) | AnyOf(peers):
            for each in peers:
                yield from _named(each, inventory)
        case Not(inner):
            yield from _named(inner, inventory)
        case Anywhere():
            pass
        case _:
            yield from inventory.addresses()
