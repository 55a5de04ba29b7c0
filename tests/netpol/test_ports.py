"""Laws of the algebra of ports."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.sets import PROTOCOLS, InvalidSet, Ports, Protocol
from tests.netpol.strategies import port_ranges, ports, protocols

few = settings(max_examples=100, deadline=None)
EMPTY, FULL = Ports.empty(), Ports.full()


@few
@given(ports())
def test_identity_and_annihilation(a: Ports) -> None:
    assert a | EMPTY == a == a & FULL
    assert a & EMPTY == EMPTY
    assert a | FULL == FULL


@few
@given(ports(), ports())
def test_commutation_idempotence_absorption(a: Ports, b: Ports) -> None:
    assert a & b == b & a
    assert a | b == b | a
    assert a & a == a == a | a
    assert a | (a & b) == a == a & (a | b)


@few
@given(ports(), ports(), ports())
def test_association_and_distribution(a: Ports, b: Ports, c: Ports) -> None:
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c)
    assert a & (b | c) == (a & b) | (a & c)
    assert a | (b & c) == (a | b) & (a | c)


@few
@given(ports(), ports())
def test_complement_and_de_morgan(a: Ports, b: Ports) -> None:
    assert ~~a == a
    assert a | ~a == FULL
    assert not a & ~a
    assert ~(a & b) == ~a | ~b
    assert ~(a | b) == ~a & ~b
    assert a - b == a & ~b


@few
@given(ports(), ports())
def test_order(a: Ports, b: Ports) -> None:
    assert (a <= b) == (a & b == a) == (a | b == b) == (not a - b)
    assert EMPTY <= a <= FULL


@few
@given(ports())
def test_text_is_read_back_as_the_same_value(a: Ports) -> None:
    again = Ports.parse(str(a))
    assert again == a
    assert hash(again) == hash(a)


@few
@given(ports(), protocols)
def test_ranges_are_maximal_ascending_and_all(a: Ports, protocol: Protocol) -> None:
    runs = list(a.ranges(protocol))
    assert all(first <= last for first, last in runs)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))
    again = Ports.empty()
    for first, last in runs:
        again |= Ports.of(protocol, first, last=last)
    assert again == a & Ports.every(protocol)


small_sets = st.sets(st.tuples(protocols, st.integers(1, 9)))


@few
@given(small_sets, small_sets)
def test_agrees_with_sets_of_pairs(
    a: set[tuple[Protocol, int]], b: set[tuple[Protocol, int]]
) -> None:
    def ports_of(pairs: set[tuple[Protocol, int]]) -> Ports:
        united = Ports.empty()
        for protocol, port in pairs:
            united |= Ports.of(protocol, port)
        return united

    def pairs_of(ports: Ports) -> set[tuple[Protocol, int]]:
        return {
            (protocol, n) for protocol in PROTOCOLS for n in range(12) if (protocol, n) in ports
        }

    x, y = ports_of(a), ports_of(b)
    assert pairs_of(x) == a
    assert pairs_of(x & y) == a & b
    assert pairs_of(x | y) == a | b
    assert pairs_of(x - y) == a - b
    assert (x <= y) == (a <= b)
    assert (x == y) == (a == b)
    assert bool(x) == bool(a)
    universe = {(protocol, n) for protocol in PROTOCOLS for n in range(1, 12)}
    assert pairs_of(~x) == universe - a


@few
@given(port_ranges(), port_ranges())
def test_the_order_of_building_leaves_no_trace(a: Ports, b: Ports) -> None:
    one, other = (a | b) - b, a - b
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == str(other)


def test_text() -> None:
    listed = Ports.parse("443,80,8000-8050,8051-8100/TCP 53/UDP")
    assert listed.text("TCP") == "80,443,8000-8100"
    assert str(listed) == "80,443,8000-8100/TCP 53/UDP"
    assert listed.text("SCTP") == ""
    assert [Ports.full().text(protocol) for protocol in PROTOCOLS] == ["1-65535"] * 3
    assert str(Ports.empty()) == "none"


def test_protocols_are_listed_in_the_order_of_reports() -> None:
    assert get_args(Protocol) == PROTOCOLS == ("TCP", "UDP", "SCTP")


def test_protocols_are_kept_apart() -> None:
    assert ("TCP", 80) in Ports.of("TCP", 80)
    assert ("UDP", 80) not in Ports.of("TCP", 80)
    assert not Ports.every("TCP") & Ports.every("UDP")


@pytest.mark.parametrize("number", [-1, 0, 65536, pytest.param(10**5000, id="huge")])
def test_numbers_that_are_no_port_are_in_no_set(number: int) -> None:
    assert ("TCP", number) not in Ports.full()
    with pytest.raises(InvalidSet, match="must be a port from 1 to 65535"):
        Ports.of("TCP", number)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidSet) as caught:
        Ports.of("TCP", 81, last=80)
    assert caught.value.found == "80"
    assert caught.value.wanted == "a port from 81 to 65535"


@pytest.mark.parametrize(
    "text",
    [
        "80",
        "80/tcp",
        "80/",
        "/TCP",
        "0/TCP",
        "65536/TCP",
        "90-80/TCP",
        "80,,81/TCP",
        "-1/TCP",
        "\u0668\u0660/TCP",
    ],
)
def test_text_that_names_no_ports_is_refused(text: str) -> None:
    with pytest.raises(InvalidSet):
        Ports.parse(text)
