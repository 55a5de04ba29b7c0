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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from math import inf
from operator import is_
from typing import TypeAlias

from rules.netpol.engine import Engine, Rung
from rules.netpol.inventory import Inventory, PodEnd, Tier
from rules.netpol.match import ALWAYS, Match
from rules.netpol.matching import Matcher
from rules.netpol.model import NO_INSPECTION, Direction, Grant, Isolation, PeerEntry, Policy
from rules.netpol.peers import Entity, Fqdn, Networks
from rules.netpol.roster import Roster
from rules.netpol.sets import Addresses
from rules.netpol.sides import Applied, Side, Stage


@dataclass(slots=True)
class _Said:
    """What the policies that apply say in one tier and direction."""

    grants: list[Applied[Grant]] = field(default_factory=list)
    isolations: list[Applied[Isolation]] = field(default_factory=list)


_Heard: TypeAlias = dict[Direction, defaultdict[str, _Said]]
"""What applies to a pod, by direction and tier."""
Applying: TypeAlias = tuple[tuple[Policy, Match], ...]
"""Policies, each with how far it is known to be about a pod."""


@dataclass(frozen=True, slots=True)
class Network:
    """A cluster's policies, as one engine reads them: those that count."""

    matcher: Matcher
    rosters: tuple[Roster, ...]

    @classmethod
    def of(cls, engine: Engine, inventory: Inventory, policies: Iterable[Policy]) -> Network:
        """From policies that the engine enforces; those that nobody stores or reads fall out."""
        return cls(Matcher(engine, inventory), (Roster.of(read(policies, engine)),))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All of them."""
        return tuple(policy for roster in self.rosters for policy in roster.policies)

    def side(self, pod: PodEnd, direction: Direction) -> Side:
        """What applies to a pod in a direction."""
        return self.sides(pod)[direction]

    def sides(self, pod: PodEnd) -> Mapping[Direction, Side]:
        """What applies to a pod in both directions."""
        return self.told(pod, self.applying(pod))

    def applying(self, pod: PodEnd) -> Applying:
        """The policies that are about a pod, or may be, and how far."""
        views = self.matcher.views(pod)
        candidates = (roster.candidates(views) for roster in self.rosters)
        return self.among(chain.from_iterable(candidates), pod)

    def told(self, pod: PodEnd, applying: Applying) -> Mapping[Direction, Side]:
        """What policies that are about a pod say of it in both directions."""
        heard: _Heard = {"egress": defaultdict(_Said), "ingress": defaultdict(_Said)}
        for policy, about in applying:
            subject = policy.subject
            for grant in policy.grants:
                whom = about if grant.subject is subject else self._whom(grant, pod)
                if whom is ALWAYS or whom:
                    heard[grant.direction][grant.place.tier].grants.append(Applied(grant, whom))
            for each in policy.isolations:
                whom = about if each.subject is subject else self._whom(each, pod)
                heard[each.direction][each.tier].isolations.append(Applied(each, whom))
        return {each: self._side(said, pod, each) for each, said in heard.items()}

    def among(self, policies: Iterable[Policy], pod: PodEnd) -> Applying:
        """Those of some policies that are about a pod, or may be, and how far."""
        matcher, found = self.matcher, []
        if pod.pod.host_network and not matcher.engine.host_network:
            return ()
        for policy in policies:
            about = matcher.subject(policy.subject, pod)
            if about and not self.refuses(policy):
                found.append((policy, about))
        return tuple(found)

    def refuses(self, policy: Policy) -> bool:
        """Whether a policy is not even stored, for what the cluster holds."""
        return any(self.matcher.engine.refuses(policy, self.matcher.inventory))

    def _whom(self, cause: Grant | Isolation, pod: PodEnd) -> Match:
        return self.matcher.subject(cause.subject, pod)

    def _side(self, said: Mapping[str, _Said], pod: PodEnd, direction: Direction) -> Side:
        stages = (
            Stage(tier, self._rungs(said[tier.name].grants), tuple(said[tier.name].isolations))
            for tier in sorted(map(self._tier, said), key=_order)
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
            named = {peer for peer in peers if isinstance(peer, Fqdn)}
            sets = self.matcher.inventory.network_sets if engine.set_names else ()
            yield from sorted(named | {Fqdn(each) for one in sets for each in one.names}, key=str)

    def _tier(self, name: str) -> Tier:
        # a tier that nobody made comes last and ends in deny
        return self.matcher.inventory.tiers.get(name, Tier(name))

    def _rungs(self, grants: list[Applied[Grant]]) -> tuple[tuple[Applied[Grant], ...], ...]:
        if len(grants) < 2:  # noqa: PLR2004  # they are in order
            return ((grants[0],),) if grants else ()
        engine = self.matcher.engine

        def rung(each: Applied[Grant]) -> Rung:
            return engine.rung(each.cause)

        return tuple(tuple(each) for _, each in groupby(sorted(grants, key=rung), key=rung))


def read(policies: Iterable[Policy], engine: Engine) -> Iterator[Policy]:
    """Those of the policies that count, as the engine reads them, made ready to be asked."""
    for policy in policies:
        meant = engine.reads(policy)
        if meant.counts and not meant.staged:
            yield _compact(meant)


def _compact(policy: Policy) -> Policy:
    """The policy with the networks of each rule as one: a thousand of them are asked as fast.

    Rules that ask for inspection stay as they are: they are merged network by network.
    """
    grants = tuple(map(_joined, policy.grants))
    if all(map(is_, grants, policy.grants)):
        return policy
    return replace(policy, grants=grants)


def _joined(grant: Grant) -> Grant:
    if len(grant.peers) == 1 or grant.inspection != NO_INSPECTION:
        return grant
    blocks, others = [], []
    for entry in grant.peers:
        if isinstance(entry, PeerEntry) and isinstance(entry.peer, Networks):
            blocks.append(entry.peer.addresses)
        else:
            others.append(entry)
    if len(blocks) < 2:  # noqa: PLR2004  # there is nothing to join
        return grant
    joined = PeerEntry(grant.path, Networks(Addresses.union(blocks)))
    return replace(grant, peers=(*others, joined))


def _order(tier: Tier) -> tuple[float, str]:
    return inf if tier.order is None else tier.order, tier.name
