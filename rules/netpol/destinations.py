"""Where a grant leads: what lies outside the cluster, and how far outside.

Whatever a peer is made of, the engine is asked about it, address block by address block, so that
nothing leads outside unsaid: labels that the world has, entities, sets, what is left when all else
is excluded. Addresses of the cluster itself, and special ones (instance metadata, the node's DNS),
are nobody's outside: other questions are asked of them. Source: specification egress 2, the table
of classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from rules.netpol.engine import Engine
from rules.netpol.inventory import Inventory
from rules.netpol.matching import Matcher
from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.peers import (
    Anywhere,
    Fqdn,
    Labelled,
    NetworkGroup,
    Networks,
    Peer,
    ServiceRef,
    Services,
    leaves,
)
from rules.netpol.sets import V4, V6, Addresses, Family
from rules.netpol.strips import edges_of, held_by, named

Reach = Literal["public", "private", "unknown"]
"""Outside the cluster: on the Internet, on the networks around it, or nobody can say whether."""

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
METADATA = ("169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32")
"""Where clouds tell a machine who it is, and hand it credentials."""
SPECIAL = (*METADATA, "169.254.10.0/24")

_NONE = Addresses.empty()
_EVERYTHING = Addresses.full()
_EMBEDDED = Addresses.cidr("64:ff9b::/96") | Addresses.cidr("::ffff:0:0/96")
_ENDS: dict[Family, int] = {V4: 1 << 32, V6: 1 << 128}


@dataclass(frozen=True, slots=True)
class Outside:
    """What a peer holds that is no pod and no node.

    `addresses` surely, as far as policies can say; of `doubtful` ones nobody knows. `names` are
    patterns, of which none but DNS knows the addresses.
    """

    addresses: Addresses = _NONE
    doubtful: Addresses = _NONE
    names: tuple[str, ...] = ()


_DOUBTFUL = Outside(doubtful=_EVERYTHING)


@dataclass(frozen=True, slots=True)
class Compass:
    """An engine, and what is known of the cluster, by which peers are located."""

    engine: Engine
    inventory: Inventory

    def depends(self, entry: PeerEntry | Unknown) -> bool:
        """Whether what lies outside of an entry depends on what else the cluster holds."""
        return isinstance(entry, PeerEntry) and any(map(self._is_named, leaves(entry.peer)))

    def _is_named(self, leaf: Peer) -> bool:
        if isinstance(leaf, Labelled):  # an address is known by the labels of sets of networks
            return self.engine.addresses_match == "pods"
        return isinstance(leaf, NetworkGroup | ServiceRef | Services)

    def outside(self, entry: PeerEntry | Unknown) -> Outside:
        """What an entry of a grant holds outside the cluster."""
        if isinstance(entry, Unknown):  # what the API server cuts off grants nothing
            return Outside() if entry.consequence == "as-read" else _DOUBTFUL
        match entry.peer:
            case Anywhere():
                return Outside(_EVERYTHING)
            case Fqdn(pattern):
                return Outside(names=(pattern,))
            case peer if self._lacks(peer):
                return _DOUBTFUL
            case peer:
                matcher = Matcher(self.engine, self.inventory)
                held = held_by(peer, matcher)
                if held is None:
                    return self._swept(peer)
                names = tuple(self._names(peer, matcher))
                return Outside(held.unmapped(), names=names)

    def _lacks(self, peer: Peer) -> bool:
        """Whether the object that would say it is not there, or none of its kind is."""
        match peer:
            case NetworkGroup():
                return self.inventory.networks(peer) is None
            case Services() | ServiceRef():
                return not (self.inventory.services or self.inventory.slices)
        return False

    def _swept(self, peer: Peer) -> Outside:
        """Asked twice: a cluster may have IPv6 or not, and the world has other labels in each."""
        single = self.inventory.about(peer)
        matchers = [Matcher(self.engine, single), Matcher(self.engine, _dual(single))]
        sure, maybe = [], []
        for block in _blocks(peer, single):
            found = [matcher.peer(peer, Networks(block)) for matcher in matchers]
            if any(each.sure for each in found):
                sure.append(block)
            elif any(each.maybe for each in found):
                maybe.append(block)
        names = tuple(self._names(peer, matchers[0]))
        stated = Addresses.union(
            leaf.addresses for leaf in leaves(peer) if isinstance(leaf, Networks)
        )
        held, doubtful = (_plain(Addresses.union(some), stated) for some in (sure, maybe))
        return Outside(held, doubtful, names)

    def _names(self, peer: Peer, matcher: Matcher) -> Iterator[str]:
        yield from (leaf.pattern for leaf in leaves(peer) if isinstance(leaf, Fqdn))
        if self.engine.set_names:
            held = {name for one in matcher.inventory.network_sets for name in one.names}
            yield from (name for name in sorted(held) if matcher.peer(peer, Fqdn(name)))


def _dual(inventory: Inventory) -> Inventory:
    return replace(inventory, pod_networks=_EVERYTHING)


def _blocks(peer: Peer, inventory: Inventory) -> Iterator[Addresses]:
    """All addresses, cut where the answer may change."""
    deciding = list(named(peer, inventory))
    for family, end in _ENDS.items():
        edges = {0, end}
        for addresses in deciding:
            edges.update(edges_of(addresses, family))
        for first, last in pairwise(sorted(edges)):
            yield Addresses.run(family, first, last - 1)


def _plain(held: Addresses, stated: Addresses) -> Addresses:
    """The set, with IPv4 addresses written as IPv6 ones as what they are, where any are stated."""
    return (held - _EMBEDDED) | (held & stated).unmapped()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What counts as private, and what is inside, as address sets."""

    private: Addresses
    inside: Addresses

    @classmethod
    def of(cls, private: Iterable[str], cluster: Iterable[str]) -> Surroundings:
        """From CIDR texts: the private networks, and those of the cluster's pods and nodes."""
        return _surroundings(tuple(private), tuple(cluster))

    def classes(self, found: Outside) -> dict[Reach, Addresses]:
        """The addresses by class; names are public, and stand for no address that is known."""
        held = dict(_classes(self, found.addresses, found.doubtful))
        return {"public": _NONE, **held} if found.names else held


@lru_cache(maxsize=1024)
def _classes(
    around: Surroundings, addresses: Addresses, doubtful: Addresses
) -> tuple[tuple[Reach, Addresses], ...]:
    """The same few blocks are met all the time."""
    left = addresses - around.inside
    found: dict[Reach, Addresses] = {
        "public": left - around.private,
        "private": left & around.private,
        "unknown": doubtful - around.inside,
    }
    return tuple((reach, held) for reach, held in found.items() if held)


@lru_cache(maxsize=16)
def union(cidrs: tuple[str, ...]) -> Addresses:
    """The addresses of some networks. Raises InvalidSet where one cannot be read."""
    return Addresses.union([Addresses.cidr(text).unmapped() for text in cidrs])


@lru_cache(maxsize=16)
def _surroundings(private: tuple[str, ...], cluster: tuple[str, ...]) -> Surroundings:
    return Surroundings(union(private), union((*SPECIAL, *cluster)))
