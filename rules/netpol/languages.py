"""Which dialect reads which kind of object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rules.netpol.dialects import admin, calico, cilium, kubernetes
from rules.netpol.engine import Api
from rules.netpol.fields import mapping
from rules.netpol.model import Policy

Translate = Callable[..., Policy | tuple[Policy, ...]]
"""From a decoded object, and `namespace` where it lies if it does not say, to what it means."""

STAGED = "StagedKubernetesNetworkPolicy"


def _staged(node: Any, *, namespace: str = "default") -> Policy:
    """Calico's way to try out a NetworkPolicy of Kubernetes: it means what that would mean."""
    spec = {key: value for key, value in mapping(node, "spec").items() if key != "stagedAction"}
    policy = kubernetes.translate({**node, "spec": spec}, namespace=namespace, most=None)
    api = api_of(node)
    origin = replace(policy.origin, group=api.group, kind=api.kind)
    return replace(
        policy,
        origin=origin,
        isolations=tuple(replace(each, origin=origin) for each in policy.isolations),
        grants=tuple(replace(each, origin=origin) for each in policy.grants),
        void=tuple(replace(each, origin=origin) for each in policy.void),
        staged=True,
    )


LANGUAGES: Mapping[Api, Translate] = {
    Api(kubernetes.GROUP, kubernetes.KIND): partial(kubernetes.translate, most=None),
    **{Api(admin.GROUP, kind): admin.translate for kind in admin.KINDS},
    **{Api(cilium.GROUP, kind): cilium.translate for kind in cilium.KINDS},
    **{Api(group, kind): calico.translate for group in calico.GROUPS for kind in calico.KINDS},
    **{Api(group, STAGED): _staged for group in calico.GROUPS},
}


def translate(node: Any, *, namespace: str = "default") -> tuple[Policy, ...]:
    """What an object means, of any kind in LANGUAGES; nothing if it is of none of them."""
    read = LANGUAGES.get(api_of(node))
    if read is None:
        return ()
    found = read(node, namespace=namespace)
    return found if isinstance(found, tuple) else (found,)


def api_of(node: Any) -> Api:
    """The kind of a decoded object, without its version."""
    stated = node if isinstance(node, dict) else {}
    version, kind = stated.get("apiVersion"), stated.get("kind")
    group = version.rpartition("/")[0] if isinstance(version, str) else ""
    return Api(group, kind if isinstance(kind, str) else "")
