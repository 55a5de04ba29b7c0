"""cilium.io/v2: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.

Source: cilium/cilium pkg/k8s/apis/cilium.io (the schema; utils.go), pkg/policy/api (what the agent
asks of a stored object: rule_validation.go), specification egress 1.2. What the schema refuses is
an Unknown that refuses; what the agent asks besides voids the whole object, `spec` and `specs`
alike; fields that the schema does not know are cut off, so the rest counts as it reads.

Neither a default nor an absence is filled in that only an engine knows: entities, services, groups
and names stay what they are called.
"""

from rules.netpol.dialects.cilium.labels import (
    ACCOUNT,
    CLUSTER,
    LOCAL_CLUSTER,
    NAMESPACE,
    NAMESPACE_LABELS,
    RESERVED,
    EndpointSelector,
    reserved,
)
from rules.netpol.dialects.cilium.names import normal
from rules.netpol.dialects.cilium.policy import CLUSTERWIDE, GROUP, KINDS, NAMESPACED, translate

__all__ = [
    "ACCOUNT",
    "CLUSTER",
    "CLUSTERWIDE",
    "GROUP",
    "KINDS",
    "LOCAL_CLUSTER",
    "NAMESPACE",
    "NAMESPACED",
    "NAMESPACE_LABELS",
    "RESERVED",
    "EndpointSelector",
    "normal",
    "reserved",
    "translate",
]
