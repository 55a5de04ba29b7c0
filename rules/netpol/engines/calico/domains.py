"""What Calico makes of names of domains: Enterprise opens them, open source has no such field.

Sets of networks hold names, too (`allowedEgressDomains`), by which no rule denies. Source:
tigera/docs calico-enterprise/_includes/content/_entityrule.mdx, reference/resources/networkset.mdx.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeGuard

from rules.netpol.dialects.calico.domains import FIELD, is_of_enterprise
from rules.netpol.engine import View
from rules.netpol.engines.calico.views import set_labels
from rules.netpol.inventory import Inventory
from rules.netpol.model import Grant, PeerEntry, Policy, Unknown
from rules.netpol.names import EVERY_NAME, covers
from rules.netpol.peers import NOBODY, AllOf, AnyOf, Anywhere, Fqdn, Labelled, Not, Peer, leaves

_NO_NAME = Not(Fqdn(EVERY_NAME))


def pruned(policy: Policy) -> Policy:
    """As open-source Calico reads it: what names say is cut off, and restricts nothing."""
    if all(is_of_enterprise(each) is None for each in policy.unknowns):
        return policy
    return _with(policy, _pruned, (e for e in policy.unknowns if not is_of_enterprise(e)))


def honoured(policy: Policy) -> Policy:
    """As Calico Enterprise reads it: names in the right place are ends of their own."""
    told = (each for each in policy.unknowns if is_of_enterprise(each) is not False)
    return _with(policy, _honoured, told)


def views_by_name(end: Fqdn, inventory: Inventory) -> Iterator[View]:
    """A name under the labels of each set that holds it."""
    for each in inventory.network_sets:
        if end.pattern in each.names or any(covers(g, end.pattern) for g in _globs(each.names)):
            yield View(set_labels(each, inventory))


@lru_cache(maxsize=256)
def _globs(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in names if "*" in name)


def _with(policy: Policy, read: Callable[[Grant], Grant], told: Iterator[Unknown]) -> Policy:
    grants, void = tuple(map(read, policy.grants)), tuple(map(read, policy.void))
    return replace(policy, grants=grants, void=void, unknowns=tuple(told))


def _pruned(grant: Grant) -> Grant:
    subject = grant.subject
    if not isinstance(subject, Unknown):
        subject = _without_names(subject)
    peers = (
        PeerEntry(each.path, _without_names(each.peer)) if isinstance(each, PeerEntry) else each
        for each in grant.peers
    )
    return replace(grant, subject=subject, peers=tuple(peers))


def _honoured(grant: Grant) -> Grant:
    if (grant.direction, grant.action) != ("egress", "allow"):
        return _nameless(grant)
    entries: list[PeerEntry | Unknown] = []
    for entry in grant.peers:
        names = _names(entry.peer) if isinstance(entry, PeerEntry) else ()
        entries += (PeerEntry((*entry.path, FIELD, at), each) for at, each in enumerate(names))
        entries += () if names else (entry,)
    return _pruned(replace(grant, peers=tuple(entries)))


def _nameless(grant: Grant) -> Grant:
    """No name is denied or passed on: nobody knows what a rule that says so comes to."""
    if grant.direction == "ingress":
        return _pruned(grant)
    peers = (
        PeerEntry(each.path, _unnamed(each.peer)) if isinstance(each, PeerEntry) else each
        for each in grant.peers
    )
    return _pruned(replace(grant, peers=tuple(peers)))


def _unnamed(peer: Peer) -> Peer:
    if _names(peer):
        return NOBODY
    if any(isinstance(leaf, Labelled) for leaf in leaves(peer)):
        return AllOf((peer, _NO_NAME))
    return peer


def _names(peer: Peer) -> tuple[Peer, ...]:
    """The names that are a part of an end."""
    parts: tuple[Peer, ...] = peer.peers if isinstance(peer, AllOf) else (peer,)
    return next((part.peers for part in parts if _is_names(part)), ())


def _without_names(peer: Peer) -> Peer:
    if not isinstance(peer, AllOf):
        return Anywhere() if _is_names(peer) else peer
    left = tuple(_without_names(part) for part in peer.peers if not _is_names(part))
    return left[0] if len(left) == 1 else AllOf(left) if left else Anywhere()


def _is_names(peer: Peer) -> TypeGuard[AnyOf]:
    if not isinstance(peer, AnyOf):
        return False
    return bool(peer.peers) and all(isinstance(each, Fqdn) for each in peer.peers)
