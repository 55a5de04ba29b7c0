"""On which ports something holds, where not everything is known.

A `Match` is a pair of port sets: those on which it surely holds, and those on which it may. Peers
are matched in these terms, since whether an end is a peer may depend on the port (Calico's
services), and on what nobody said (the address of a pod).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from rules.netpol.sets import Ports


@dataclass(frozen=True, slots=True)
class Match:
    """`sure` is part of `maybe`; `&`, `|` and `~` are those of three-valued logic."""

    sure: Ports
    maybe: Ports

    @classmethod
    def on(cls, ports: Ports) -> Match:
        """It holds on these ports and on no others."""
        return cls(ports, ports)

    @classmethod
    def of(cls, *, holds: bool | None) -> Match:
        """On all ports or on none; None: nobody knows."""
        return MAYBE if holds is None else ALWAYS if holds else NEVER

    @classmethod
    def any(cls, matches: Iterable[Match]) -> Match:
        """Where some of them hold; of none: nowhere."""
        return reduce(or_, matches, NEVER)

    @classmethod
    def all(cls, matches: Iterable[Match]) -> Match:
        """Where all of them hold; of none: everywhere."""
        return reduce(and_, matches, ALWAYS)

    # the shortcuts are worth it: most matches are on every port or on none, most are sure, and sets
    # of ports are large

    def __and__(self, other: Match) -> Match:
        if self is ALWAYS or other is NEVER:
            return other
        if other is ALWAYS or self is NEVER:
            return self
        sure = self.sure & other.sure
        if self.sure is self.maybe and other.sure is other.maybe:
            return Match(sure, sure)
        return Match(sure, self.maybe & other.maybe)

    def __or__(self, other: Match) -> Match:
        if self is NEVER or other is ALWAYS:
            return other
        if other is NEVER or self is ALWAYS:
            return self
        sure = self.sure | other.sure
        if self.sure is self.maybe and other.sure is other.maybe:
            return Match(sure, sure)
        return Match(sure, self.maybe | other.maybe)

    def __sub__(self, other: Match) -> Match:
        if other is NEVER or self is NEVER:
            return self
        sure = self.sure - other.maybe
        if self.sure is self.maybe and other.sure is other.maybe:
            return Match(sure, sure)
        return Match(sure, self.maybe - other.sure)

    def __invert__(self) -> Match:
        return ALWAYS - self

    def __bool__(self) -> bool:
        return bool(self.maybe)


NEVER = Match(Ports.empty(), Ports.empty())
ALWAYS = Match(Ports.full(), Ports.full())
MAYBE = Match(Ports.empty(), Ports.full())
"""On every port, as far as anybody knows."""
