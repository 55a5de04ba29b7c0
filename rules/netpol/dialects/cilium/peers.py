"""The members of a rule that name its peers, one reader for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rules.netpol.dialects.cilium.labels import Scope, read_labels
from rules.netpol.dialects.cilium.names import read_name
from rules.netpol.fields import JSON, text
from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.parts import read_network, strangers
from rules.netpol.peers import (
    AllOf,
    Entity,
    Labelled,
    NetworkGroup,
    Networks,
    Not,
    ServiceRef,
    Services,
)
from rules.netpol.sets import Addresses
from rules.selectors import Path, describe

ENTITIES = (
    *("all", "world", "cluster", "cluster-mesh", "host", "remote-node", "kube-apiserver"),
    *("ingress", "init", "health", "unmanaged", "none"),
)
_BLOCK = ("cidr", "cidrGroupRef", "cidrGroupSelector")
_NAMED, _SELECTED = "k8sService", "k8sServiceSelector"

Entry = PeerEntry | Unknown
Read = Callable[[Any, Path, Scope], Iterator[Entry]]


def _endpoints(node: Any, path: Path, scope: Scope) -> Iterator[Entry]:
    selector, unknowns = scope.peer(node, path)
    yield from unknowns
    if selector is not None:
        yield PeerEntry(path, Labelled(selector))


def _entity(node: Any, path: Path, _: Scope) -> Iterator[Entry]:
    if isinstance(node, str) and node in ENTITIES:
        yield PeerEntry(path, Entity(node))
    else:
        yield Unknown(path, describe(node), f"one of {', '.join(ENTITIES)}")


def _cidr(node: Any, path: Path, _: Scope) -> Iterator[Entry]:
    network = _network(node, path)
    yield network if isinstance(network, Unknown) else PeerEntry(path, Networks(network))


def _block(node: Any, path: Path, _: Scope) -> Iterator[Entry]:
    wanted = f"a map with exactly one of {', '.join(_BLOCK)}"
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), wanted)
        return
    yield from strangers(node, (*_BLOCK, "except"), path)
    stated = [field for field in _BLOCK if field in node]
    if len(stated) != 1:
        yield Unknown(path, " and ".join(stated) or "without any", wanted)
        return
    cidr = stated[0] == "cidr"
    base = _network(node["cidr"], (*path, "cidr")) if cidr else _group(node, path)
    if isinstance(base, Unknown):
        yield base
        return
    yield from _without(base, node.get("except", []), path)


def _without(base: Addresses | NetworkGroup, nodes: Any, path: Path) -> Iterator[Entry]:
    """The addresses less the exceptions, which count for this entry alone."""
    holes: list[Addresses] = []
    if not isinstance(nodes, list):
        yield Unknown((*path, "except"), describe(nodes), "a list of networks")
        return
    for index, node in enumerate(nodes):
        place = (*path, "except", index)
        hole = _network(node, place)
        if isinstance(hole, Unknown):
            yield hole
        elif isinstance(base, Addresses) and not hole <= base:
            yield Unknown(place, describe(node), "inside cidr", "void")
        else:
            holes.append(hole)
    cut = Addresses.union(holes)
    if isinstance(base, Addresses):
        yield PeerEntry(path, Networks(base - cut))
    else:
        yield PeerEntry(path, AllOf((base, Not(Networks(cut)))) if holes else base)


def _group(node: JSON, path: Path) -> NetworkGroup | Unknown:
    name = node.get("cidrGroupRef")
    if isinstance(name, str) and name:
        return NetworkGroup(name)
    if "cidrGroupRef" in node:
        return Unknown((*path, "cidrGroupRef"), describe(name), "the name of a CiliumCIDRGroup")
    selector, unknowns = read_labels(node["cidrGroupSelector"], (*path, "cidrGroupSelector"))
    return unknowns[0] if selector is None else NetworkGroup(labels=selector)


def _network(node: Any, path: Path) -> Addresses | Unknown:
    """A network. Leading zeros pass the schema, and the agent voids the object for them."""
    read = read_network(node, path)
    if not isinstance(read, Unknown) or not isinstance(node, str):
        return read
    host, slash, prefix = node.partition("/")
    plain = ".".join(octet.lstrip("0") or "0" for octet in host.split("."))
    zeros = host.count(".") == plain.count(".") and host != plain
    if zeros and not isinstance(read_network(f"{plain}{slash}{prefix}", path), Unknown):
        return Unknown(path, read.found, f"{read.wanted}, without leading zeros", "void")
    return read


def _service(node: Any, path: Path) -> Iterator[ServiceRef | Unknown]:
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), f"a map with {_NAMED} or {_SELECTED}")
        return
    yield from strangers(node, (_NAMED, _SELECTED), path)
    for field in (_NAMED, _SELECTED):
        inner = node.get(field)
        if field in node and not isinstance(inner, dict):
            yield Unknown((*path, field), describe(inner), "a map")
        elif isinstance(inner, dict) and field == _NAMED:
            yield from strangers(inner, ("serviceName", "namespace"), (*path, field))
            yield ServiceRef(text(inner, "namespace") or None, text(inner, "serviceName"))
        elif isinstance(inner, dict):
            selector, unknowns = read_labels(inner.get("selector"), (*path, field, "selector"))
            yield from unknowns
            if selector is not None:
                yield ServiceRef(text(inner, "namespace") or None, labels=selector)


def services(nodes: list[Any], path: Path, *, ported: bool) -> Iterator[Entry]:
    """All of `toServices`: where none of them exists, a rule with ports is about everybody."""
    refs: list[ServiceRef] = []
    for index, node in enumerate(nodes):
        for read in _service(node, (*path, index)):
            if isinstance(read, Unknown):
                yield read
            else:
                refs.append(read)
    yield PeerEntry(path, Services(tuple(refs), open=ported))


def _name(node: Any, path: Path, _: Scope) -> Iterator[Entry]:
    yield from read_name(node, path)


def _node(node: Any, path: Path, _: Scope) -> Iterator[Entry]:  # noqa: ARG001  # a reader
    wanted = "absent: agents know nodes by label only if they are told to"
    yield Unknown(path, "a selector of nodes", wanted, "void")


def _cloud(node: Any, path: Path, _: Scope) -> Iterator[Entry]:  # noqa: ARG001  # a reader
    yield Unknown(path, "a group of a cloud provider", "addresses, to be known here", "undecided")


READERS: Mapping[str, Read] = {
    "Endpoints": _endpoints,
    "CIDR": _cidr,
    "CIDRSet": _block,
    "Entities": _entity,
    "Groups": _cloud,
    "Nodes": _node,
    "FQDNs": _name,
}
