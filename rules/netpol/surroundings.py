"""What policies name besides pods and namespaces, as one value that is changed an object at a time.

Services, EndpointSlices, sets of networks, groups of CIDRs and tiers come and go all the time, the
slices most of all: a change of one kind leaves what was made of the others as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar

from rules.netpol.engine import Api
from rules.netpol.inventory import NOWHERE, TIERS, EndpointSlice, Inventory, Service
from rules.netpol.keys import Key
from rules.netpol.sets import Addresses, Protocol
from rules.netpol.shards import Shards

SERVICE = Api("", "Service")
_SLICES, _TIERS = "slices", "tiers"
_POOLS = {
    "Service": "services",
    "EndpointSlice": _SLICES,
    "NetworkSet": "network_sets",
    "GlobalNetworkSet": "network_sets",
    "CiliumCIDRGroup": "cidr_groups",
    "Tier": _TIERS,
}
"""The field of an Inventory in which objects of a kind are."""
Backing: TypeAlias = Shards[tuple[str, str], tuple[EndpointSlice, ...]]
_Thing = TypeVar("_Thing")


@dataclass(frozen=True)  # without slots: all of it is made when first asked for
class Pool(Generic[_Thing]):
    """What is in one field of an Inventory, by the object that says so."""

    held: Shards[Key, _Thing] = field(default_factory=Shards)

    @cached_property
    def all(self) -> tuple[_Thing, ...]:
        """All of it, in no order that means anything."""
        return tuple(self.held.values())

    def put(self, key: Key, thing: _Thing | None) -> Pool[_Thing]:
        """With this in the place of what the object said before; None: it is gone."""
        return Pool(self.held.put(key, thing))


def _empty() -> Mapping[str, Pool[Any]]:
    return {name: Pool() for name in _POOLS.values()}


@dataclass(frozen=True)  # without slots: the inventory is made when first asked for
class Surroundings:
    """What policies name besides pods and namespaces. `backing`: the slices of each Service."""

    pools: Mapping[str, Pool[Any]] = field(default_factory=_empty)
    backing: Backing = field(default_factory=Shards, compare=False)  # in no order that counts
    pod_networks: Addresses = NOWHERE

    def put(self, key: Key, piece: Inventory | None) -> Surroundings:
        """With what an object is now, in the place of what it was; None: it is nothing."""
        name = _POOLS.get(key.api.kind)
        if name is None:
            return self
        pool = self.pools[name]
        old, new = pool.held.get(key), _only(piece, name, key)
        if old == new:
            return self
        pools = {**self.pools, name: pool.put(key, new)}
        backing = _rebacked(self.backing, old, new) if name == _SLICES else self.backing
        return replace(self, pools=pools, backing=backing)

    @cached_property
    def inventory(self) -> Inventory:
        """All of it."""
        found: dict[str, Any] = {
            name: pool.all for name, pool in self.pools.items() if name != _TIERS
        }
        tiers = {tier.name: tier for tier in self.pools[_TIERS].all}
        return Inventory(**found, tiers=TIERS | tiers, pod_networks=self.pod_networks)

    @cached_property
    def homes(self) -> frozenset[str]:
        """The namespaces whose labels count for something that lies in them besides pods."""
        return frozenset(each.namespace for each in self.inventory.network_sets)

    def service(self, namespace: str, name: str) -> Service | None:
        """The Service of that name."""
        return self.pools["services"].held.get(Key(SERVICE, namespace, name))

    def behind(self, namespace: str, name: str) -> Addresses:
        """The addresses that stand behind the Service of that name."""
        slices = self.backing.get((namespace, name)) or ()
        return Addresses.union(each.addresses for each in slices)

    def ports(self, namespace: str, name: str) -> frozenset[tuple[Protocol, int | None]]:
        """The ports that stand behind it; a None number: every one."""
        slices = self.backing.get((namespace, name)) or ()
        return frozenset(port for each in slices for port in each.ports)


def _rebacked(backing: Backing, old: EndpointSlice | None, new: EndpointSlice | None) -> Backing:
    """With the new slice in the place of the old one, maybe behind another Service."""
    if old is not None:
        service = old.namespace, old.service
        held = backing.get(service) or ()
        at = held.index(old)
        backing = backing.put(service, (*held[:at], *held[at + 1 :]) or None)
    if new is not None:
        service = new.namespace, new.service
        backing = backing.put(service, (*(backing.get(service) or ()), new))
    return backing


def _only(piece: Inventory | None, name: str, key: Key) -> Any:
    """The one thing that an object is."""
    if piece is None:
        return None
    if name == _TIERS:
        return piece.tiers.get(key.name)
    return next(iter(getattr(piece, name)), None)
