"""Which object is which, whatever version it is written in."""

from __future__ import annotations

from typing import Any, NamedTuple

from rules.netpol.engine import Api
from rules.netpol.fields import name_of, namespace_of
from rules.netpol.languages import api_of

EVERYWHERE = ""
"""Stands where else a namespace stands, for what lies in none."""

_CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "CiliumCIDRGroup",
        "GlobalNetworkPolicy",
        "StagedGlobalNetworkPolicy",
        "GlobalNetworkSet",
        "Tier",
    }
)


class Key(NamedTuple):
    """Which object it is; `namespace` is EVERYWHERE for what lies in none."""

    api: Api
    namespace: str
    name: str


def key_of(node: Any, namespace: str = "default") -> Key:
    """Which object this is; `namespace` is where it lies if it does not say."""
    api = api_of(node)
    where = EVERYWHERE if api.kind in _CLUSTER_SCOPED else namespace_of(node, namespace)
    return Key(api, where, name_of(node))
