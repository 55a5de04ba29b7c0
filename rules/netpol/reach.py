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
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import inf

from rules.netpol.engine import Engine
from rules.netpol.inventory import Inventory, PodEnd, Tier
from rules.netpol.matching import Matcher
from rules.netpol.model import Direction, Grant, Isolation, PeerEntry, Policy, Unknown
from rules.netpol.peers import AllOf, AnyOf, Anywhere, Entity, Fqdn, Networks, Not, Peer
from rules.netpol.sets import V4, Addresses, Family
from rules.netpol.sides import Side, Stage


@dataclass(frozen=True, slots=True)
class Network:
    """A cluster's policies, as one engine reads them.

    `policies` are those that count. `given` are all of them, with all that is unknown of them, in
    this cluster, too.
    """

    matcher: Matcher
    policies: tuple[Policy, ...]
    given: tuple[Policy, ...] = ()

    @classmethod
    def of(cls, engine: Engine, inventory: Inventory, policies: Iterable[Policy]) -> Network:
        """From policies that the engine enforces; those that nobody stores or reads fall out."""
        given = tuple(_judged(engine, inventory, policy) for policy in policies)
        counting = (policy for policy in given if policy.counts and not policy.staged)
        read = (_compact(engine.reads(policy)) for policy in counting)
        return cls(Matcher(engine, inventory), tuple(read), given)

    def side(self, pod: PodEnd, direction: Direction) -> Side:
        """What applies to a pod in a direction."""
        free = pod.pod.host_network and not self.matcher.engine.host_network
        policies = () if free else self.policies
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

    def ends(self, direction: Direction) -> Iterator[Entity | Fqdn]:
        """The ends outside that are no addresses, where the engine knows such."""
        engine = self.matcher.engine
        yield from map(Entity, engine.entities)
        if engine.names and direction == "egress":
            peers = (
                entry.peer
                for policy in self.policies
                for grant in policy.grants
                for entry in grant.peers
                if isinstance(entry, PeerEntry)
            )
            yield from sorted({peer for peer in peers if isinstance(peer, Fqdn)}, key=str)

    def _tier(self, name: str) -> Tier:
        # a tier that nobody made comes last and ends in deny
        return self.matcher.inventory.tiers.get(name, Tier(name))

    def _rungs(self, grants: list[Grant]) -> tuple[tuple[Grant, ...], ...]:
        rung = self.matcher.engine.rung
        return tuple(tuple(each) for _, each in groupby(sorted(grants, key=rung), key=rung))


def _judged(engine: Engine, inventory: Inventory, policy: Policy) -> Policy:
    """The policy, with what makes the cluster refuse it among its unknowns."""
    refused = tuple(engine.refuses(policy, inventory))
    return replace(policy, unknowns=(*policy.unknowns, *refused)) if refused else policy


def _compact(policy: Policy) -> Policy:
    """The policy with the networks of each rule as one: a thousand of them are asked as fast."""
    grants = []
    for grant in policy.grants:
        blocks, others = [], []
        for entry in grant.peers:
            if isinstance(entry, PeerEntry) and isinstance(entry.peer, Networks):
                blocks.append(entry.peer.addresses)
            else:
                others.append(entry)
        joined = PeerEntry(grant.path, Networks(Addresses.union(blocks)))
        grants.append(replace(grant, peers=(*others, joined)) if len(blocks) > 1 else grant)
    return replace(policy, grants=tuple(grants))


def _order(tier: Tier) -> tuple[float, str]:
    return inf if tier.order is None else tier.order, tier.name


def blocks(sides: Iterable[Side], family: Family) -> Iterator[Networks]:
    """All addresses of a family, in runs within which the verdict of no side changes."""
    edges = {0, 1 << (32 if family == V4 else 128)}
    for side in sides:
        for grant in side.grants():
            for entry in grant.peers:
                if not isinstance(entry, Unknown):
                    for addresses in _named(entry.peer, side.matcher.inventory):
                        edges.update(addresses.v4 if family == V4 else addresses.v6)
    for first, end in pairwise(sorted(edges)):
        yield Networks(Addresses((first, end)) if family == V4 else Addresses((), (first, end)))


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
