"""networking.k8s.io/v1 NetworkPolicy.

Source: kubernetes/api networking/v1/types.go, kubernetes/kubernetes pkg/apis/networking/v1
(defaults.go) and pkg/apis/networking/validation. What the API server would refuse is an Unknown at
its place. What can be read around it is read as the wider meaning: a part that only narrows (a
selector of a peer, a protocol, an exception) counts as not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

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
from rules.netpol.peers import Anywhere, Networks, Pods
from rules.netpol.sets import FIRST_PORT, LAST_PORT, PROTOCOLS, Addresses, InvalidSet, Protocol
from rules.selectors import EVERYTHING, InvalidSelector, LabelSelector, Path, describe

GROUP, KIND = "networking.k8s.io", "NetworkPolicy"
MOST_ENTRIES = 20_000
SMALL_ENOUGH = f"at most {MOST_ENTRIES}"
_DIRECTIONS: dict[str, Direction] = {"Ingress": "ingress", "Egress": "egress"}
_PEERS: dict[Direction, str] = {"ingress": "from", "egress": "to"}
_Read = TypeVar("_Read")
_PORT_NAME = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_PORT_WANTED = "a number from 1 to 65535 without quotes, or a port's name (at most 15 of a-z 0-9 -)"


def translate(node: Any, *, namespace: str = "default") -> Policy:
    """What a decoded NetworkPolicy means, in both directions.

    `namespace` is where it lies if it does not say so itself. The object may be malformed anywhere:
    nothing is raised, and nothing is left out unsaid. A spec of more than `MOST_ENTRIES` values is
    not read at all.
    """
    origin = _origin(node, namespace)
    faults = tuple(_head_faults(node))
    for fault in faults:
        if fault.path in ((), ("spec",)):
            return Policy(origin, fault, unknowns=faults)
    spec = _map(node, "spec")
    subject, unreadable = _subject(spec.get("podSelector"), origin.namespace)
    isolations, unsupported = _split(_isolations(spec, origin, subject))
    grants, misplaced = _split(_grants(spec, origin, subject))
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


def _split(read: Iterable[_Read | Unknown]) -> tuple[tuple[_Read, ...], tuple[Unknown, ...]]:
    items: list[_Read] = []
    unknowns: list[Unknown] = []
    for item in read:
        if isinstance(item, Unknown):
            unknowns.append(item)
        else:
            items.append(item)
    return tuple(items), tuple(unknowns)


def _map(node: Any, field: str) -> dict[str, Any]:
    value = node.get(field) if isinstance(node, dict) else None
    return value if isinstance(value, dict) else {}


def _origin(node: Any, namespace: str) -> Origin:
    metadata = _map(node, "metadata")
    stated, name = metadata.get("namespace"), metadata.get("name")
    return Origin(
        GROUP,
        KIND,
        stated if isinstance(stated, str) and stated else namespace,
        name if isinstance(name, str) else "",
    )


def _head_faults(node: Any) -> Iterator[Unknown]:
    if not isinstance(node, dict):
        yield Unknown((), describe(node), "a NetworkPolicy")
        return
    for field in ("metadata", "spec"):
        value = node.get(field)
        if value is not None and not isinstance(value, dict):
            yield Unknown((field,), describe(value), "a map")
    metadata = _map(node, "metadata")
    for field in ("namespace", "name"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            yield Unknown(("metadata", field), describe(value), "a string")
    spec = _map(node, "spec")
    size = _size(spec)
    if size > MOST_ENTRIES:
        yield Unknown(("spec",), f"of {size} values", SMALL_ENOUGH, "undecided")
        return
    known = ("podSelector", "policyTypes", "ingress", "egress")
    yield from _strangers(spec, known, ("spec",))


def _size(node: Any) -> int:
    """How many values it holds: what is too much to be judged while somebody waits."""
    if isinstance(node, dict):
        return len(node) + sum(map(_size, node.values()))
    return len(node) + sum(map(_size, node)) if isinstance(node, list) else 0


def _strangers(node: dict[Any, Any], known: tuple[str, ...], path: Path) -> Iterator[Unknown]:
    """Fields that the API does not have. kubectl refuses them, the API server cuts them off."""
    for field, value in node.items():
        if field not in known and value is not None:
            name = field if isinstance(field, str) else describe(field)
            wanted = f"one of {', '.join(known)}"
            yield Unknown((*path, name), "an unknown field", wanted, "as-read")


def _subject(node: Any, namespace: str) -> tuple[Subject, tuple[Unknown, ...]]:
    selector, unknowns = _selector(node, ("spec", "podSelector"))
    return unknowns[0] if unknowns else Pods(namespace, selector), unknowns


def _selector(node: Any, path: Path) -> tuple[LabelSelector, tuple[Unknown, ...]]:
    if node is None:
        return EVERYTHING, ()
    try:
        return LabelSelector.parse(node, path), ()
    except InvalidSelector as error:
        faults = error.faults
        return EVERYTHING, tuple(Unknown(each.path, each.found, each.wanted) for each in faults)


def _isolations(
    spec: dict[str, Any], origin: Origin, subject: Subject
) -> Iterator[Isolation | Unknown]:
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


def _grants(spec: dict[str, Any], origin: Origin, subject: Subject) -> Iterator[Grant | Unknown]:
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
            yield from _strangers(rule, (peers, "ports"), path)
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
    yield from _strangers(peer, fields, path)
    pods, namespaces, block = map(peer.get, fields)
    if block is not None:
        yield from _block(block, path)
        if pods is None and namespaces is None:
            return
        yield Unknown(path, "ipBlock beside a selector", "two items, one for each")
    elif pods is None and namespaces is None:
        # read on: an engine to which nobody refuses it takes it for the pods of the own namespace
        yield Unknown(path, "empty", f"a map with one of {', '.join(fields)}")
    pod_labels, unreadable = _selector(pods, (*path, "podSelector"))
    yield from unreadable
    namespace_labels, unreadable = _selector(namespaces, (*path, "namespaceSelector"))
    yield from unreadable
    scope = namespace if namespaces is None else namespace_labels
    yield PeerEntry(path, Pods(scope, pod_labels))


def _block(node: Any, peer: Path) -> Iterator[PeerEntry | Unknown]:
    path = (*peer, "ipBlock")
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), "a map with cidr and except")
        return
    yield from _strangers(node, ("cidr", "except"), path)
    network = _network(node.get("cidr"), (*path, "cidr"))
    if isinstance(network, Unknown):
        yield network
        return
    exceptions = node.get("except")
    if exceptions is not None:
        holes, unknowns = _split(_holes(exceptions, (*path, "except"), network))
        yield from unknowns
        network -= Addresses.union(holes)
    yield PeerEntry(peer, Networks(network))


def _holes(nodes: Any, path: Path, network: Addresses) -> Iterator[Addresses | Unknown]:
    if not isinstance(nodes, list):
        yield Unknown(path, describe(nodes), "a list of networks")
        return
    for index, node in enumerate(nodes):
        exception = _network(node, (*path, index))
        if isinstance(exception, Unknown) or (exception <= network and exception != network):
            yield exception
        else:
            yield Unknown((*path, index), describe(node), "inside cidr, and smaller")


def _network(node: Any, path: Path) -> Addresses | Unknown:
    try:
        return Addresses.cidr(node if isinstance(node, str) else "")
    except InvalidSet as error:
        return Unknown(path, describe(node), error.wanted)


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
    yield from _strangers(entry, ("protocol", "port", "endPort"), path)
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
    if _is_port(port):
        last = port if end is None else end
        if not (_is_port(last) and last >= port):
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


def _is_port(value: Any) -> bool:
    # a boolean is an int to Python, not to Kubernetes
    return type(value) is int and FIRST_PORT <= value <= LAST_PORT
