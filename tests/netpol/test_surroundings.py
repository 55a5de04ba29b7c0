"""What policies name besides pods: whatever way it came about, it is what was there at the end."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol import census
from rules.netpol.entries import entry_of
from rules.netpol.inventory import EndpointSlice, Inventory
from rules.netpol.keys import Key, key_of
from rules.netpol.peers import NetworkGroup, Pods, ServiceRef
from rules.netpol.sets import Addresses
from rules.netpol.strips import named
from rules.netpol.surroundings import Surroundings
from rules.selectors import EVERYTHING

NAMES = st.sampled_from(["a", "b"])
PLACES = st.sampled_from(["red", "blue"])
ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])


def _object(api: str, kind: str, place: str, name: str, **rest: Any) -> dict[str, Any]:
    metadata = {"namespace": place, "name": name, "labels": rest.pop("labels", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _slice(place: str, name: str, service: str, address: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    ends = [{"addresses": [address]}]
    return _object(
        "discovery.k8s.io/v1", "EndpointSlice", place, name, labels=labels, endpoints=ends
    )


def _service(place: str, name: str, target: str) -> dict[str, Any]:
    return _object(
        "v1", "Service", place, name, spec={"type": "ExternalName", "externalName": target}
    )


def _set(place: str, name: str, address: str) -> dict[str, Any]:
    return _object("projectcalico.org/v3", "NetworkSet", place, name, spec={"nets": [address]})


def _tier(name: str, order: int) -> dict[str, Any]:
    return _object("crd.projectcalico.org/v1", "Tier", "", name, spec={"order": order})


THINGS = st.one_of(
    st.builds(_slice, PLACES, NAMES, NAMES, ADDRESSES),
    st.builds(_service, PLACES, NAMES, st.sampled_from(["x.example", "y.example"])),
    st.builds(_set, PLACES, NAMES, ADDRESSES),
    st.builds(_tier, NAMES, st.integers(1, 3)),
)


def _shown(inventory: Inventory) -> list[list[str]]:
    fields = (inventory.services, inventory.slices, inventory.network_sets)
    return [sorted(map(repr, things)) for things in (*fields, inventory.tiers.items())]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), THINGS), max_size=12))
def test_the_way_it_came_about_does_not_matter(steps: list[tuple[bool, Any]]) -> None:
    around, kept = Surroundings(), dict[Key, Any]()
    for puts, value in steps:
        key, piece = entry_of(value)
        _ = around.inventory  # made before the next change, too
        around = around.put(key, piece if puts else None)  # type: ignore[arg-type]  # no policy
        kept.pop(key, None)
        if puts:
            kept[key_of(value)] = value
    wanted = census.take(kept.values())
    assert _shown(around.inventory) == _shown(wanted)
    for place, name in (("red", "a"), ("red", "b"), ("blue", "a"), ("blue", "b")):
        found = [s for s in wanted.slices if (s.namespace, s.service) == (place, name)]
        assert around.behind(place, name) == Addresses.union(s.addresses for s in found)
        named_so = [s for s in wanted.services if (s.namespace, s.name) == (place, name)]
        assert around.service(place, name) == next(iter(named_so), None)
    assert around == _made_of(kept.values())


def _made_of(values: Any) -> Surroundings:
    around = Surroundings()
    for key, piece in map(entry_of, values):
        around = around.put(key, piece)  # type: ignore[arg-type]  # no policy
    return around


def test_a_peer_is_asked_about_no_more_addresses_than_it_may_mean() -> None:
    address = Addresses.between("192.0.2.1", "192.0.2.1")
    inventory = Inventory(slices=(EndpointSlice("red", "a", address),))
    assert list(named(ServiceRef("red", "a"), inventory)) == [address]
    assert list(named(ServiceRef(None, "a"), inventory)) == [address]
    assert list(named(ServiceRef("blue", "a"), inventory)) == []
    assert list(named(ServiceRef("red", "b"), inventory)) == []
    assert list(named(Pods("red", EVERYTHING), inventory)) == []
    assert list(named(NetworkGroup("a"), inventory)) == []
