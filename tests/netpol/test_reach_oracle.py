"""Policies, read twice: every packet of a small world must fare the same, under each engine."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.connections import Question, Workload
from rules.netpol.engines import engine_of
from rules.netpol.peers import Networks
from rules.netpol.sets import Ports
from rules.netpol.survey import Survey
from tests.netpol.oracle import Packet, Pod, allows
from tests.netpol.strategies import admin_policies, network_policies
from tests.netpol.worlds import ENDS, OUTSIDE, PODS, PORTS, end, known, network

some_network_policies = st.lists(network_policies(), min_size=1, max_size=3)
all_policies = st.lists(
    network_policies() | admin_policies(),
    min_size=1,
    max_size=4,
    unique_by=lambda policy: policy["metadata"]["name"],  # two of one name are one object
)


def compare(policies: list[dict[str, Any]], pod: Pod, engine: str) -> None:
    """All ends of one pod, in both directions, packet by packet."""
    asked = engine_of(engine)
    cluster = network(policies, asked)
    by_address = asked.addresses_match == "pods"
    for egress in (True, False):
        side = cluster.side(known(pod), "egress" if egress else "ingress")
        for party in ENDS:
            verdict = side.verdict(end(party))
            assert not verdict.unknown
            for protocol, port in PORTS:
                packet = Packet(pod, party, protocol, port, egress, by_address)
                assert ((protocol, port) in verdict.allowed) == allows(policies, packet), packet


@settings(max_examples=150, deadline=None)
@given(all_policies, st.sampled_from(PODS))
def test_tiers_of_the_apis_as_written(policies: list[dict[str, Any]], pod: Pod) -> None:
    compare(policies, pod, "spec")


@pytest.mark.parametrize("engine", ["npm", "calico"])
@settings(max_examples=75, deadline=None)
@given(policies=some_network_policies, pod=st.sampled_from(PODS))
def test_blocks_match_pods_where_the_engine_lets_them(
    engine: str, policies: list[dict[str, Any]], pod: Pod
) -> None:
    compare(policies, pod, engine)


@settings(max_examples=40, deadline=None)
@given(all_policies)
def test_a_survey_says_of_every_packet_what_both_of_its_sides_say(
    policies: list[dict[str, Any]],
) -> None:
    survey = Survey(network(policies, engine_of("spec")), Question())
    found: dict[tuple[str, str], Ports] = {}
    for each in survey.connections():
        for source, target in product(_parties(each.source), _parties(each.target)):
            assert (source, target) not in found
            found[source, target] = each.verdict.allowed
    named = {str(known(pod).pod): pod for pod in PODS} | {address: address for address in OUTSIDE}
    for source, target in product(named, named):
        one, other = named[source], named[target]
        if source == target or not (isinstance(one, Pod) or isinstance(other, Pod)):
            continue
        allowed = found.get((source, target), Ports.empty())
        for protocol, port in PORTS:
            passes = all(
                allows(policies, Packet(near, far, protocol, port, egress))
                for near, far, egress in ((one, other, True), (other, one, False))
                if isinstance(near, Pod)
            )
            assert ((protocol, port) in allowed) == passes, (source, target, protocol, port)


def _parties(party: object) -> list[str]:
    """The party's name, or the addresses of the world that are in its run."""
    if isinstance(party, Networks):
        return [address for address in OUTSIDE if address in party.addresses]
    assert isinstance(party, Workload)
    return [party.name]
