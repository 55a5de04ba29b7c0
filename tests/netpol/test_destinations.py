"""Where grants lead: whatever a peer is made of, nothing outside is left unsaid."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.netpol.destinations import Compass, Outside, Surroundings
from rules.netpol.dialects.cilium import EndpointSelector
from rules.netpol.engine import Engine
from rules.netpol.engines import engine_of
from rules.netpol.expressions import Condition, Expression
from rules.netpol.inventory import Inventory, NetworkSet, Service
from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.peers import (
    AllOf,
    AnyOf,
    Anywhere,
    Entity,
    Fqdn,
    Labelled,
    NetworkGroup,
    Networks,
    Not,
    Peer,
    ServiceRef,
    Services,
)
from rules.netpol.sets import Addresses
from rules.selectors import LabelSelector, Requirement

FULL = Addresses.full()
NONE = Addresses.empty()
NET = Addresses.cidr("198.51.100.0/24")
APP = Expression((Condition("app", "in", ("db",)),))


def outside(peer: Peer, name: str = "cilium", inventory: Inventory | None = None) -> Outside:
    compass = Compass(engine_of(name), inventory or Inventory())
    return compass.outside(PeerEntry((), peer))


@pytest.mark.parametrize(
    ("peer", "addresses", "doubtful"),
    [
        (Anywhere(), FULL, NONE),
        (Networks(NET), NET, NONE),
        (Not(Networks(NET)), ~NET, NONE),
        (AllOf((Networks(NET), Not(Networks(Addresses.cidr("198.51.100.0/25"))))),
         Addresses.cidr("198.51.100.128/25"), NONE),
        (AllOf(()), FULL, NONE),
        (AnyOf(()), NONE, NONE),
        (Entity("world"), FULL, NONE),
        (Entity("all"), FULL, NONE),
        (Entity("cluster"), NONE, NONE),
        (Entity("none"), NONE, NONE),
        (NetworkGroup("partners"), NONE, FULL),
        (Services((ServiceRef("a", "b"),), open=True), NONE, FULL),
        (ServiceRef("a", "b"), NONE, FULL),
    ],
)  # fmt: skip
def test_cilium(peer: Peer, addresses: Addresses, doubtful: Addresses) -> None:
    found = outside(peer)
    assert found.addresses.v4 == addresses.v4
    assert found.doubtful.v4 == doubtful.v4


@pytest.mark.parametrize("key", ["reserved:world", "reserved:world-ipv4"])
def test_the_world_by_its_label_is_the_world_on_any_cluster(key: str) -> None:
    labels = EndpointSelector(LabelSelector((Requirement(key, "Exists"),)))
    assert Addresses.cidr("0.0.0.0/0") <= outside(Labelled(labels)).addresses


def test_lacking_a_label_the_world_is_held_too() -> None:
    labels = EndpointSelector(LabelSelector((Requirement("reserved:host", "DoesNotExist"),)))
    assert outside(Labelled(labels)).addresses == FULL.unmapped()


def test_calico_finds_sets_by_their_labels_and_all_else_by_what_it_is_not() -> None:
    assert outside(Labelled(APP), "calico") == Outside()
    assert outside(Not(Labelled(APP)), "calico").addresses == FULL.unmapped()
    held = Inventory(network_sets=(NetworkSet("", "partners", {"app": "db"}, NET),))
    assert outside(Labelled(APP), "calico", held).addresses == NET


def test_services_that_are_known_decide() -> None:
    known = Inventory(services=(Service("a", "b", selector={"app": "db"}),))
    assert outside(Services((ServiceRef("a", "b"),), open=True), "cilium", known) == Outside()
    gone = Services((ServiceRef("a", "gone"),), open=True)
    assert outside(gone, "cilium", known).addresses == FULL.unmapped()


def test_names_lead_to_the_internet_and_to_no_address() -> None:
    found = outside(Fqdn("*.example.com"))
    assert found == Outside(names=("*.example.com",))
    assert set(Surroundings.of((), ()).classes(found)) == {"public"}


def test_what_nobody_can_read_may_be_anywhere_and_what_is_cut_off_nowhere() -> None:
    compass = Compass(engine_of("cilium"), Inventory())
    assert compass.outside(Unknown((), "x", "y", "undecided")).doubtful == FULL
    assert compass.outside(Unknown((), "x", "y", "as-read")) == Outside()


def _peers() -> st.SearchStrategy[Peer]:
    nets = st.sampled_from(["10.0.0.0/8", "0.0.0.0/1", "8.8.8.0/24", "fd00::/8"])
    leaf: st.SearchStrategy[Peer] = st.one_of(
        nets.map(lambda text: Networks(Addresses.cidr(text))),
        st.just(Anywhere()),
        st.sampled_from(["world", "cluster", "all"]).map(Entity),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda some: AllOf(tuple(some))),
            st.lists(inner, max_size=3).map(lambda some: AnyOf(tuple(some))),
        ),
        max_leaves=6,
    )


def _holds(peer: Peer, address: str, engine: Engine) -> bool:
    match peer:
        case Networks(addresses):
            return address in addresses
        case Entity(name):
            return name in {"world", "all"}
        case Not(inner):
            return not _holds(inner, address, engine)
        case AllOf(peers):
            return all(_holds(each, address, engine) for each in peers)
        case AnyOf(peers):
            return any(_holds(each, address, engine) for each in peers)
    return True


@given(_peers(), st.sampled_from(["10.1.2.3", "8.8.8.8", "127.0.0.1", "200.0.0.1", "fd00::1"]))
def test_address_by_address_the_answer_is_the_same(peer: Peer, address: str) -> None:
    found = outside(peer).addresses
    assert (str(ip_address(address)) in found) is _holds(peer, address, engine_of("cilium"))
