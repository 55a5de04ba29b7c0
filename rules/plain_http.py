"""What counts as plain HTTP that leaves the cluster: ports, destinations, and how bad they are.

Source: specification egress 2, its table of classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal, NamedTuple

from rules.hosts import normal
from rules.model import Level
from rules.netpol import sets
from rules.netpol.destinations import Outside, Reach, Surroundings, union
from rules.netpol.model import L7, Grant, NamedPort, Origin, PeerEntry, PortEntry, Unknown
from rules.netpol.names import covers
from rules.netpol.peers import Fqdn, Networks
from rules.netpol.questions import CLEAR, exemption, opened
from rules.netpol.sets import Addresses
from rules.policies import Asked
from rules.widening import Widening

Ports = Literal["hard", "soft", "proxy", "unknown"]
Numbers = Mapping[Ports, Sequence[int]]
LEVELS: dict[tuple[Reach, Ports], Level] = {
    ("public", "hard"): "deny",
    ("public", "soft"): "warn",
    ("public", "proxy"): "warn",
    ("public", "unknown"): "warn",
    ("private", "hard"): "warn",
    ("private", "soft"): "warn",
    ("private", "unknown"): "warn",
    ("unknown", "hard"): "warn",
}
STRICT = {
    ("public", "soft"),
    ("public", "unknown"),
    ("private", "hard"),
    ("private", "unknown"),
    ("unknown", "hard"),
}
HTTP_NAME = re.compile(r"(?!https)(http|web|www|metrics)(-|$)")


@dataclass(frozen=True, slots=True)
class Standard:
    """By what it is judged: which ports, what is around, what may be reached by HTTP.

    `zones` are DNS zones of the networks around the cluster.
    """

    numbers: Numbers
    around: Surroundings
    exempt: Addresses
    exempt_names: tuple[str, ...]
    zones: tuple[str, ...]
    strict: bool

    @classmethod
    def of(
        cls,
        numbers: Numbers,
        around: Surroundings,
        *,
        allowed: Sequence[str],
        zones: Sequence[str],
        strict: bool,
    ) -> Standard:
        """From the texts of a rulebook: `allowed` are CIDRs and patterns of names."""
        networks = tuple(text for text in allowed if "/" in text)
        names = tuple(normal(text) for text in allowed if "/" not in text)
        return cls(numbers, around, union(networks), names, tuple(map(normal, zones)), strict)

    def classes(self, found: Outside) -> dict[Reach, Addresses]:
        """What is held outside by class; names of own zones stand for private addresses."""
        held = self.around.classes(found)
        if not found.names or held["public"] or not all(map(self._is_own, found.names)):
            return held
        del held["public"]
        return {"private": sets.Addresses.empty(), **held}

    def _is_own(self, name: str) -> bool:
        return any(normal(name).endswith(f".{zone}") for zone in self.zones)

    def level(self, reach: Reach, ports: Ports) -> Level | None:
        """How bad such ports are there."""
        level = LEVELS.get((reach, ports))
        return "deny" if self.strict and (reach, ports) in STRICT else level

    def spares(self, found: Outside) -> bool:
        """Whether all of it may be reached by HTTP."""
        listed = self.exempt_names
        named = all(any(covers(each, name) for each in listed) for name in found.names)
        return named and not found.doubtful and found.addresses <= self.exempt


class Worst(NamedTuple):
    """The peer that is worst to reach, how bad it is, what exempts it, and who denies it today."""

    peer: PeerEntry | Unknown
    level: Level
    exempted_by: str | None = None
    hidden_by: Origin | None = None


def ports_of(
    grant: Grant, entry: PortEntry | NamedPort, numbers: Numbers, asked: Asked
) -> tuple[Ports, int] | None:
    """The worst that an entry opens: what kind of ports, and the first of them (0: by name)."""
    if "TCP" not in entry.protocols:
        return None
    if isinstance(entry, NamedPort):
        if not asked.names_reach_addresses:
            return None
        clear = grant.l7 in CLEAR or HTTP_NAME.match(entry.name)
        return ("hard" if clear else "unknown"), 0
    for ports, listed in numbers.items():
        found = opened(grant, entry, listed)
        if found:
            return ports, found[0]
    if grant.l7 in CLEAR or (grant.l7 == L7.TLS_BRIDGED and grant.inspection.parser == "http"):
        return "hard", entry.first
    return ("unknown", entry.first) if grant.l7 == L7.OPAQUE else None


def worst_of_set(
    asked: Asked, widening: Widening, standard: Standard
) -> tuple[Level, Outside] | None:
    """The worst that a rule comes to open by a set, and where that leads; None: nothing bad."""
    grant, found = widening.grant, widening.outside
    if exemption(grant) or standard.spares(found):
        return None
    opens = (
        ports_of(grant, entry, standard.numbers, asked)
        for entry in grant.ports
        if not isinstance(entry, Unknown)
    )
    met: list[tuple[Level, Outside]] = [
        (level, Outside(addresses - standard.exempt, names=found.names * (reach == "public")))
        for ports, _ in filter(None, opens)
        for reach, addresses in standard.around.classes(found).items()
        if (level := standard.level(reach, ports))
    ]
    return min(met, key=lambda each: each[0] != "deny", default=None)


def worst_of(asked: Asked, grant: Grant, ports: Ports, standard: Standard) -> Worst | None:
    """The peer that is worst to reach on such ports."""
    proved = exemption(grant)
    found: list[Worst] = []
    for entry in grant.peers:
        outside = asked.outside(entry)
        spared = proved or ("allowed_http" if standard.spares(outside) else None)
        for reach, addresses in standard.classes(outside).items():
            level = standard.level(reach, ports)
            if level == "deny" and not spared:
                hidden = _hidden(asked, grant, ports, standard, (outside.names, addresses))
                found.append(Worst(entry, "warn" if hidden else level, None, hidden))
            elif level is not None:
                found.append(Worst(entry, level, spared))
    return min(found, key=_rank, default=None)


def _rank(worst: Worst) -> tuple[bool, bool, bool]:
    return worst.exempted_by is not None, worst.level != "deny", worst.hidden_by is None


def _hidden(
    asked: Asked,
    grant: Grant,
    ports: Ports,
    standard: Standard,
    ends: tuple[Sequence[str], Addresses],
) -> Origin | None:
    """An object that denies all of it, to all whom the grant is about."""
    mask = asked.mask(grant)
    if mask is None:
        return None
    numbers = () if grant.l7 in CLEAR else standard.numbers.get(ports, ())
    wanted = reduce(or_, (sets.Ports.of("TCP", each) for each in numbers), sets.Ports.empty())
    wanted = wanted or sets.Ports.every("TCP")
    names, addresses = ends
    found: list[Networks | Fqdn] = [Fqdn(name) for name in names]
    if addresses:
        found.append(Networks(addresses))
    return mask.hider(found, wanted)
