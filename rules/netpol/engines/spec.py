"""No engine at all: the APIs of Kubernetes as their texts say, each of them enforced.

Address blocks match only what lies outside the cluster. Where two AdminNetworkPolicies of one
priority meet, the texts leave open which of them counts: here it is the weaker one.
"""

from __future__ import annotations

from rules.netpol.engine import Api, Engine

POLICY_GROUP = "policy.networking.k8s.io"

_KINDS = frozenset(
    {
        Api("networking.k8s.io", "NetworkPolicy"),
        Api(POLICY_GROUP, "AdminNetworkPolicy"),
        Api(POLICY_GROUP, "BaselineAdminNetworkPolicy"),
        Api(POLICY_GROUP, "ClusterNetworkPolicy"),
    }
)

SPEC = Engine(name="spec", kinds=dict.fromkeys(_KINDS, ()), on_aks=_KINDS)
