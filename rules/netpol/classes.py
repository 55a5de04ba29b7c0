"""Which pods no policy can tell apart: what is asked of one of them is answered for all.

Of its labels only those count that some policy asks for; of its address, between which of the
addresses that policies name it lies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator

from rules.netpol.inventory import Labels, PodEnd
from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.peers import (
    Anywhere,
    Endpoints,
    Entity,
    Fqdn,
    Labelled,
    Namespaces,
    NetworkGroup,
    Networks,
    Nodes,
    Peer,
    Pods,
    leaves,
)
from rules.netpol.reach import Network
from rules.netpol.sets import V4, V6, Family
from rules.netpol.strips import edges_of, named


class Classes:
    """The classes of pods under a cluster's policies."""

    def __init__(self, network: Network) -> None:
        self._engine = network.matcher.engine
        self._inventory = network.matcher.inventory
        asked = tuple(dict.fromkeys(_peers(network)))
        keys = [_keys(peer) for peer in asked]
        self._exact = None in keys
        self._keys = frozenset(key for each in keys for key in each or ())
        edges = {
            family: {
                edge
                for peer in asked
                for addresses in named(peer, self._inventory)
                for edge in edges_of(addresses, family)
            }
            for family in (V4, V6)
        }
        self._edges: dict[Family, list[int]] = {each: sorted(edges[each]) for each in (V4, V6)}

    def of(self, end: PodEnd) -> Hashable:
        """The class of a pod at one of its addresses."""
        views = tuple(
            (
                self._kept(view.labels),
                view.namespace and view.namespace.name,
                self._kept(view.own),
                view.certain,
            )
            for view in self._engine.views(end, self._inventory)
        )
        pod = end.pod
        own = frozenset(pod.labels.items()) if self._exact else None
        return pod.namespace.name, own, views, pod.ports, pod.host_network, self._place(end)

    def _kept(self, labels: Labels) -> frozenset[tuple[str, str]]:
        return frozenset((key, labels[key]) for key in self._keys & labels.keys())

    def _place(self, end: PodEnd) -> Hashable:
        if self._engine.addresses_match == "outside":
            return None
        runs = list(end.at.intervals(end.family))
        places = {bisect_right(self._edges[end.family], edge) for run in runs for edge in run}
        # one that may lie on both sides of an edge is told from all others
        return (end.family, places.pop()) if len(places) == 1 else end.at


def _peers(network: Network) -> Iterator[Peer]:
    """All that policies ask of ends, taken apart."""
    for policy in network.policies:
        entries = [each for grant in policy.grants for each in grant.peers]
        peers = [each.peer for each in entries if isinstance(each, PeerEntry)]
        subjects = [policy.subject, *(grant.subject for grant in policy.grants)]
        for peer in (*peers, *(each for each in subjects if not isinstance(each, Unknown))):
            yield from leaves(peer)


def _keys(peer: Peer) -> frozenset[str] | None:
    """The label keys that it asks for; None if it may depend on any label of a pod."""
    match peer:
        case Pods(namespaces, pods):
            return pods.keys | (frozenset() if isinstance(namespaces, str) else namespaces.keys)
        case Namespaces(labels) | Labelled(labels) | Endpoints(labels):
            return labels.keys
        case Networks() | NetworkGroup() | Fqdn() | Entity() | Nodes() | Anywhere():
            return frozenset()
    return None
