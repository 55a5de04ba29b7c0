"""Which policies name an object that says nothing by itself: a set, a group of CIDRs, a tier.

What such an object comes to mean, the policies mean from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rules.netpol.engines.calico import set_labels
from rules.netpol.index import Index
from rules.netpol.inventory import Labels
from rules.netpol.keys import Key
from rules.netpol.model import Grant, PeerEntry, Policy
from rules.netpol.peers import Labelled, NetworkGroup, Peer, leaves

TIER, GROUP = "Tier", "CiliumCIDRGroup"
SETS = ("NetworkSet", "GlobalNetworkSet")
KINDS = (TIER, GROUP, *SETS)

Names = Callable[[Peer], bool]


def naming(before: Index, after: Index, key: Key) -> Iterator[tuple[str, Policy]]:
    """The policies that name the object of one of KINDS, as it was or will be, and where they lie.

    Takes as long as there are policies that name objects of the kind at all.
    """
    engine = after.engine.name
    if engine != ("cilium" if key.api.kind == GROUP else "calico"):
        return
    names = names_it(before, after, key)
    for place in after.policies:
        held = after.policies.get(place)
        policies = () if held is None else held.grouped if key.api.kind == GROUP else held.all
        for policy in policies:
            if key.api.kind == TIER:
                found = _stands_in(policy, key.name)
            else:
                found = any(names_in(grant, names) for grant in policy.grants)
            if found:
                yield place, policy


def names_in(grant: Grant, names: Names) -> Iterator[PeerEntry]:
    """The entries of a rule that name the object."""
    for entry in grant.peers:
        if isinstance(entry, PeerEntry) and any(map(names, leaves(entry.peer))):
            yield entry


def names_it(before: Index, after: Index, key: Key) -> Names:
    """Asks of a leaf of a peer whether it names a set or a group, as it was or will be."""
    known = [labels for index in (before, after) if (labels := _labels(index, key)) is not None]
    if key.api.kind == GROUP:
        return lambda leaf: (
            isinstance(leaf, NetworkGroup)
            and (any(map(leaf.labels.matches, known)) if leaf.labels else leaf.name == key.name)
        )
    return lambda leaf: isinstance(leaf, Labelled) and any(map(leaf.labels.matches, known))


def _stands_in(policy: Policy, tier: str) -> bool:
    grants = any(grant.place.tier == tier for grant in policy.grants)
    return grants or any(each.tier == tier for each in policy.isolations)


def _labels(index: Index, key: Key) -> Labels | None:
    """The labels under which the engine knows the object; None where it is not there."""
    inventory = index.network(key.namespace).matcher.inventory
    if key.api.kind == GROUP:
        return next((each.labels for each in inventory.cidr_groups if each.name == key.name), None)
    for each in inventory.network_sets:
        if (each.namespace, each.name) == (key.namespace, key.name):
            return set_labels(each, inventory)
    return None
