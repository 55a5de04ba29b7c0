"""Cilium: all policies of the middle tier are one pool, and denial comes first.

Source: cilium/cilium pkg/policy (types/policyentry.go, repository.go), specification egress 1.2.
"""

from __future__ import annotations

from dataclasses import replace

from rules.netpol.engine import Api, Engine, Rung, Version
from rules.netpol.model import Grant, Isolation, Policy

POLICY_GROUP = "policy.networking.k8s.io"
_NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")


def engine(version: Version) -> Engine:
    """Cilium of a version such as (1, 18)."""
    return Engine(
        name="cilium",
        version=version,
        kinds={
            _NETWORK_POLICY: (1, 0),
            Api(POLICY_GROUP, "ClusterNetworkPolicy"): (1, 20),
        },
        on_aks=frozenset({_NETWORK_POLICY}),
        drops="last",
        host_network=False,
        ties="deny",
        rung=_rung,
        reads=_reads,
    )


def _reads(policy: Policy) -> Policy:
    """Rules of a direction that policyTypes leaves out count, and they isolate, too."""
    revived = (
        Isolation(each.origin, each.path, each.direction, each.subject) for each in policy.void
    )
    isolations = (*policy.isolations, *revived)
    return replace(policy, grants=(*policy.grants, *policy.void), isolations=isolations, void=())


def _rung(grant: Grant) -> Rung:
    """Priority and rule number are added up in hundredths, so that they may tie."""
    place = grant.place
    return () if place.order is None else (place.order * 100 + place.index,)
