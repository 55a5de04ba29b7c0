"""Protocols and ports of a rule: only TCP, UDP and SCTP are looked at.

In a rule without a protocol a port's name stands for the ports of every protocol that have it.
Source: projectcalico/calico api/pkg/lib/numorstring (port.go, protocol.go), felix/calc
(rule_scanner.go), felix/labelindex/ipsetmember.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from rules.netpol.dialects.calico.reader import Reader
from rules.netpol.fields import JSON
from rules.netpol.model import NamedPort, PortEntry
from rules.netpol.parts import is_port
from rules.netpol.sets import LAST_PORT, PROTOCOLS, Protocol
from rules.selectors import Path, describe

Entry: TypeAlias = PortEntry | NamedPort

_NUMBERS: dict[int, Protocol] = {6: "TCP", 17: "UDP", 132: "SCTP"}
_NAMES = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1, "ICMPv6": 58, "UDPLite": 136}
_LOWER = {name.lower(): number for name, number in _NAMES.items()}
_HIGHEST = 255
_PROTOCOL_WANTED = f"{', '.join(_NAMES)} or a number from 1 to {_HIGHEST}"
_PORT_WANTED = "a number from 1 to 65535, a range such as '80:90', or a port's name"
_DIGITS = re.compile(r"[0-9]+")
_RANGE = re.compile(r"([0-9]+):([0-9]+)")
_NAME = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_ANY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_HIDES_ALL = ", or felix cannot read any policy of this kind"


class Protocols(NamedTuple):
    """The protocols that a rule is about, as far as they are looked at.

    `number` is that of `protocol`, None where it is not stated.
    """

    held: tuple[Protocol, ...]
    number: int | None

    @property
    def has_ports(self) -> bool:
        """Whether it is one of a single protocol that has ports."""
        return self.number in _NUMBERS


def read_protocols(reader: Reader, rule: JSON, path: Path) -> Protocols:
    """`protocol` and `notProtocol`; one that cannot be read does not count."""
    number = _protocol(reader, rule, "protocol", path)
    unwanted = _protocol(reader, rule, "notProtocol", path)
    held = [
        name
        for key, name in _NUMBERS.items()
        if number in (None, key) and (unwanted is None or unwanted != key)
    ]
    return Protocols(tuple(held), number)


def _protocol(reader: Reader, rule: JSON, field: str, path: Path) -> int | None:
    value = rule.get(field)
    if value is None:
        if field in rule and reader.door != "api":
            reader.fault((*path, field), "null", _PROTOCOL_WANTED)
        return None
    number: int | None = None
    if type(value) is int:
        number = value
    elif isinstance(value, str) and _DIGITS.fullmatch(value) and len(value) < len("1000"):
        number = int(value)
    elif isinstance(value, str):
        number = _NAMES.get(value) if reader.door == "api" else _LOWER.get(value.lower())
    if number is None or not 1 <= number <= _HIGHEST:
        reader.fault((*path, field), describe(value), _PROTOCOL_WANTED, "void")
        return None
    return number


def every_port(path: Path, protocols: Protocols) -> tuple[Entry, ...]:
    """Of a rule that names no ports."""
    return (PortEntry(path, protocols.held),) if protocols.held else ()


def read_ports(
    reader: Reader, end: JSON, field: str, path: Path, protocols: Protocols
) -> tuple[Entry, ...]:
    """The entries of `ports` or `notPorts`; none where there are none, or none can be read."""
    items = reader.items(end, field, path)
    entries = tuple(_entries(reader, items, (*path, field), protocols))
    numbered = not all(isinstance(entry, NamedPort) for entry in entries)
    if entries and not protocols.has_ports and (numbered or protocols.number is not None):
        wanted = "beside a protocol that has them: TCP, UDP or SCTP"
        reader.fault((*path, field), "ports", wanted, "void")
    return entries


def _entries(reader: Reader, items: list[Any], path: Path, protocols: Protocols) -> Iterator[Entry]:
    for index, item in enumerate(items):
        at = (*path, index)
        numbers = _numbers(item)
        if numbers and is_port(numbers[0]) and is_port(numbers[1]) and numbers[0] <= numbers[1]:
            yield PortEntry(at, protocols.held, *numbers)
        elif isinstance(item, str) and not numbers and _NAME.fullmatch(item):
            yield NamedPort(at, protocols.held, item)
        else:
            told = "" if _is_decoded(item, numbers) else _HIDES_ALL
            reader.fault(at, describe(item), _PORT_WANTED, "void", told)
            yield PortEntry(at, protocols.held or PROTOCOLS)


def _is_decoded(item: Any, numbers: tuple[int, int] | None) -> bool:
    """Whether it is at least something that felix can decode: a range, or some name."""
    if numbers:
        return numbers[0] <= numbers[1] <= LAST_PORT
    return isinstance(item, str) and bool(_ANY_NAME.fullmatch(item)) and not item.isdecimal()


def _numbers(item: Any) -> tuple[int, int] | None:
    if type(item) is int:
        return item, item
    if isinstance(item, str):
        match = _RANGE.fullmatch(item) or _DIGITS.fullmatch(item)
        texts = [each.lstrip("0") for each in item.split(":")] if match else []
        if texts and max(map(len, texts)) <= len("65535"):
            numbers = [int(each or "0") for each in texts]
            return numbers[0], numbers[-1]
    return None
