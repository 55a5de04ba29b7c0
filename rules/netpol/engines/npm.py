"""Azure Network Policy Manager: NetworkPolicy alone, and addresses match pods, too.

A pod and its own node always reach each other. Source: Azure/AKS documentation,
use-network-policies.md and migrate-from-npm-to-cilium-network-policy.md.
"""

from __future__ import annotations

from rules.netpol.engine import Api, Engine

_NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")

NPM = Engine(
    name="npm",
    kinds={_NETWORK_POLICY: ()},
    on_aks=frozenset({_NETWORK_POLICY}),
    addresses_match="pods",
    host_network=False,
)
