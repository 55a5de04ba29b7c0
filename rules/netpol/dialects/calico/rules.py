"""The rules of a policy, one direction after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rules.netpol.dialects.calico.ends import EndReader, Role
from rules.netpol.dialects.calico.nets import Families
from rules.netpol.dialects.calico.ports import Protocols, every_port, read_ports, read_protocols
from rules.netpol.dialects.calico.reader import Reader
from rules.netpol.fields import JSON, mapping
from rules.netpol.model import (
    Action,
    Direction,
    Grant,
    Origin,
    PeerEntry,
    Place,
    Subject,
    Unknown,
)
from rules.netpol.peers import AllOf, Anywhere, Fqdn, Networks, Peer
from rules.netpol.sets import Addresses
from rules.selectors import Path, describe

_ICMP = (1, 58)
DOMAINS = "domains"
"""Where Calico Enterprise names domains; other APIs of Calico do not have the field."""
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
_FIELDS = (
    "action",
    "ipVersion",
    "protocol",
    "notProtocol",
    "icmp",
    "notICMP",
    "source",
    "destination",
    "http",
    "metadata",
)
_ACTIONS: Mapping[str, Action] = {"Allow": "allow", "Deny": "deny", "Pass": "pass"}
_FAR: Mapping[Direction, Role] = {"ingress": "source", "egress": "destination"}
_NEAR: Mapping[Direction, Role] = {"ingress": "destination", "egress": "source"}


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the rules of one policy: whose, about whom, and at what place."""

    reader: Reader
    origin: Origin
    subject: Subject
    place: Place

    def grants(self, spec: JSON, direction: Direction) -> Iterator[Grant]:
        """A grant for each rule that does not only log."""
        for index, node in enumerate(self.reader.items(spec, direction, ("spec",))):
            path: Path = ("spec", direction, index)
            if not isinstance(node, dict):
                self.reader.fault(path, describe(node), "a map with action")
                continue
            self.reader.strangers(node, _FIELDS, path)
            action = self.reader.choice(node, "action", path, (*_ACTIONS, "Log"))
            if node.get("action") is None:
                self.reader.fault((*path, "action"), "missing", "Allow, Deny, Log or Pass")
            grant = self._grant(node, path, direction)
            if action in _ACTIONS:
                place = replace(self.place, index=index)
                yield replace(grant, action=_ACTIONS[action], place=place)

    def _grant(self, node: JSON, path: Path, direction: Direction) -> Grant:
        protocols = self._protocols(node, path)
        self._http(node, path, direction)
        version = self.reader.choice(node, "ipVersion", path, (4, 6))
        families = Families(version)
        own = self._end(node, path, direction, _NEAR[direction], families)
        peer = self._end(node, path, direction, _FAR[direction], families)
        if version:
            peer = _both(peer, Networks(Addresses.every(version)))
        end, at = mapping(node, "destination"), (*path, "destination")
        ports = read_ports(self.reader, end, "ports", at, protocols)
        return Grant(
            self.origin,
            path,
            direction,
            "allow",
            self._about(own),
            tuple(self._entries(node, (*path, _FAR[direction]), peer)),
            ports or every_port((*path, "protocol"), protocols),
            excluded=(
                *read_ports(self.reader, end, "notPorts", at, protocols),
                *self._source_ports(node, path, protocols),
            ),
        )

    def _entries(self, node: JSON, path: Path, peer: Peer) -> Iterator[PeerEntry]:
        """The far end of a rule; domains are that where nothing else is asked of a destination."""
        named = mapping(node, "destination").get(DOMAINS)
        if path[-1] != "destination" or not isinstance(named, list) or peer != Anywhere():
            named = []
        for index, name in enumerate(named):
            at = (*path, DOMAINS, index)
            if isinstance(name, str):
                yield PeerEntry(at, Fqdn(name.lower().rstrip(".")))
            else:
                self.reader.fault(at, describe(name), "a string")
        if not any(isinstance(name, str) for name in named):
            yield PeerEntry(path, peer)

    def _about(self, own: Peer) -> Subject:
        """The policy's pods, as far as the rule is about them."""
        if isinstance(own, Anywhere) or isinstance(self.subject, Unknown):
            return self.subject
        return AllOf((self.subject, own))

    def _end(
        self, node: JSON, path: Path, direction: Direction, role: Role, families: Families
    ) -> Peer:
        end = self.reader.map(node, role, path) or {}
        reader = EndReader(self.reader, self.origin.namespace, direction, role, (*path, role))
        return reader.peer(end, families)

    def _source_ports(self, node: JSON, path: Path, protocols: Protocols) -> Iterator[Unknown]:
        """The ports that traffic comes from, which no answer here looks at."""
        end, at = mapping(node, "source"), (*path, "source")
        for field in ("ports", "notPorts"):
            if read_ports(self.reader, end, field, at, protocols):
                wanted = "absent: which port traffic comes from is not known"
                unknown = Unknown((*at, field), "ports of the source", wanted, "undecided")
                self.reader.faults.append(unknown)
                yield unknown

    def _protocols(self, node: JSON, path: Path) -> Protocols:
        protocols = read_protocols(self.reader, node, path)
        icmp = self.reader.map(node, "icmp", path)
        self.reader.map(node, "notICMP", path)
        if icmp is not None:
            if protocols.number not in _ICMP:
                self.reader.fault((*path, "icmp"), "beside no ICMP", "protocol ICMP or ICMPv6")
            protocols = Protocols((), protocols.number)
        return protocols

    def _http(self, node: JSON, path: Path, direction: Direction) -> None:
        if self.reader.map(node, "http", path) is None:
            return
        at = (*path, "http")
        if direction == "egress":
            wanted = "absent: on egress nobody reads it, and the rule is about all traffic"
            self.reader.fault(at, "beside egress", wanted, "as-read")
        if node.get("action") not in (None, "Allow"):
            self.reader.fault(at, f"beside {describe(node.get('action'))}", "beside Allow")
        if node.get("protocol") not in (None, "TCP", 6):
            self.reader.fault(at, "beside another protocol", "beside TCP or none")


def _both(one: Peer, other: Peer) -> Peer:
    return other if isinstance(one, Anywhere) else AllOf((one, other))
