"""What of the platform's list of threats is met by hosts, and by the peers of network policies."""

from __future__ import annotations

from typing import NamedTuple

from rules.netpol.destinations import Outside
from rules.netpol.sets import V4, V6, Addresses
from rules.threats import Threats
from rules.urls import address_of

_WIDE = {V4: 1 << 24, V6: 1 << 104}
"""So many addresses are a large part of the world: to say what is listed in it says nothing."""


class Met(NamedTuple):
    """An entry of the list, None where not all of the list was looked at.

    `whole`: all of what was asked about is listed, or a name that it covers; else only some of its
    addresses are.
    """

    entry: str | None
    whole: bool = True


def meet_host(host: str, threats: Threats) -> Met | None:
    """What a host meets: a name, an address, or a wildcard as Istio reads it."""
    name = host.lower().rstrip(".")
    address = address_of(name.strip("[]"))
    if address is not None:
        return _meet_networks(Addresses.between(address, address).unmapped(), threats)
    return _meet_name(f"**.{name[2:]}" if name.startswith("*.") else name, threats)


def meet_outside(found: Outside, threats: Threats) -> Met | None:
    """What meets all that a peer of a policy holds outside."""
    met = [_meet_name(name, threats) for name in found.names]
    met.append(_meet_networks(found.addresses, threats))
    return min(filter(None, met), key=lambda one: not one.whole, default=None)


def _meet_name(pattern: str, threats: Threats) -> Met | None:
    entry = threats.pattern(pattern)
    return None if entry == "" else Met(entry)


def _meet_networks(addresses: Addresses, threats: Threats) -> Met | None:
    runs = [(*run, version) for version in (V4, V6) for run in addresses.intervals(version)]
    for run in runs:
        if entry := threats.holding(*run):
            return Met(entry)
    if any(last - first >= _WIDE[version] for first, last, version in runs):
        return None
    entries = (threats.touching(*run) for run in runs)
    return next((Met(entry, whole=False) for entry in entries if entry), None)
