"""Which object is which, whatever version it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rules.netpol.dialects.calico import API_GROUP, CRD_GROUP
from rules.netpol.engine import Api
from rules.netpol.fields import name_of, namespace_of
from rules.netpol.languages import api_of

EVERYWHERE = ""
"""Stands where else a namespace stands, for what lies in none."""

_TIERED = "default."
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


def twins_of(key: Key) -> Iterator[Key]:
    """The other keys under which an object may be known: Calico's API shows what is stored.

    A policy `web` of that API is stored as `web` or, by older servers, as `default.web`.
    """
    if key.api.group == API_GROUP:
        stored = Api(CRD_GROUP, key.api.kind)
        yield from (Key(stored, key.namespace, name) for name in (key.name, _TIERED + key.name))
    elif key.api.group == CRD_GROUP:
        shown = Api(API_GROUP, key.api.kind)
        names = {key.name, key.name.removeprefix(_TIERED)}
        yield from (Key(shown, key.namespace, name) for name in sorted(names))
