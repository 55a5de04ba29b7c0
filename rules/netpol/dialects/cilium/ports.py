"""Ports in `toPorts`: numbers as Go reads them, names, ranges and protocols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rules.netpol.fields import JSON
from rules.netpol.model import NamedPort, PortEntry, Unknown
from rules.netpol.parts import strangers
from rules.netpol.sets import LAST_PORT, PROTOCOLS, Protocol
from rules.selectors import Path, describe

MOST_PORTS = 40
FIELDS = ("port", "endPort", "protocol")
_ANY = "ANY"
_PORTLESS = ("VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH")
_NAME = re.compile(r"(?=.{1,15}\Z)(?=.*[a-zA-Z])[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
# the schema's pattern, whose alternatives are anchored at one end each
_ACCEPTED = re.compile(r"\A[0-9]|[a-zA-Z](?:-?[a-zA-Z0-9])*\Z")
_LITERAL = re.compile(r"0[xX]_?([0-9a-fA-F_]+)|0[bB]_?([01_]+)|0[oO]?_?([0-7_]+)|([1-9][0-9_]*|0)")
_BASES = (16, 2, 8, 10)
_WANTED = "a port from 0 to 65535 in quotes, or the name of one (at most 15 of a-z 0-9 -)"


def read_ports(nodes: Any, path: Path) -> Iterator[PortEntry | NamedPort | Unknown]:
    """The list `ports`: of an empty one, nothing."""
    if not isinstance(nodes, list) or len(nodes) > MOST_PORTS:
        found = f"a list of {len(nodes)}" if isinstance(nodes, list) else describe(nodes)
        yield Unknown(path, found, f"a list of at most {MOST_PORTS} ports")
        return
    for index, node in enumerate(nodes):
        if isinstance(node, dict):
            yield from _port(node, (*path, index))
        else:
            yield Unknown((*path, index), describe(node), f"a map with {', '.join(FIELDS)}")


def number(text: str) -> int | None:
    """The number that Go reads in a text where its own prefix says the base; None: none."""
    match = _LITERAL.fullmatch(text)
    if match is None or "__" in text or text.endswith("_"):
        return None
    base, digits = next(
        (base, found) for base, found in zip(_BASES, match.groups(), strict=True) if found
    )
    digits = digits.replace("_", "").lstrip("0") or "0"
    return int(digits, base) if len(digits) <= LAST_PORT.bit_length() else LAST_PORT + 1


def _port(node: JSON, path: Path) -> Iterator[PortEntry | NamedPort | Unknown]:
    yield from strangers(node, FIELDS, path)
    protocols = _protocols(node, path)
    end = node.get("endPort")
    if "endPort" in node and not (type(end) is int and 0 <= end <= LAST_PORT):
        yield Unknown((*path, "endPort"), describe(end), f"a number from 0 to {LAST_PORT}")
        end = None
    if isinstance(protocols, Unknown):
        yield protocols
        protocols = PROTOCOLS
    yield _numbered(node, path, protocols, end or None)


def _protocols(node: JSON, path: Path) -> tuple[Protocol, ...] | Unknown:
    stated = node.get("protocol", _ANY)
    if stated == _ANY:
        return PROTOCOLS
    if stated in _PORTLESS and node.get("port") in (None, "0"):
        return ()
    if stated in _PORTLESS:
        wanted = f'absent or "0", for {stated} has no ports'
        return Unknown((*path, "port"), describe(node.get("port")), wanted, "void")
    known = tuple(protocol for protocol in PROTOCOLS if protocol == stated)
    return known or Unknown((*path, "protocol"), describe(stated), "TCP, UDP, SCTP or ANY")


def _numbered(
    node: JSON, path: Path, protocols: tuple[Protocol, ...], end: int | None
) -> PortEntry | NamedPort | Unknown:
    text, place = node.get("port"), (*path, "port")
    if "port" not in node:
        return Unknown(place, "missing", _WANTED, "void")
    if not isinstance(text, str) or not _ACCEPTED.search(text):
        return Unknown(place, describe(text), _WANTED)
    if _NAME.fullmatch(text):
        return NamedPort(path, protocols, text.lower())
    first = number(text)
    if first is None or first > LAST_PORT:
        return Unknown(place, describe(text), _WANTED, "void")
    if first == 0:
        return PortEntry(path, protocols, end=end)
    return PortEntry(path, protocols, first, max(first, end or 0), end)
