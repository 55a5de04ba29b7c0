"""Peers and subjects: pods, namespaces, nodes, networks, names of domains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rules.netpol.fields import mapping
from rules.netpol.model import PeerEntry, Stated, Unknown
from rules.netpol.parts import only_field, read_network, read_selector, strangers
from rules.netpol.peers import Fqdn, Namespaces, Networks, Nodes, Pods
from rules.selectors import Path, describe

SUBJECT = FROM = ("namespaces", "pods")
TO = (*FROM, "nodes", "networks", "domainNames")
MOST_NETWORKS = 25
_DOMAIN = re.compile(
    r"(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?"
)


def no_list(node: Any, path: Path, most: int, what: str) -> Unknown:
    """What stands where a list of few items must stand."""
    found = f"a list of {len(node)}" if isinstance(node, list) else describe(node)
    return Unknown(path, found, f"a list of 1 to {most} {what}")


def read_peer(
    node: Any, path: Path, fields: tuple[str, ...], *, strict: bool
) -> Iterator[PeerEntry | Unknown]:
    """What a map with exactly one of the fields holds.

    v1alpha1 asks for both selectors of `pods` in its schema, too, yet many a published policy
    leaves one out and means all; only v1alpha2 (`strict`) is held to it.
    """
    field = yield from only_field(node, path, fields)
    if field == "pods" and strict and mapping(node, field).get("podSelector") is None:
        wanted = "a label selector, {} for all pods"
        yield Unknown((*path, field, "podSelector"), "missing", wanted)
    elif field:
        yield from _ONE_OF[field](node[field], (*path, field), path)


def _namespaces(node: Any, path: Path, entry: Path) -> Iterator[PeerEntry | Unknown]:
    labels, unknowns = read_selector(node, path, "undecided")
    yield from _stated(unknowns, node)
    if not unknowns:
        yield PeerEntry(entry, Namespaces(labels))


def _pods(node: Any, path: Path, entry: Path) -> Iterator[PeerEntry | Unknown]:
    fields = ("namespaceSelector", "podSelector")
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), f"a map with {' and '.join(fields)}")
        return
    yield from strangers(node, fields, path)
    namespaces, faults = read_selector(node.get(fields[0]), (*path, fields[0]), "undecided")
    pods, more = read_selector(node.get(fields[1]), (*path, fields[1]), "undecided")
    yield from _stated((*faults, *more), *map(node.get, fields))
    if not (faults or more):
        yield PeerEntry(entry, Pods(namespaces, pods))


def _stated(unknowns: tuple[Unknown, ...], *selectors: Any) -> Iterator[Unknown]:
    """The unknowns of one peer; the first of them has its selectors."""
    for index, unknown in enumerate(unknowns):
        stated = tuple(map(Stated.of, selectors))
        yield unknown if index else replace(unknown, selectors=stated)


def _nodes(node: Any, path: Path, entry: Path) -> Iterator[PeerEntry | Unknown]:
    labels, unknowns = read_selector(node, path, "undecided")
    yield from unknowns
    if not unknowns:
        yield PeerEntry(entry, Nodes(labels))


def _networks(node: Any, path: Path, _: Path) -> Iterator[PeerEntry | Unknown]:
    if not isinstance(node, list) or not 1 <= len(node) <= MOST_NETWORKS:
        yield no_list(node, path, MOST_NETWORKS, "networks")
        return
    for index, item in enumerate(node):
        read = read_network(item, (*path, index))
        if isinstance(read, Unknown):
            yield read
        else:
            yield PeerEntry((*path, index), Networks(read))


def _domains(node: Any, path: Path, _: Path) -> Iterator[PeerEntry | Unknown]:
    if not isinstance(node, list) or not 1 <= len(node) <= MOST_NETWORKS:
        yield no_list(node, path, MOST_NETWORKS, "names of domains")
        return
    for index, item in enumerate(node):
        if isinstance(item, str) and _DOMAIN.fullmatch(item):
            name = item.lower().rstrip(".")
            pattern = f"*{name}" if name.startswith("*.") else name
            yield PeerEntry((*path, index), Fqdn(pattern))
        else:
            wanted = "a name such as kubernetes.io or *.kubernetes.io"
            yield Unknown((*path, index), describe(item), wanted)


_ONE_OF = {
    "namespaces": _namespaces,
    "pods": _pods,
    "nodes": _nodes,
    "networks": _networks,
    "domainNames": _domains,
}
