"""Calico: tiers in their order, policies in theirs, rules in theirs; the first match counts.

Addresses match pods, too. Source: projectcalico/calico felix/calc/policy_sorter.go and
felix/rules/endpoints.go, specification egress 1.3.
"""

from __future__ import annotations

from math import inf

from rules.netpol.engine import Api, Engine, Rung
from rules.netpol.model import Grant

POLICY_GROUP = "policy.networking.k8s.io"
_NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")
_ORDER_OF_NETWORK_POLICIES = 1_000


def _rung(grant: Grant) -> Rung:
    order = grant.place.order
    if Api(grant.origin.group, grant.origin.kind) == _NETWORK_POLICY:
        order = _ORDER_OF_NETWORK_POLICIES
    name = f"{grant.origin.name}/{grant.origin.namespace}/{grant.origin.kind}"
    return (inf if order is None else order), name, grant.place.index


CALICO = Engine(
    name="calico",
    kinds={_NETWORK_POLICY: (), Api(POLICY_GROUP, "ClusterNetworkPolicy"): ()},
    on_aks=frozenset({_NETWORK_POLICY}),
    addresses_match="pods",
    host_network=False,
    drops="tier",
    ties="deny",
    rung=_rung,
)
