"""What rules of policies come to lead to, because a set of networks changes that they name.

The policies stand; who changes the set opens by it what they open. Only what is new is looked at:
what a rule led to before was judged when it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from rules.model import ADDRESS_SETS, Path
from rules.netpol.census import addresses_of
from rules.netpol.destinations import Compass, Outside
from rules.netpol.dialects.calico import domain
from rules.netpol.index import Index
from rules.netpol.inventory import Inventory
from rules.netpol.keys import Key
from rules.netpol.model import Grant, PeerEntry, Policy, Unknown
from rules.netpol.naming import names_in, names_it, naming
from rules.netpol.sets import V4, V6, Addresses
from rules.patch import lookup
from rules.policies import Asked
from rules.proposal import origin_shown, propose
from rules.review import Cluster, Review
from rules.statement import key_in
from rules.words import place

_KINDS = frozenset(kind.kind for kind in ADDRESS_SETS)
NETWORKS = ("nets", "externalCIDRs")
NAMES = "allowedEgressDomains"


@dataclass(frozen=True, slots=True)
class Widening:
    """A rule that lets pods of tenants out, and what it leads to from now on."""

    grant: Grant
    outside: Outside

    def opens(self, part: Outside) -> bool:
        """Whether some of the part is among what it leads to."""
        held = bool(self.outside.addresses & part.addresses)
        return held or not set(self.outside.names).isdisjoint(part.names)


def widenings_of(review: Review, cluster: Cluster) -> tuple[Widening, ...]:
    """Those of the set under review; none of what is no set, or goes: nobody is let out by that."""
    if review.kind not in _KINDS or review.operation == "DELETE":
        return ()
    index = cluster.network
    return review.new.once("widenings", index, partial(_widenings, review, cluster))


def place_of(review: Review, met: Outside) -> Path:
    """Where the set says some of what is met."""
    first = next(_runs(met.addresses), None)
    for path, part in items_of(review):
        if (first and first & part.addresses) or not set(part.names).isdisjoint(met.names):
            return path
    return ("spec",)


def items_of(review: Review) -> Iterator[tuple[Path, Outside]]:
    """What each item of the set holds, and where it stands."""
    for field in (*NETWORKS, NAMES):
        stated = lookup(review.object, ("spec", field))
        for at, text in enumerate(stated if isinstance(stated, list) else ()):
            if isinstance(text, str):
                named = field == NAMES
                part = Outside(names=(domain(text).pattern,)) if named else Outside(_held(text))
                yield ("spec", field, at), part


def _held(text: str) -> Addresses:
    return addresses_of(text).unmapped()


def _runs(addresses: Addresses) -> Iterator[Addresses]:
    for family in (V4, V6):
        for run in addresses.intervals(family):
            yield Addresses.run(family, *run)


def shown(grant: Grant) -> str:
    """A rule of a policy in few words."""
    return f"{origin_shown(grant.origin)} ({place(grant.path)})"


def _widenings(review: Review, cluster: Cluster) -> tuple[Widening, ...]:
    proposal, key = propose(review, cluster), key_in(review)
    before, after, asked = proposal.before, proposal.after, Asked(review, cluster)
    if before is after:
        return ()
    names = names_it(before, after, key)
    alone = _Alone(before, key), _Alone(after, key)
    return tuple(
        Widening(grant, met)
        for where, policy in naming(before, after, key)
        if _is_of_tenants(asked, where, policy)
        for grant in policy.grants
        if (grant.direction, grant.action) == ("egress", "allow")
        for entry in names_in(grant, names)
        if (met := _more(alone, where, entry)) != Outside()
    )


def _is_of_tenants(asked: Asked, where: str, policy: Policy) -> bool:
    if where:
        return not asked.cluster.trusts(where)
    if isinstance(policy.subject, Unknown):
        return True
    return any(True for _ in asked.homes(policy.subject))


@dataclass(frozen=True)
class _Alone:
    """An index in which there is no other set: what the others hold does not count for this one."""

    index: Index
    key: Key

    def outside(self, where: str, entry: PeerEntry) -> Outside:
        """What the entry holds outside by the set."""
        return Compass(self.index.engine, self._inventory(where)).outside(entry)

    def _inventory(self, where: str) -> Inventory:
        known = self.index.network(where).matcher.inventory
        name, home = self.key.name, self.key.namespace
        sets = (each for each in known.network_sets if (each.namespace, each.name) == (home, name))
        groups = (each for each in known.cidr_groups if each.name == name)
        return replace(known, network_sets=tuple(sets), cidr_groups=tuple(groups))


def _more(alone: tuple[_Alone, _Alone], where: str, entry: PeerEntry) -> Outside:
    """What the entry holds by the set after its change, and did not before."""
    was, now = (each.outside(where, entry) for each in alone)
    known = frozenset(was.names)
    left = tuple(name for name in now.names if name not in known)
    return Outside(now.addresses - was.addresses, names=left)
