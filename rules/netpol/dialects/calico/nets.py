"""`nets` and `notNets`.

A list names the families that the rule is about: it never matches the other one, not even where it
excludes. Source: projectcalico/calico libcalico-go/lib/validator/v3, felix/rules (policy.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from rules.netpol.dialects.calico.reader import Reader
from rules.netpol.fields import JSON
from rules.netpol.peers import Networks, Peer
from rules.netpol.sets import V4, V6, Addresses, Family, InvalidSet
from rules.selectors import Path, describe

_WANTED = "a network in CIDR notation without host bits, such as 10.0.0.0/8"
_DROPPED = {
    "nets": ", or it is dropped, and a list with none left restricts nothing",
    "notNets": ", or it is dropped, and excepts nothing",
}
_CIDR = re.compile(r"([^/]+)/0*([0-9]{1,3})")
_MAPPED_BITS = 96
_BITS = (32, 128)


@dataclass(slots=True)
class Families:
    """The families of one rule: what it says of them, and by which lists so far."""

    version: Family | None = None
    named: frozenset[Family] = frozenset((V4, V6))


def read_nets(reader: Reader, end: JSON, path: Path, families: Families) -> Iterator[Peer]:
    """What `nets` and `notNets` of one end hold; entries that cannot be read do not count."""
    wanted = _read(reader, end, "nets", path)
    if wanted:
        _agree(reader, (*path, "nets"), _families(wanted), families)
        yield Networks(Addresses.union(wanted))
    unwanted = _read(reader, end, "notNets", path)
    if unwanted:
        held = _families(unwanted)
        _agree(reader, (*path, "notNets"), held, families)
        every = Addresses.union(map(Addresses.every, sorted(held)))
        yield Networks(every - Addresses.union(unwanted))


def _read(reader: Reader, end: JSON, field: str, path: Path) -> list[Addresses]:
    found = []
    for index, item in enumerate(reader.items(end, field, path)):
        at = (*path, field, index)
        if not isinstance(item, str):
            reader.fault(at, describe(item), _WANTED)
            continue
        read = parse_net(item)
        if read is None:
            reader.fault(at, describe(item), _WANTED, "as-read", _DROPPED[field])
            continue
        if "/" not in item:
            wanted = f"a network in CIDR notation: {item}/{_BITS[bool(read.v6)]}"
            reader.strict(at, describe(item), wanted)
        elif not _is_masked(item, read):
            reader.strict(at, describe(item), _WANTED)
        elif field == "notNets" and read in (Addresses.every(V4), Addresses.every(V6)):
            reader.strict(at, describe(item), "less than every address, or nothing is left")
        found.append(read)
    return found


def parse_net(text: str) -> Addresses | None:
    """A network or a single address as Go reads it; a mapped IPv6 one is its IPv4 one."""
    match = _CIDR.fullmatch(text)
    host, prefix = (match[1], int(match[2])) if match else (text, None)
    mapped = _mapped(host)
    if mapped and (prefix is None or prefix >= _MAPPED_BITS):
        host, prefix = mapped, None if prefix is None else prefix - _MAPPED_BITS
    try:
        if prefix is None:
            return Addresses.between(host, host)
        return Addresses.cidr(f"{host}/{prefix}")
    except InvalidSet:
        return None


def _mapped(host: str) -> str:
    try:
        inner = IPv6Address(host).ipv4_mapped
    except AddressValueError:
        return ""
    return str(inner) if inner else ""


def _is_masked(text: str, read: Addresses) -> bool:
    """Whether the address before the slash is the first of the network."""
    host = parse_net(text.partition("/")[0]) or read
    return (host.v4 or host.v6)[:1] == (read.v4 or read.v6)[:1]


def _families(networks: list[Addresses]) -> frozenset[Family]:
    held: set[Family] = set()
    for each in networks:
        held.add(V4 if each.v4 else V6)
    return frozenset(held)


def _agree(reader: Reader, path: Path, held: frozenset[Family], families: Families) -> None:
    """What the API refuses: lists of a rule that do not agree on one family."""
    if families.version is not None and held != {families.version}:
        reader.strict(path, "of another family than ipVersion", f"IPv{families.version} only")
    families.named &= held
    if len(held) > 1 or not families.named:
        reader.strict(path, "of both families", "one family in all nets of a rule")
