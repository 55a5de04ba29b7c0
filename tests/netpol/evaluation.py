"""Does a Policy let a packet through: the model, walked one packet at a time."""

from __future__ import annotations

from collections.abc import Iterable

from rules.netpol.model import Grant, NamedPort, PeerEntry, Policy, PortEntry, Unknown
from rules.netpol.peers import Anywhere, Networks, Pods
from rules.netpol.sets import Protocol
from tests.netpol.oracle import Packet, Pod


def permits(policies: Iterable[Policy], packet: Packet) -> bool:
    """Whether the policies let the packet through on the side of its pod."""
    direction = "egress" if packet.egress else "ingress"
    about = [policy for policy in policies if _covers(policy.subject, packet.pod)]
    isolated = any(
        isolation.direction == direction for policy in about for isolation in policy.isolations
    )
    grants = (grant for policy in about for grant in policy.grants)
    return not isolated or any(
        grants_packet(grant, packet) for grant in grants if grant.direction == direction
    )


def grants_packet(grant: Grant, packet: Packet) -> bool:
    """Whether the grant, of the packet's direction, is about the packet."""
    return any(_is_peer(entry, packet.end) for entry in grant.peers) and any(
        _is_port(entry, packet) for entry in grant.ports
    )


def _is_peer(entry: PeerEntry | Unknown, end: Pod | str) -> bool:
    assert isinstance(entry, PeerEntry)
    match entry.peer:
        case Anywhere():
            return True
        case Networks(addresses):
            return isinstance(end, str) and end in addresses
        case _:
            return isinstance(end, Pod) and _covers(entry.peer, end)


def _covers(pods: object, pod: Pod) -> bool:
    assert isinstance(pods, Pods)
    return pods.covers(pod.namespace, pod.namespace_labels) and pods.pods.matches(pod.labels)


def _is_port(entry: PortEntry | NamedPort | Unknown, packet: Packet) -> bool:
    assert not isinstance(entry, Unknown)
    protocol: Protocol = packet.protocol
    if isinstance(entry, PortEntry):
        return (protocol, packet.port) in entry.ports
    end = packet.destination
    names = end.names if isinstance(end, Pod) else {}
    return protocol in entry.protocols and names.get((entry.name, protocol)) == packet.port
