"""On which ports an end is one of a peer's, and traffic one of a grant's, as an engine sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from rules.netpol.engine import Engine, View
from rules.netpol.inventory import NOWHERE, End, Inventory, Pod, PodEnd
from rules.netpol.known import Known
from rules.netpol.match import ALWAYS, MAYBE, NEVER, Match
from rules.netpol.model import Grant, NamedPort, PeerEntry, PortEntry, Subject, Unknown
from rules.netpol.names import ByEnd
from rules.netpol.peers import (
    AllOf,
    AnyOf,
    Anywhere,
    Endpoints,
    Fqdn,
    Labelled,
    Namespaces,
    Networks,
    Not,
    Peer,
    Pods,
)
from rules.netpol.sets import V4, Addresses, Family, Protocol

Strip: TypeAlias = tuple[tuple[int, Match], ...]
"""From which addresses on a rule matches, and on which ports; before the first it matches none."""
Strips: TypeAlias = Mapping[Family, Strip]

_Entries: TypeAlias = tuple[PeerEntry | Unknown, ...]
_FEW = 8


@dataclass(frozen=True, slots=True)
class Matcher:
    """An engine in a cluster: what peers mean there."""

    engine: Engine
    inventory: Inventory
    _ends: Known[Pod, tuple[PodEnd, ...]] = field(default_factory=Known, compare=False, repr=False)
    _views: Known[End, tuple[View, ...]] = field(default_factory=Known, compare=False, repr=False)

    _names: Known[_Entries, tuple[ByEnd[PeerEntry], _Entries]] = field(
        default_factory=Known, compare=False, repr=False
    )

    strips: Known[Grant, Strips] = field(default_factory=Known, compare=False, repr=False)
    """What is found of a rule that says the same for all pods: see `strips`."""

    def ends(self, pod: Pod) -> tuple[PodEnd, ...]:
        """The pod at each of its addresses; at none in particular where that does not matter."""
        return self._ends.of(pod, self._meet)

    def _meet(self, pod: Pod) -> tuple[PodEnd, ...]:
        if self.engine.addresses_match == "outside":
            return (PodEnd(pod, NOWHERE),)
        return tuple(self.inventory.ends(pod))

    def subject(self, subject: Subject, pod: PodEnd) -> Match:
        """Whether a policy is about the pod."""
        if isinstance(subject, Pods | Labelled | Endpoints):  # nearly all are
            return _labelled(subject, self.views(pod))
        return MAYBE if isinstance(subject, Unknown) else self.peer(subject, pod)

    def grant(self, grant: Grant, about: Match, pod: PodEnd, end: End) -> Match:
        """The ports on which a grant is about traffic of the pod with the end.

        `about` says whether it is about the pod.
        """
        peers = self._peers(grant.peers, end) & about if about else NEVER
        if not peers:
            return NEVER
        return peers & self.ports(grant, end if grant.direction == "egress" else pod)

    def ports(self, grant: Grant, destination: End) -> Match:
        """The ports on which a grant is about traffic to a destination, whoever its peers are."""
        stated = self._ports(grant.ports, destination)
        return stated - self._ports(grant.excluded, destination) if grant.excluded else stated

    def peer(self, peer: Peer, end: End) -> Match:
        """The ports on which the end is one of the peer's."""
        match peer:
            case Anywhere():
                return ALWAYS
            case AllOf() | AnyOf() | Not():
                return self._combined(peer, end)
            case Pods() | Namespaces() | Labelled() | Endpoints():
                return _labelled(peer, self.views(end))
            case Networks(addresses):
                return self._addresses(addresses, end)
            case _:
                return self.engine.resolve(peer, end, self.inventory)

    def _combined(self, peer: AllOf | AnyOf | Not, end: End) -> Match:
        match peer:
            case AllOf(peers):
                return Match.all(self.peer(each, end) for each in peers)
            case AnyOf(peers):
                return Match.any(self.peer(each, end) for each in peers)
            case Not(inner):
                return ~self.peer(inner, end)

    def _peers(self, entries: tuple[PeerEntry | Unknown, ...], end: End) -> Match:
        if isinstance(end, Fqdn) and len(entries) > _FEW:
            named, others = self._names.of(entries, _by_name)
            entries = (*others, *named.near(end.pattern))
        return Match.any(
            _unread(entry) if isinstance(entry, Unknown) else self.peer(entry.peer, end)
            for entry in entries
        )

    def _ports(self, entries: Iterable[PortEntry | NamedPort | Unknown], destination: End) -> Match:
        found = NEVER
        for entry in entries:
            found |= self._port(entry, destination)
        return found

    def _port(self, entry: PortEntry | NamedPort | Unknown, destination: End) -> Match:
        match entry:
            case PortEntry():
                return _numbered(entry.protocols, entry.first, entry.last)
            case NamedPort():
                return self.engine.port_names(entry, destination, self.inventory)
            case Unknown():
                return _unread(entry)

    def views(self, end: End) -> tuple[View, ...]:
        """The views of an end."""
        return self._views.of(end, self._see)

    def _see(self, end: End) -> tuple[View, ...]:
        return tuple(self.engine.views(end, self.inventory))

    def _addresses(self, addresses: Addresses, end: End) -> Match:
        if isinstance(end, PodEnd) and self.engine.addresses_match == "pods":
            return _inside(end.at, addresses)
        return within(addresses, end, self.inventory)


def _by_name(entries: _Entries) -> tuple[ByEnd[PeerEntry], _Entries]:
    """The entries that are names, and all others."""
    named: ByEnd[PeerEntry] = ByEnd()
    others: list[PeerEntry | Unknown] = []
    for entry in entries:
        if isinstance(entry, PeerEntry) and isinstance(entry.peer, Fqdn):
            named.put(entry.peer.pattern, entry)
        else:
            others.append(entry)
    return named, tuple(others)


def within(addresses: Addresses, end: End, inventory: Inventory) -> Match:
    """Where an end that is no pod is one of these addresses.

    A name is, where they are all there are: which one it stands for, nobody knows.
    """
    match end:
        case Networks(at):
            return _inside(at, addresses)
        case Fqdn():
            every = Addresses.full() if inventory.dual_stack else Addresses.every(V4)
            return Match.of(holds=every <= addresses)
    return NEVER


def _inside(at: Addresses, addresses: Addresses) -> Match:
    return Match.of(holds=at <= addresses or (None if at & addresses else False))


@lru_cache(maxsize=1024)
def _numbered(protocols: tuple[Protocol, ...], first: int, last: int) -> Match:
    return Match.on(PortEntry((), protocols, first, last).ports)


def _matches(peer: Pods | Namespaces | Labelled | Endpoints, view: View) -> bool:
    own = view.namespace
    if isinstance(peer, Labelled):
        return peer.labels.matches(view.labels)
    if own is None:
        return False
    if isinstance(peer, Pods):
        return peer.covers(own.name, own.labels) and peer.pods.matches(view.own)
    return peer.labels.matches(own.labels if isinstance(peer, Namespaces) else view.labels)


def _labelled(peer: Pods | Namespaces | Labelled | Endpoints, views: Iterable[View]) -> Match:
    found = NEVER
    for view in views:
        if _matches(peer, view):
            if view.certain:
                return ALWAYS
            found = MAYBE
    return found


def _unread(entry: Unknown) -> Match:
    """What the API server cuts off matches nothing; of the rest nobody knows."""
    return NEVER if entry.consequence == "as-read" else MAYBE
