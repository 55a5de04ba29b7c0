"""The outside cut into runs: in each, every address fares as the policies say of it alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.engines import engine_of
from rules.netpol.outside import Shortlist, runs
from rules.netpol.peers import Networks
from rules.netpol.sets import V4, V6, Addresses, Family
from tests.netpol.strategies import NAMESPACES, admin_policies, network_policies
from tests.netpol.worlds import PODS, known, network

policies = st.lists(network_policies() | admin_policies(), max_size=4)
NAMES = sorted(NAMESPACES)
ways = st.sampled_from(["egress", "egressDeny", "ingress", "ingressDeny"])
networks = st.sampled_from(["8.0.0.0/8", "8.8.8.8/32", "9.9.9.9/32", "2001:db8::/32"])


@st.composite
def cilium_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Policies that deny, too, and do not always isolate."""
    way = draw(ways)
    cidrs = "toCIDR" if way.startswith("egress") else "fromCIDR"
    rule = {cidrs: [draw(networks)], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}
    spec: dict[str, Any] = {
        "endpointSelector": {},
        way: [rule if draw(st.booleans()) else {cidrs: rule[cidrs]}],
    }
    spec["enableDefaultDeny"] = {"egress": draw(st.booleans()), "ingress": True}
    metadata = {"name": draw(st.sampled_from("abc")), "namespace": draw(st.sampled_from(NAMES))}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }


@settings(max_examples=60, deadline=None)
@given(
    policies=st.lists(cilium_policies(), min_size=1, max_size=5),
    pod=st.sampled_from(PODS),
    family=st.sampled_from([V4, V6]),
)
def test_what_denies_is_no_sum(policies: list[dict[str, Any]], pod: Any, family: Family) -> None:
    _compare("cilium", policies, pod, family)


@pytest.mark.parametrize("engine", ["spec", "cilium", "calico"])
@settings(max_examples=40, deadline=None)
@given(policies=policies, pod=st.sampled_from(PODS), family=st.sampled_from([V4, V6]))
def test_a_run_fares_as_its_first_and_its_last_address(
    engine: str, policies: list[dict[str, Any]], pod: Any, family: Family
) -> None:
    _compare(engine, policies, pod, family)


def _compare(engine: str, policies: list[dict[str, Any]], pod: Any, family: Family) -> None:
    sides = network(policies, engine_of(engine)).sides(known(pod))
    for side in sides.values():
        found = runs(side, family)
        assert (found[0].first, found[-1].end) == (0, 1 << (32 if family == V4 else 128))
        shortlist = Shortlist(side)
        for run in found:
            whole = Networks(run.addresses)
            assert [*shortlist.near(whole).steps(whole)] == [*side.steps(whole)]
            for number in (run.first, run.end - 1):
                alone = Networks(Addresses.run(family, number, number))
                assert side.verdict(alone) == run.verdict
                assert [*shortlist.near(alone).steps(alone)] == [*side.steps(alone)]
        for one, other in pairwise(found):
            assert one.end == other.first
            assert one.verdict != other.verdict


def test_a_rule_of_other_addresses_is_not_held_against_one() -> None:
    networks = "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "11.0.0.0/8"
    rules = [{"to": [{"ipBlock": {"cidr": cidr}}]} for cidr in networks]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "many", "namespace": PODS[0].namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules},
    }
    side = network([policy], engine_of("spec")).side(known(PODS[0]), "egress")
    near = Shortlist(side).near(Networks(Addresses.cidr("10.1.0.1/32")))
    assert [grant.path[2] for grant in near.grants()] == [0, 1]
    assert near.isolated
