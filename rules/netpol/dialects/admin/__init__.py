"""policy.networking.k8s.io: AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy.

Source: kubernetes-sigs/network-policy-api, apis/v1alpha1 and apis/v1alpha2. What the schema refuses
is an Unknown that refuses; a label selector is no matter of the schema, so an unreadable one is
stored, and whom it selects is the engine's to say: undecided. Nodes and names of domains are of the
experimental channel; they are read.

Nothing here isolates: what no rule decides goes on to the next tier.
"""

from rules.netpol.dialects.admin.policy import GROUP, KINDS, translate

__all__ = ["GROUP", "KINDS", "translate"]
