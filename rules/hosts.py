"""Host names as Istio reads them: which are services of the mesh, and in whose namespace.

Source: istio/istio pkg/config/host and pilot/pkg/model/push_context.go, as told in sandbox-and-mesh
5 and 5.1. A wildcard is any suffix: `*s.shop.svc.cluster.local` covers what ends so.
"""

from __future__ import annotations

from collections.abc import Iterable

SERVICES = ".svc.cluster.local"
_MESH_ENDINGS = (".svc", ".local")
_PARTS = ("name", "namespace", "svc")
ANY = "*"
"""The namespace of a host that covers services of several."""


def normal(host: str) -> str:
    """The host in lower case, without the dot that ends a full name."""
    return host.lower().rstrip(".")


def is_mesh_host(host: object) -> bool:
    """Whether a host names a service of the mesh, or covers one; what cannot be read may."""
    if not isinstance(host, str):
        return True
    name = normal(host)
    if name.endswith(_MESH_ENDINGS):
        return True
    return SERVICES.endswith(name[1:]) if name.startswith("*") else "." not in name


def namespace_of(host: object, own: str) -> str:
    """The namespace of a mesh host that is written in namespace `own`; ANY where it has several."""
    if not isinstance(host, str):
        return ANY
    name = normal(host)
    if "." not in name:
        return ANY if name.startswith("*") else own
    labels = name.removesuffix(".cluster.local").split(".")
    if labels[-1] != "svc" or len(labels) < len(_PARTS) or "*" in labels[-2]:
        return ANY
    return labels[-2]


def meet(one: object, other: object, *, own: str, others: str) -> bool:
    """Whether two hosts, each written in its namespace, have a name in common."""
    if not isinstance(one, str) or not isinstance(other, str):
        return True
    mine, theirs = full(one, own), full(other, others)
    if mine.startswith("*") and theirs.startswith("*"):
        return mine[1:].endswith(theirs[1:]) or theirs[1:].endswith(mine[1:])
    return _covers(mine, theirs) or _covers(theirs, mine)


def full(host: str, namespace: str) -> str:
    """The host as Istio completes it: a short name takes the namespace of its object."""
    name = normal(host)
    return name if "." in name or name.startswith("*") else f"{name}.{namespace}{SERVICES}"


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns covers all that the host covers."""
    return any(_covers(normal(pattern), normal(host)) for pattern in patterns)


def never_matches(host: str, namespaces: Iterable[str]) -> bool:
    """Whether a host looks like a service of the cluster and is read as a name outside of it.

    Istio completes neither `reviews.shop` nor `reviews.shop.svc`.
    """
    labels = normal(host).split(".")
    known = frozenset(namespaces)
    if labels[-1] == "svc":
        return True
    return len(labels) == 2 and labels[1] in known  # noqa: PLR2004  # name and namespace


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host
