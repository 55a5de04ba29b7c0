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
from itertools import groupby
from math import inf

from rules.netpol.engine import Engine
from rules.netpol.inventory import Inventory, PodEnd, Tier
from rules.netpol.matching import Matcher
from rules.netpol.model import NO_INSPECTION, Direction, Grant, Isolation, PeerEntry, Policy
from rules.netpol.peers import Entity, Fqdn, Networks
from rules.netpol.sets import Addresses
from rules.netpol.sides import Side, Stage


@dataclass(frozen=True, slots=True)
class Network:
    """A cluster's policies, as one engine reads them. `policies` are those that count."""

    matcher: Matcher
    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, engine: Engine, inventory: Inventory, policies: Iterable[Policy]) -> Network:
        """From policies that the engine enforces; those that nobody stores or reads fall out."""
        return cls(Matcher(engine, inventory), tuple(read(policies, engine)))

    def side(self, pod: PodEnd, direction: Direction) -> Side:
        """What applies to a pod in a direction."""
        free = pod.pod.host_network and not self.matcher.engine.host_network
        policies = () if free else self.policies
        about = [each for each in policies if self._applies(each, pod)]
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

    def _applies(self, policy: Policy, pod: PodEnd) -> bool:
        about = self.matcher.subject(policy.subject, pod)
        return bool(about) and not any(self.matcher.engine.refuses(policy, self.matcher.inventory))

    def _tier(self, name: str) -> Tier:
        # a tier that nobody made comes last and ends in deny
        return self.matcher.inventory.tiers.get(name, Tier(name))

    def _rungs(self, grants: list[Grant]) -> tuple[tuple[Grant, ...], ...]:
        rung = self.matcher.engine.rung
        return tuple(tuple(each) for _, each in groupby(sorted(grants, key=rung), key=rung))


def read(policies: Iterable[Policy], engine: Engine) -> Iterator[Policy]:
    """Those of the policies that count, as the engine reads them, made ready to be asked."""
    for policy in policies:
        if policy.counts and not policy.staged:
            yield _compact(engine.reads(policy))


def _compact(policy: Policy) -> Policy:
    """The policy with the networks of each rule as one: a thousand of them are asked as fast.

    Rules that ask for inspection stay as they are: they are merged network by network.
    """
    grants = []
    for grant in policy.grants:
        if grant.inspection != NO_INSPECTION:
            grants.append(grant)
            continue
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
