"""What rules ask of grants, beyond where they lead (`destinations`) and to whom (`homes`).

Ports by number, proofs of encryption, names of domains, selectors that leave their namespace. Each
question is about what a grant lets through, so all that narrows it (ports that do not count, what
must hold above the port) is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.netpol.dialects.cilium import EndpointSelector
from rules.netpol.model import L7, Grant, NamedPort, PeerEntry, PortEntry, Unknown
from rules.netpol.names import covers
from rules.netpol.peers import Fqdn, Labelled, leaves
from rules.netpol.sets import FIRST_PORT, LAST_PORT, V4, V6, Addresses

_ENCRYPTED = {L7.TLS_SNI: "TLS_SNI", L7.TLS_BRIDGED: "TLS_BRIDGED"}
CLEAR = frozenset({L7.HTTP_CLEAR, L7.TLS_TERMINATED})
"""What leaves the proxy unencrypted, whatever the port."""
_HALF = {V4: 1 << 31, V6: 1 << 127}


def exemption(grant: Grant) -> str | None:
    """What proves that no plain HTTP passes by the grant, whatever its ports; None: nothing."""
    return _ENCRYPTED.get(grant.l7) or ("DNS_ONLY" if grant.l7 == L7.DNS else None)


def opened(grant: Grant, entry: PortEntry, numbers: Iterable[int]) -> list[int]:
    """Those of the TCP ports that an entry of the grant opens."""
    if "TCP" not in entry.protocols:
        return []
    return [
        number
        for number in numbers
        if entry.first <= number <= entry.last and not _is_excluded(grant, number)
    ]


def _is_excluded(grant: Grant, number: int) -> bool:
    """Whether the port is surely excluded: names are only where a pod has them."""
    return any(
        isinstance(each, PortEntry)
        and "TCP" in each.protocols
        and each.first <= number <= each.last
        for each in grant.excluded
    )


def opens(grant: Grant, number: int) -> bool:
    """Whether the grant opens a TCP port to addresses, for which names stand for nothing."""
    entries = (each for each in grant.ports if isinstance(each, PortEntry))
    return any(opened(grant, each, (number,)) for each in entries)


def opens_all(grant: Grant) -> bool:
    """Whether it opens every TCP port, by one entry or by several that add up."""
    runs = sorted(
        (each.first, each.last)
        for each in grant.ports
        if isinstance(each, PortEntry) and "TCP" in each.protocols
    )
    next_port = max(FIRST_PORT, 1)
    for first, last in runs:
        if first > next_port:
            return False
        next_port = max(next_port, last + 1)
    return next_port > LAST_PORT and not grant.excluded


def names(grant: Grant) -> Iterator[tuple[PeerEntry, str]]:
    """The names of domains that it leads to, as patterns, each with its entry."""
    for entry in entries(grant):
        yield from ((entry, leaf.pattern) for leaf in leaves(entry.peer) if isinstance(leaf, Fqdn))


def entries(grant: Grant) -> Iterator[PeerEntry]:
    """The peers that could be read."""
    return (entry for entry in grant.peers if not isinstance(entry, Unknown))


def reaches(pattern: str, listed: Iterable[str]) -> list[str]:
    """Those of the listed names that a pattern covers; one that covers every name means none."""
    if not pattern.strip("*."):
        return []
    return [name for name in listed if covers(pattern, name)]


def is_world(addresses: Addresses) -> bool:
    """Whether more than half of all addresses of a family are in the set, whoever wrote it how."""
    v4, v6 = (sum(edges[1::2]) - sum(edges[::2]) for edges in (addresses.v4, addresses.v6))
    return v4 > _HALF[V4] or v6 > _HALF[V6]


def has_names(grant: Grant) -> bool:
    """Whether a port is given by name."""
    return any(isinstance(each, NamedPort) for each in grant.ports)


def leaves_its_limits(entry: PeerEntry) -> bool:
    """Whether a selector asks for nothing but the lack of labels, with no limit to pods added.

    Such a one holds of the world, too, and of nodes.
    """
    return any(
        isinstance(leaf, Labelled)
        and isinstance(leaf.labels, EndpointSelector)
        and leaf.labels.negative
        for leaf in leaves(entry.peer)
    )
