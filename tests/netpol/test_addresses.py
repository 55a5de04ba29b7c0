"""Laws of the algebra of addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.sets import V4, V6, Addresses, InvalidSet
from tests.netpol.strategies import addresses, spans

few = settings(max_examples=100, deadline=None)
EMPTY, FULL = Addresses.empty(), Addresses.full()


@few
@given(addresses())
def test_identity_and_annihilation(a: Addresses) -> None:
    assert a | EMPTY == a == a & FULL
    assert a & EMPTY == EMPTY
    assert a | FULL == FULL


@few
@given(addresses(), addresses())
def test_commutation_idempotence_absorption(a: Addresses, b: Addresses) -> None:
    assert a & b == b & a
    assert a | b == b | a
    assert a & a == a == a | a
    assert a | (a & b) == a == a & (a | b)


@few
@given(addresses(), addresses(), addresses())
def test_association_and_distribution(a: Addresses, b: Addresses, c: Addresses) -> None:
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c) == Addresses.union([a, b, c])
    assert a & (b | c) == (a & b) | (a & c)
    assert a | (b & c) == (a | b) & (a | c)


@few
@given(addresses(), addresses())
def test_complement_and_de_morgan(a: Addresses, b: Addresses) -> None:
    assert ~~a == a
    assert a | ~a == FULL
    assert not a & ~a
    assert ~(a & b) == ~a | ~b
    assert ~(a | b) == ~a & ~b
    assert a - b == a & ~b


@few
@given(addresses(), addresses())
def test_order(a: Addresses, b: Addresses) -> None:
    assert (a <= b) == (a & b == a) == (a | b == b) == (not a - b)
    assert EMPTY <= a <= FULL


@few
@given(addresses())
def test_canonical_form(a: Addresses) -> None:
    for edges, top in ((a.v4, 1 << 32), (a.v6, 1 << 128)):
        assert len(edges) % 2 == 0
        assert list(edges) == sorted(set(edges))
        assert all(0 <= edge <= top for edge in edges)


@few
@given(addresses())
def test_text_is_read_back_as_the_same_value(a: Addresses) -> None:
    again = Addresses.parse(str(a))
    assert again == a
    assert hash(again) == hash(a)


@few
@given(addresses())
def test_intervals_are_maximal_ascending_and_all(a: Addresses) -> None:
    for family, edges, read in ((V4, a.v4, IPv4Address), (V6, a.v6, IPv6Address)):
        runs = list(a.intervals(family))
        assert all(first <= last for first, last in runs)
        assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))
        again = Addresses.union(Addresses.between(read(first), read(last)) for first, last in runs)
        assert edges == (again.v4 if family == V4 else again.v6)


V4_BASE, V6_BASE = 0xFFFFFFF6, 0
small_sets = st.sets(st.tuples(st.sampled_from([4, 6]), st.integers(0, 9)))


@few
@given(small_sets, small_sets)
def test_agrees_with_sets_of_numbers(a: set[tuple[int, int]], b: set[tuple[int, int]]) -> None:
    def address(family: int, number: int) -> Any:
        return IPv4Address(V4_BASE + number) if family == 4 else IPv6Address(V6_BASE + number)

    def addresses_of(pairs: set[tuple[int, int]]) -> Addresses:
        return Addresses.union(Addresses.between(address(*p), address(*p)) for p in pairs)

    def pairs_of(addresses: Addresses) -> set[tuple[int, int]]:
        return {(f, n) for f in (4, 6) for n in range(10) if address(f, n) in addresses}

    x, y = addresses_of(a), addresses_of(b)
    assert pairs_of(x) == a
    assert pairs_of(x & y) == a & b
    assert pairs_of(x | y) == a | b
    assert pairs_of(x - y) == a - b
    assert (x <= y) == (a <= b)
    assert (x == y) == (a == b)
    assert bool(x) == bool(a)
    assert pairs_of(~x) == {(f, n) for f in (4, 6) for n in range(10)} - a


networks = st.one_of(
    st.builds(
        lambda number, prefix: f"{IPv4Address(number)}/{prefix}",
        st.integers(0, (1 << 32) - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda number, prefix: f"{IPv6Address(number)}/{prefix}",
        st.integers(0, (1 << 128) - 1),
        st.integers(0, 128),
    ),
)


@few
@given(networks)
def test_networks_are_those_of_ipaddress(text: str) -> None:
    network = ip_network(text, strict=False)
    assert Addresses.cidr(text) == Addresses.between(network[0], network[-1])


@few
@given(networks, st.lists(networks, max_size=4))
def test_exceptions_are_taken_away(text: str, exceptions: list[str]) -> None:
    rest = Addresses.cidr(text, exceptions)
    taken = Addresses.union(Addresses.cidr(exception) for exception in exceptions)
    assert rest == Addresses.cidr(text) - taken
    assert not rest & taken


@few
@given(spans(), spans())
def test_the_order_of_building_leaves_no_trace(a: Addresses, b: Addresses) -> None:
    one, other = (a | b) - b, a - b
    assert one == other
    assert hash(one) == hash(other)


@few
@given(addresses(), addresses())
def test_unmapping_is_a_projection_that_keeps_unions(a: Addresses, b: Addresses) -> None:
    assert a.unmapped().unmapped() == a.unmapped()
    assert (a | b).unmapped() == a.unmapped() | b.unmapped()
    assert a.v4 == (a.unmapped() & Addresses(a.v4)).v4


@few
@given(st.integers(0, (1 << 32) - 1), st.sampled_from(["::ffff:0:0", "64:ff9b::"]))
def test_embedded_addresses_are_read_as_their_ipv4(number: int, prefix: str) -> None:
    embedded = IPv6Address(int(IPv6Address(prefix)) + number)
    plain = Addresses.between(IPv4Address(number), IPv4Address(number))
    assert Addresses.between(embedded, embedded).unmapped() == plain


def test_unmapping_leaves_the_neighbours_alone() -> None:
    around = Addresses.parse("::fffe:ffff:ffff-::1:0:0:0")
    assert around.unmapped() == Addresses.every(V4) | Addresses.parse(
        "::fffe:ffff:ffff-::fffe:ffff:ffff,::1:0:0:0-::1:0:0:0"
    )


def test_two_halves_are_the_world() -> None:
    halves = Addresses.cidr("0.0.0.0/1") | Addresses.cidr("128.0.0.0/1")
    assert halves == Addresses.cidr("0.0.0.0/0") == Addresses.every(V4)
    assert hash(halves) == hash(Addresses.every(V4))


def test_text() -> None:
    listed = Addresses.union(map(Addresses.cidr, ["fd00::/8", "10.0.0.0/9", "10.128.0.0/9"]))
    assert next(listed.texts()) == "10.0.0.0-10.255.255.255"
    assert str(listed).endswith(",fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    assert str(Addresses.empty()) == "none"


def test_membership() -> None:
    block = Addresses.cidr("10.0.0.0/8", ["10.1.0.0/16"])
    assert "10.0.0.1" in block
    assert IPv4Address("10.255.255.255") in block
    assert "10.1.2.3" not in block
    assert "11.0.0.0" not in block
    assert "fd00::1" not in block


def test_host_bits_are_ignored() -> None:
    assert Addresses.cidr("10.1.2.3/8") == Addresses.cidr("10.0.0.0/8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/255.0.0.0",
        "010.0.0.0/8",
        "10.0.0/8",
        "10.0.0.256/8",
        " 10.0.0.0/8",
        "10.0.0.0/8\n",
        "10.0.0.0/\u0668",
        "\u0661\u0660.0.0.0/8",
        "0x0a.0.0.0/8",
        "fe80::1%eth0/64",
        "::/129",
        "example.com/24",
        pytest.param("1" * 100_000, id="long"),
    ],
)
def test_text_that_names_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidSet, match="must be a network in CIDR notation") as caught:
        Addresses.cidr(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1", "a-b", "10.0.0.1-10.0.0.2-10.0.0.3"],
)
def test_text_that_names_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidSet):
        Addresses.parse(text)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSet, match="must be an IPv4 or IPv6 address"):
        assert "localhost" in FULL
