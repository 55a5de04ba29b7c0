"""Ports, as v1alpha1 (`ports`) and as v1alpha2 (`protocols`) write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rules.netpol.fields import JSON
from rules.netpol.model import NamedPort, PortEntry, Unknown
from rules.netpol.parts import is_port, only_field, strangers
from rules.netpol.sets import PROTOCOLS, Protocol
from rules.selectors import Path, describe

Entry = PortEntry | NamedPort | Unknown
_PROTOCOLS: dict[str, Protocol] = {protocol.lower(): protocol for protocol in PROTOCOLS}


def read_port(node: Any, path: Path) -> Iterator[Entry]:
    """An item of `ports`: a number, a range, or a name of any protocol."""
    fields = ("portNumber", "namedPort", "portRange")
    field = yield from only_field(node, path, fields)
    if field == "namedPort":
        yield _name(node[field], (*path, field), path)
    elif field:
        yield from _numbered(node[field], (*path, field), path, ranged=field == "portRange")


def read_protocol(node: Any, path: Path) -> Iterator[Entry]:
    """An item of `protocols`: one protocol, all its ports or some, or a name of any protocol."""
    field = yield from only_field(node, path, (*_PROTOCOLS, "destinationNamedPort"))
    if field == "destinationNamedPort":
        yield _name(node[field], (*path, field), path)
    elif field:
        inner: Path = (*path, field)
        port = yield from only_field(node[field], inner, ("destinationPort",))
        if port:
            yield from _destination(node[field][port], (*inner, port), path, _PROTOCOLS[field])
        elif node[field] == {}:
            # read on: an engine to which nobody refuses it takes it for every port
            yield PortEntry(path, (_PROTOCOLS[field],))


def _destination(node: Any, path: Path, entry: Path, protocol: Protocol) -> Iterator[Entry]:
    field = yield from only_field(node, path, ("number", "range"))
    if field == "number":
        number = node[field]
        yield (
            PortEntry(entry, (protocol,), number, number)
            if is_port(number)
            else Unknown((*path, field), describe(number), "a port from 1 to 65535")
        )
    elif field:
        yield _range(node[field], (*path, field), entry, protocol, least=1)


def _numbered(node: Any, path: Path, entry: Path, *, ranged: bool) -> Iterator[Entry]:
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), "a map with protocol and port")
        return
    stated = node.get("protocol") or "TCP"
    protocol = next((known for known in PROTOCOLS if known == stated), None)
    fields = ("protocol", "start", "end") if ranged else ("protocol", "port")
    yield from strangers(node, fields, path)
    if protocol is None:
        yield Unknown((*path, "protocol"), describe(stated), "TCP, UDP or SCTP")
    elif ranged:
        yield _range(node, path, entry, protocol, least=0)
    elif is_port(node.get("port")):
        yield PortEntry(entry, (protocol,), node["port"], node["port"])
    else:
        yield Unknown((*path, "port"), describe(node.get("port")), "a port from 1 to 65535")


def _range(node: Any, path: Path, entry: Path, protocol: Protocol, *, least: int) -> Entry:
    """The ports from start to end, which must be greater by `least` or more."""
    bounds: JSON = node if isinstance(node, dict) else {}
    start, end = bounds.get("start"), bounds.get("end")
    if not is_port(start):
        return Unknown((*path, "start"), describe(start), "a port from 1 to 65535")
    if not is_port(end) or end < start + least:
        return Unknown((*path, "end"), describe(end), f"a port from {start + least} to 65535")
    return PortEntry(entry, (protocol,), start, end)


def _name(value: Any, path: Path, entry: Path) -> Entry:
    if isinstance(value, str) and value:
        return NamedPort(entry, PROTOCOLS, value)
    return Unknown(path, describe(value), "the name of a port")
