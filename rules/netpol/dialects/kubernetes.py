"""networking.k8s.io/v1 NetworkPolicy.

Source: kubernetes/api networking/v1/types.go, kubernetes/kubernetes pkg/apis/networking/v1
(defaults.go) and pkg/apis/networking/validation. What the API server would refuse is an Unknown at
its place. What can be read around it is read as the wider meaning: a part that only narrows (a
selector of a peer, a protocol, an exception) counts as not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rules.netpol.fields import JSON, mapping
from rules.netpol.model import (
    Direction,
    Grant,
    Isolation,
    NamedPort,
    Origin,
    PeerEntry,
    Policy,
    PortEntry,
    Subject,
    Unknown,
)
from rules.netpol.parts import (
    head_faults,
    is_port,
    origin_of,
    read_network,
    read_selector,
    size,
    split,
    strangers,
)
from rules.netpol.peers import Anywhere, Networks, Pods
from rules.netpol.sets import PROTOCOLS, Addresses, Protocol
from rules.selectors import Path, describe

GROUP, KIND = "networking.k8s.io", "NetworkPolicy"
MOST_ENTRIES = 20_000
SMALL_ENOUGH = f"at most {MOST_ENTRIES}"
_DIRECTIONS: dict[str, Direction] = {"Ingress": "ingress", "Egress": "egress"}
_PEERS: dict[Direction, str] = {"ingress": "from", "egress": "to"}
_PORT_NAME = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_PORT_WANTED = "a number from 1 to 65535 without quotes, or a port's name (at most 15 of a-z 0-9 -)"


def translate(node: Any, *, namespace: str = "default", most: int | None = MOST_ENTRIES) -> Policy:
    """What a decoded NetworkPolicy means, in both directions.

    `namespace` is where it lies if it does not say so itself. The object may be malformed anywhere:
    nothing is raised, and nothing is left out unsaid. A spec of more than `most` values is not
    read at all: somebody may be waiting.
    """
    origin = origin_of(node, GROUP, KIND, namespace)
    faults = tuple(_head_faults(node, most))
    for fault in faults:
        if fault.path in ((), ("spec",)):
            return Policy(origin, fault, unknowns=faults)
    spec = mapping(node, "spec")
    subject, unreadable = _subject(spec.get("podSelector"), origin.namespace)
    isolations, unsupported = split(_isolations(spec, origin, subject))
    grants, misplaced = split(_grants(spec, origin, subject))
    alive = {isolation.direction for isolation in isolations}
    if unsupported:
        # an unreadable type may be the one that brings the rules to life
        alive = set(_PEERS)
    inside = (unknown for grant in grants for unknown in grant.unknowns())
    return Policy(
        origin,
        subject,
        isolations=isolations,
        grants=tuple(grant for grant in grants if grant.direction in alive),
        void=tuple(grant for grant in grants if grant.direction not in alive),
        unknowns=(*faults, *unreadable, *unsupported, *misplaced, *inside),
    )


def _head_faults(node: Any, most: int | None) -> Iterator[Unknown]:
    yield from head_faults(node, "a NetworkPolicy")
    spec = mapping(node, "spec")
    values = 0 if most is None else size(spec)
    if most is not None and values > most:
        yield Unknown(("spec",), f"of {values} values", SMALL_ENOUGH, "undecided")
        return
    known = ("podSelector", "policyTypes", "ingress", "egress")
    yield from strangers(spec, known, ("spec",))


def _subject(node: Any, namespace: str) -> tuple[Subject, tuple[Unknown, ...]]:
    selector, unknowns = read_selector(node, ("spec", "podSelector"))
    return unknowns[0] if unknowns else Pods(namespace, selector), unknowns


def _isolations(spec: JSON, origin: Origin, subject: Subject) -> Iterator[Isolation | Unknown]:
    path = ("spec", "policyTypes")
    types = spec.get("policyTypes")
    if types in (None, []):
        yield Isolation(origin, path, "ingress", subject)
        egress = spec.get("egress")
        if isinstance(egress, list) and egress:
            yield Isolation(origin, path, "egress", subject)
    elif not isinstance(types, list) or len(types) > len(_DIRECTIONS):
        found = f"a list of {len(types)}" if isinstance(types, list) else describe(types)
        yield Unknown(path, found, "a list of Ingress, Egress or both")
    else:
        for index, name in enumerate(types):
            if name not in ("Ingress", "Egress"):
                yield Unknown((*path, index), describe(name), "Ingress or Egress")
            elif name not in types[:index]:
                yield Isolation(origin, (*path, index), _DIRECTIONS[name], subject)


def _grants(spec: JSON, origin: Origin, subject: Subject) -> Iterator[Grant | Unknown]:
    for direction, peers in _PEERS.items():
        rules = spec.get(direction)
        if rules is not None and not isinstance(rules, list):
            yield Unknown(("spec", direction), describe(rules), "a list of rules")
            continue
        for index, node in enumerate(rules or ()):
            path: Path = ("spec", direction, index)
            # a null item of a list is an empty one to the API server, and that allows everything
            rule = {} if node is None else node
            if not isinstance(rule, dict):
                yield Unknown(path, describe(rule), f"a map with {peers} and ports")
                continue
            yield from strangers(rule, (peers, "ports"), path)
            yield Grant(
                origin,
                path,
                direction,
                "allow",
                subject,
                tuple(_peers(rule.get(peers), (*path, peers), origin.namespace)),
                tuple(_ports(rule.get("ports"), (*path, "ports"))),
            )


def _peers(nodes: Any, path: Path, namespace: str) -> Iterator[PeerEntry | Unknown]:
    if nodes in (None, []):
        yield PeerEntry(path, Anywhere())
    elif not isinstance(nodes, list):
        yield Unknown(path, describe(nodes), "a list of peers")
    else:
        for index, node in enumerate(nodes):
            yield from _peer(node, (*path, index), namespace)


def _peer(node: Any, path: Path, namespace: str) -> Iterator[PeerEntry | Unknown]:
    fields = ("podSelector", "namespaceSelector", "ipBlock")
    peer = {} if node is None else node
    if not isinstance(peer, dict):
        yield Unknown(path, describe(peer), f"a map with one of {', '.join(fields)}")
        return
    yield from strangers(peer, fields, path)
    pods, namespaces, block = map(peer.get, fields)
    if block is not None:
        yield from _block(block, path)
        if pods is None and namespaces is None:
            return
        yield Unknown(path, "ipBlock beside a selector", "two items, one for each")
    elif pods is None and namespaces is None:
        # read on: an engine to which nobody refuses it takes it for the pods of the own namespace
        yield Unknown(path, "empty", f"a map with one of {', '.join(fields)}")
    pod_labels, unreadable = read_selector(pods, (*path, "podSelector"))
    yield from unreadable
    namespace_labels, unreadable = read_selector(namespaces, (*path, "namespaceSelector"))
    yield from unreadable
    scope = namespace if namespaces is None else namespace_labels
    yield PeerEntry(path, Pods(scope, pod_labels))


def _block(node: Any, peer: Path) -> Iterator[PeerEntry | Unknown]:
    path = (*peer, "ipBlock")
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), "a map with cidr and except")
        return
    yield from strangers(node, ("cidr", "except"), path)
    network = read_network(node.get("cidr"), (*path, "cidr"))
    if isinstance(network, Unknown):
        yield network
        return
    exceptions = node.get("except")
    if exceptions is not None:
        holes, unknowns = split(_holes(exceptions, (*path, "except"), network))
        yield from unknowns
        network -= Addresses.union(holes)
    yield PeerEntry(peer, Networks(network))


def _holes(nodes: Any, path: Path, network: Addresses) -> Iterator[Addresses | Unknown]:
    if not isinstance(nodes, list):
        yield Unknown(path, describe(nodes), "a list of networks")
        return
    for index, node in enumerate(nodes):
        exception = read_network(node, (*path, index))
        if isinstance(exception, Unknown) or (exception <= network and exception != network):
            yield exception
        else:
            yield Unknown((*path, index), describe(node), "inside cidr, and smaller")


def _ports(nodes: Any, path: Path) -> Iterator[PortEntry | NamedPort | Unknown]:
    if nodes in (None, []):
        yield PortEntry(path, PROTOCOLS)
    elif not isinstance(nodes, list):
        yield Unknown(path, describe(nodes), "a list of ports")
    else:
        for index, node in enumerate(nodes):
            yield from _port(node, (*path, index))


def _port(node: Any, path: Path) -> Iterator[PortEntry | NamedPort | Unknown]:
    entry = {} if node is None else node
    if not isinstance(entry, dict):
        yield Unknown(path, describe(entry), "a map with protocol, port and endPort")
        return
    yield from strangers(entry, ("protocol", "port", "endPort"), path)
    protocol, port, end = map(entry.get, ("protocol", "port", "endPort"))
    protocols: tuple[Protocol, ...] = ("TCP",)
    if protocol is not None:
        protocols = tuple(known for known in PROTOCOLS if known == protocol)
    if not protocols:
        yield Unknown((*path, "protocol"), describe(protocol), "TCP, UDP or SCTP")
        protocols = PROTOCOLS
    yield from _numbers(port, end, path=path, protocols=protocols)


def _numbers(
    port: Any, end: Any, *, path: Path, protocols: tuple[Protocol, ...]
) -> Iterator[PortEntry | NamedPort | Unknown]:
    if is_port(port):
        last = port if end is None else end
        if not (is_port(last) and last >= port):
            yield Unknown((*path, "endPort"), describe(end), f"a port from {port} to 65535")
            last = port
        yield PortEntry(path, protocols, port, last)
    elif port is not None and not isinstance(port, str):
        yield Unknown((*path, "port"), describe(port), _PORT_WANTED)
    else:
        if end is not None:
            yield Unknown((*path, "endPort"), describe(end), "absent, for port is no number")
        if port is None:
            yield PortEntry(path, protocols)
        elif _PORT_NAME.fullmatch(port):
            yield NamedPort(path, protocols, port)
        else:
            yield Unknown((*path, "port"), describe(port), _PORT_WANTED)
