"""Domains and networks that nobody may call: a list from outside, and what of it is met.

A domain stands for its subdomains, and never for what lies above it. Looking something up does not
take longer where the list is long, but for patterns with a wildcard.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import zip_longest

Network = IPv4Network | IPv6Network
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+\.?")
_ADDRESS = re.compile(r"[0-9.]+(?:/.*)?|.*:.*|.*/.*")
_LONGEST = 254
_EVERY_NAME = re.compile(r"[*.]*")
_MANY = "**"
_MOST_LOOKED_AT = 1_000


class InvalidThreat(ValueError):
    """A line of the list that is neither a domain nor a network."""


def parse(text: str) -> str | Network:
    """What a line of the list means: a domain, or a network. Raises InvalidThreat."""
    name = text.lower()
    if _ADDRESS.fullmatch(name):
        try:
            return ip_network(name)
        except ValueError:
            raise InvalidThreat("is no network such as 203.0.113.0/24, or one address") from None
    if len(name) > _LONGEST or not _DOMAIN.fullmatch(name):
        raise InvalidThreat("is neither a domain such as bad.example nor a network")
    return name.rstrip(".")


@dataclass(frozen=True)  # without slots: the tables are made when first asked for
class Threats:
    """The list. Texts that are found are entries of it, and "" is none."""

    names: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str | Network]) -> Threats:
        """The list of these entries."""
        listed = list(entries)
        names = frozenset(one for one in listed if isinstance(one, str))
        return cls(names, frozenset(one for one in listed if not isinstance(one, str)))

    def __bool__(self) -> bool:
        return bool(self.names or self.networks)

    def domain(self, name: str) -> str:
        """The entry that a name is, or is below of."""
        labels = name.split(".")
        parents = (".".join(labels[depth:]) for depth in range(len(labels)))
        return next((parent for parent in parents if parent in self.names), "")

    def pattern(self, pattern: str) -> str | None:
        """An entry that a pattern covers, or is below of; a pattern of every name says nothing new.

        `*` is any run inside one label, and a label `**` one label or more: what stands before it
        is not looked at. None where too many names of the list would have to be.
        """
        if "*" not in pattern:
            return self.domain(pattern)
        if _EVERY_NAME.fullmatch(pattern) or pattern.endswith(".**"):
            return None if pattern.strip("*.") else ""
        labels = pattern.split(".")
        deep = _MANY in labels
        if deep:
            labels = labels[len(labels) - labels[::-1].index(_MANY) :]
        wanted = [re.split(r"\*+", label) for label in labels]
        fixed = pattern.rpartition("*")[2].partition(".")[2]
        if listed := self.domain(fixed):
            return listed
        for looked_at, name in enumerate(self._below(fixed)):
            if looked_at == _MOST_LOOKED_AT:
                return None
            if _meets(wanted[::-1], name, deep=deep):
                return name
        return ""

    def holding(self, first: int, last: int, version: int) -> str:
        """The network that holds all addresses of the run."""
        starts, kept = self._tables[version]
        place = bisect_right(starts, first) - 1
        if place >= 0 and last <= int(kept[place].broadcast_address):
            return str(kept[place])
        return ""

    def touching(self, first: int, last: int, version: int) -> str:
        """The first network that has an address of the run."""
        starts, kept = self._tables[version]
        place = max(bisect_right(starts, first) - 1, 0)
        for network in kept[place : place + 2]:
            if int(network.network_address) <= last and first <= int(network.broadcast_address):
                return str(network)
        return ""

    @cached_property
    def _tables(self) -> dict[int, tuple[list[int], list[Network]]]:
        """By version: the networks that are in no other, ascending, and where they start."""
        tables: dict[int, tuple[list[int], list[Network]]] = {4: ([], []), 6: ([], [])}
        for network in sorted(self.networks, key=_order):
            starts, kept = tables[network.version]
            if not kept or int(kept[-1].broadcast_address) < int(network.network_address):
                starts.append(int(network.network_address))
                kept.append(network)
        return tables

    @cached_property
    def _reversed(self) -> list[str]:
        """The names from their last label on, ascending: what is below a domain stands together."""
        return sorted(".".join(reversed(name.split("."))) + "." for name in self.names)

    def _below(self, domain: str) -> Iterator[str]:
        """The names below a domain; of no domain, all of them."""
        start = ".".join(reversed(domain.split("."))) + "." if domain else ""
        for place in range(bisect_left(self._reversed, start), len(self._reversed)):
            name = self._reversed[place]
            if not name.startswith(start):
                return
            yield ".".join(reversed(name.rstrip(".").split(".")))


def _order(network: Network) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen


def _meets(wanted: Sequence[list[str]], name: str, *, deep: bool) -> bool:
    """Whether the pattern covers the name or something below it; `wanted`: the last label first."""
    for pieces, label in zip_longest(wanted, reversed(name.split("."))):
        if pieces is None:
            return deep
        if label is not None and not _fits(pieces, label):
            return False
    return True


def _fits(pieces: list[str], label: str) -> bool:
    """Whether the label is the pieces, with anything between them."""
    if len(pieces) == 1:
        return label == pieces[0]
    first, *inner, last = pieces
    if not label.startswith(first):
        return False
    place = len(first)
    for piece in inner:
        found = label.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return label.endswith(last) and len(label) - len(last) >= place
