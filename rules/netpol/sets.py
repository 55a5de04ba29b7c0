"""Sets of ports and of addresses: immutable, canonical, exact.

Equal sets are equal values with equal hashes. Both kinds have the operators of Python's sets,
`& | - ~ <= in`, `bool` (not empty) and a text that `parse` reads back. `~` is taken within all
ports 1-65535 of TCP, UDP and SCTP, and within all of IPv4 and IPv6.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal

from rules.selectors import describe

Protocol = Literal["TCP", "UDP", "SCTP"]
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
FIRST_PORT, LAST_PORT = 1, 65535
_EVERY_PORT = (1 << LAST_PORT + 1) - (1 << FIRST_PORT)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")

Family = Literal[4, 6]
V4: Family = 4
V6: Family = 6
FAMILIES: tuple[Family, ...] = (V4, V6)
Address = IPv4Address | IPv6Address
Edges = tuple[int, ...]
"""Addresses at which membership changes, ascending: in at the even places, out at the odd ones."""

_BITS = {V4: 32, V6: 128}
_LONGEST_IPV6 = 45
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(r"\.".join((_OCTET,) * 4))
_PREFIX = re.compile("0|[1-9][0-9]{0,2}")
_EMBEDDINGS = (int(IPv6Address("::ffff:0:0")), int(IPv6Address("64:ff9b::")))
_EMBEDDED = tuple(edge for start in _EMBEDDINGS for edge in (start, start + (1 << 32)))


class InvalidSet(ValueError):
    """A text or number that names no set: what is found, and what is wanted."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"is {found}, must be {wanted}")
        self.found = found
        self.wanted = wanted


@dataclass(frozen=True, slots=True, repr=False)
class Ports:
    """A set of (protocol, port), e.g. `Ports.of("TCP", 80) | Ports.every("UDP")`.

    One integer per protocol, whose bit n stands for port n: no operation costs more than that of
    two 8 KiB integers, however many ports are listed. Bit 0 is never set.
    """

    tcp: int = 0
    udp: int = 0
    sctp: int = 0

    @classmethod
    def empty(cls) -> Ports:
        """No port at all."""
        return _NO_PORTS

    @classmethod
    def full(cls) -> Ports:
        """Every port of every protocol."""
        return _ALL_PORTS

    @classmethod
    def every(cls, protocol: Protocol) -> Ports:
        """Every port of one protocol."""
        return cls.of(protocol, FIRST_PORT, last=LAST_PORT)

    @classmethod
    def of(cls, protocol: Protocol, first: int, *, last: int | None = None) -> Ports:
        """One port, or those from first to last. InvalidSet unless 1 <= first <= last <= 65535."""
        last = first if last is None else last
        if not FIRST_PORT <= first <= LAST_PORT:
            raise InvalidSet(describe(first), "a port from 1 to 65535")
        if not first <= last <= LAST_PORT:
            raise InvalidSet(describe(last), f"a port from {first} to 65535")
        mask = (1 << last + 1) - (1 << first)
        match protocol:
            case "TCP":
                return cls(mask)
            case "UDP":
                return cls(0, mask)
            case "SCTP":
                return cls(0, 0, mask)

    @classmethod
    def parse(cls, text: str) -> Ports:
        """The set of a text such as `80,443,8000-8100/TCP 53/UDP` or `none`, as `str` writes it.

        Raises InvalidSet, too, where a range is empty or the protocol is none of the three.
        """
        ports = cls()
        for word in text.split() if text != "none" else ():
            ranges, _, name = word.partition("/")
            protocol = next((known for known in PROTOCOLS if known == name), None)
            if protocol is None:
                raise InvalidSet(describe(word), "ports and a protocol such as 80,443/TCP")
            for item in ranges.split(","):
                match = _RANGE.fullmatch(item)
                if match is None:
                    raise InvalidSet(describe(item), "a port or a range such as 8000-8100")
                first, last = int(match[1]), int(match[2] or match[1])
                ports |= cls.of(protocol, first, last=last)
        return ports

    def meets(self, protocol: Protocol, first: int, last: int) -> bool:
        """Whether some of the ports from first to last are among them."""
        return bool(self._mask(protocol) >> first & (1 << last - first + 1) - 1)

    def ranges(self, protocol: Protocol) -> Iterator[tuple[int, int]]:
        """The maximal (first, last) runs of one protocol, ascending."""
        # searched as text, since shifting runs off a long integer takes quadratic time
        bits = f"0{self._mask(protocol):b}"[::-1]
        first = bits.find("1")
        while first >= 0:
            end = bits.find("0", first)
            yield first, end - 1
            first = bits.find("1", end)

    def text(self, protocol: Protocol) -> str:
        """The ports of one protocol, such as `80,443,8000-8100`; all of them are `1-65535`."""
        runs = self.ranges(protocol)
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)

    def _mask(self, protocol: Protocol) -> int:
        return {"TCP": self.tcp, "UDP": self.udp, "SCTP": self.sctp}[protocol]

    def __contains__(self, port: tuple[Protocol, int]) -> bool:
        protocol, number = port
        return FIRST_PORT <= number <= LAST_PORT and bool(self._mask(protocol) >> number & 1)

    def __and__(self, other: Ports) -> Ports:
        if other is _ALL_PORTS or self is other:  # the most frequent ones, and the largest
            return self
        if self is _ALL_PORTS:
            return other
        return Ports(self.tcp & other.tcp, self.udp & other.udp, self.sctp & other.sctp)

    def __or__(self, other: Ports) -> Ports:
        if self is _NO_PORTS or self is other:
            return other
        if other is _NO_PORTS:
            return self
        return Ports(self.tcp | other.tcp, self.udp | other.udp, self.sctp | other.sctp)

    def __sub__(self, other: Ports) -> Ports:
        # not & ~other: that is slow, for a negative integer is first made positive; and what has
        # nothing in common is not copied: it may be large
        if other is _NO_PORTS or self is _NO_PORTS:
            return self
        if other is self:
            return _NO_PORTS
        both = self & other
        return Ports(
            self.tcp ^ both.tcp if both.tcp else self.tcp,
            self.udp ^ both.udp if both.udp else self.udp,
            self.sctp ^ both.sctp if both.sctp else self.sctp,
        )

    def __invert__(self) -> Ports:
        return Ports.full() - self

    def __le__(self, other: Ports) -> bool:
        return self & other == self

    def __bool__(self) -> bool:
        return bool(self.tcp or self.udp or self.sctp)

    def __repr__(self) -> str:
        # not the integers: Python refuses to write more than 4,300 digits
        return f"Ports.parse({str(self)!r})"

    def __str__(self) -> str:
        texts = ((self.text(protocol), protocol) for protocol in PROTOCOLS)
        return " ".join(f"{text}/{protocol}" for text, protocol in texts if text) or "none"


_NO_PORTS = Ports()
_ALL_PORTS = Ports(_EVERY_PORT, _EVERY_PORT, _EVERY_PORT)


@dataclass(frozen=True, slots=True)
class Addresses:
    """A set of IP addresses, e.g. `Addresses.cidr("0.0.0.0/0") - Addresses.cidr("10.0.0.0/8")`.

    To unite many sets use `union`: a chain of `|` takes quadratic time.
    """

    v4: Edges = ()
    v6: Edges = ()

    @classmethod
    def empty(cls) -> Addresses:
        """No address at all."""
        return cls()

    @classmethod
    def full(cls) -> Addresses:
        """Every address of both families."""
        return cls(_flip((), V4), _flip((), V6))

    @classmethod
    def every(cls, family: Family) -> Addresses:
        """Every address of one family."""
        return cls._of(family, _flip((), family))

    @classmethod
    def cidr(cls, text: str, without: Iterable[str] = ()) -> Addresses:
        """The network of a text such as `10.0.0.0/8`, less the networks in `without`.

        Host bits are ignored, as Kubernetes does. Raises InvalidSet for everything that readers
        disagree about: no prefix length, a netmask, leading zeros, a zone.
        """
        family, first, end = _network(text)
        network = cls._of(family, (first, end))
        exceptions = [cls.cidr(exception) for exception in without]
        return network - cls.union(exceptions) if exceptions else network

    @classmethod
    def run(cls, family: Family, first: int, last: int) -> Addresses:
        """The addresses from the number first to the number last."""
        return cls._of(family, (first, last + 1))

    @classmethod
    def between(cls, first: str | Address, last: str | Address) -> Addresses:
        """The addresses from first to last. InvalidSet unless of one family and in order."""
        (family, low), (other, high) = _number(first), _number(last)
        if family != other or low > high:
            raise InvalidSet(f"{first}-{last}", "a range of one family in ascending order")
        return cls._of(family, (low, high + 1))

    @classmethod
    def parse(cls, text: str) -> Addresses:
        """The set of a text such as `10.0.0.0-10.0.0.9,fc00::-fc00::1` or `none`, as of `str`."""
        items = text.split(",") if text != "none" else []
        return cls.union(cls.between(*item.partition("-")[::2]) for item in items)

    @classmethod
    def union(cls, sets: Iterable[Addresses]) -> Addresses:
        """All addresses that are in any of the sets, in little more than linear time."""
        sets = tuple(sets)
        if len(sets) == 1:
            return sets[0]
        return cls(_join(each.v4 for each in sets), _join(each.v6 for each in sets))

    @classmethod
    def _of(cls, family: Family, edges: Edges) -> Addresses:
        return cls(edges) if family == V4 else cls((), edges)

    def _edges(self, family: Family) -> Edges:
        return self.v4 if family == V4 else self.v6

    def intervals(self, family: Family) -> Iterator[tuple[int, int]]:
        """The maximal (first, last) runs of one family as integers, ascending."""
        edges = self._edges(family)
        return ((edges[at], edges[at + 1] - 1) for at in range(0, len(edges), 2))

    def texts(self) -> Iterator[str]:
        """The maximal runs as `first-last`, IPv4 before IPv6, ascending."""
        for first, last in self.intervals(V4):
            yield f"{IPv4Address(first)}-{IPv4Address(last)}"
        for first, last in self.intervals(V6):
            yield f"{IPv6Address(first)}-{IPv6Address(last)}"

    def unmapped(self) -> Addresses:
        """The set with NAT64 (64:ff9b::/96) and mapped (::ffff:0:0/96) addresses as their IPv4."""
        if not self.v6:
            return self
        inner = (
            tuple(edge - start for edge in _meet(self.v6, (start, start + (1 << 32))))
            for start in _EMBEDDINGS
        )
        return Addresses(_join((self.v4, *inner)), _meet(self.v6, _flip(_EMBEDDED, V6)))

    def __contains__(self, address: str | Address) -> bool:
        family, number = _number(address)
        return bisect_right(self._edges(family), number) % 2 == 1

    def __and__(self, other: Addresses) -> Addresses:
        return Addresses(_meet(self.v4, other.v4), _meet(self.v6, other.v6))

    def __or__(self, other: Addresses) -> Addresses:
        return Addresses(_join((self.v4, other.v4)), _join((self.v6, other.v6)))

    def __invert__(self) -> Addresses:
        return Addresses(_flip(self.v4, V4), _flip(self.v6, V6))

    def __sub__(self, other: Addresses) -> Addresses:
        v4 = _meet(self.v4, _flip(other.v4, V4)) if other.v4 else self.v4
        v6 = _meet(self.v6, _flip(other.v6, V6)) if other.v6 else self.v6
        return Addresses(v4, v6)

    def __le__(self, other: Addresses) -> bool:
        return self & other == self

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)

    def __str__(self) -> str:
        return ",".join(self.texts()) or "none"


def _join(sets: Iterable[Edges]) -> Edges:
    runs = sorted((edges[at], edges[at + 1]) for edges in sets for at in range(0, len(edges), 2))
    joined: list[int] = []
    for first, end in runs:
        if joined and first <= joined[-1]:
            joined[-1] = max(joined[-1], end)
        else:
            joined += (first, end)
    return tuple(joined)


def _meet(one: Edges, other: Edges) -> Edges:
    few, many = (one, other) if len(one) < len(other) else (other, one)
    met: list[int] = []
    for at in range(0, len(few), 2):
        first, end = few[at], few[at + 1]
        low, high = bisect_right(many, first), bisect_right(many, end - 1)
        if low % 2:
            met.append(first)
        met += many[low:high]
        if high % 2:
            met.append(end)
    return tuple(met)


def _flip(edges: Edges, family: Family) -> Edges:
    start, end = 0, 1 << _BITS[family]
    head = edges[1:] if edges[:1] == (start,) else (start, *edges)
    return head[:-1] if head[-1:] == (end,) else (*head, end)


def _network(text: str) -> tuple[Family, int, int]:
    host, _, prefix = text.partition("/")
    address = _read(host)
    bits = 0 if address is None else _BITS[address[0]]
    if address is None or not _PREFIX.fullmatch(prefix) or int(prefix) > bits:
        such = (
            "such as 10.0.0.0/8 or fd00::/8" if address is None or prefix else f"like {text}/{bits}"
        )
        raise InvalidSet(describe(text), f"a network in CIDR notation {such}")
    size = 1 << bits - int(prefix)
    first = address[1] & -size
    return address[0], first, first + size


def _number(address: str | Address) -> tuple[Family, int]:
    if not isinstance(address, str):
        return address.version, int(address)
    read = _read(address)
    if read is None:
        raise InvalidSet(describe(address), "an IPv4 or IPv6 address")
    return read


def _read(text: str) -> tuple[Family, int] | None:
    match = _IPV4.fullmatch(text)
    if match is not None:
        a, b, c, d = match.groups()
        return V4, int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
    # ipaddress would take a zone, as in fe80::1%eth0
    if len(text) > _LONGEST_IPV6 or "%" in text:
        return None
    try:
        return V6, int(IPv6Address(text))
    except AddressValueError:
        return None
