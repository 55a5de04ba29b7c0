"""Only the platform changes the mesh's root namespace and the Istio objects that it manages.

Why: an object in the root namespace holds for every tenant, and on a managed one tenants rely.
Source: sandbox-and-mesh 5, MESH-0 and MESH-1; Istio documentation, root namespace.

Managed is an object with the label `sallyport.dev/managed: "true"`, before or after the change.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.facts import MANAGED_LABEL
from rules.model import CONFIG_MAP, ISTIO, JSON, Finding, rule
from rules.pods import labels_of, mapping
from rules.review import Cluster, Review
from rules.words import quote

SHARED_CONFIG = "istio-shared-configmap-"

_ADMIN = "user: {username: admin, groups: ['system:masters']}"
_ROOT = "namespace: aks-istio-system"
_STRICT = f"{{kind: PeerAuthentication, metadata: {{name: a, {_ROOT}}}, spec: {{mtls: {{}}}}}}"
_CONFIG = f"{{kind: ConfigMap, metadata: {{name: istio-shared-configmap-asm-1-28, {_ROOT}}}}}"
_LOCK = f"{{kind: ConfigMap, metadata: {{name: istio-leader, {_ROOT}}}}}"
_MANAGED = (
    "{kind: PeerAuthentication, metadata: {name: a, labels: {sallyport.dev/managed: 'true'}}}"
)
_OWN = "{kind: PeerAuthentication, metadata: {name: a, labels: {}}}"
ALLOW = [
    _OWN,
    f"{{object: {_STRICT}, {_ADMIN}}}",
    f"{{object: {_MANAGED}, {_ADMIN}}}",
    f"{{old: {_MANAGED}, object: null, operation: DELETE, {_ADMIN}}}",
    _LOCK,
    f"{{old: {_LOCK}, object: null, operation: DELETE}}",
    "{kind: ConfigMap, metadata: {name: istio-shared-configmap-asm-1-28}}",
]
DENY = [
    _STRICT,  # 73
    f"{{old: {_STRICT}, object: null, operation: DELETE}}",
    _CONFIG,
    f"{{old: {_CONFIG}, object: null, operation: DELETE}}",
    f"{{kind: EnvoyFilter, metadata: {{name: a, {_ROOT}}}}}",
    _MANAGED,
    f"{{old: {_MANAGED}, object: null, operation: DELETE}}",  # 74
    f"{{old: {_MANAGED}, object: {_OWN}, operation: UPDATE}}",
    f"{{old: {_OWN}, object: {_MANAGED}, operation: UPDATE}}",
]


@rule(
    kinds=(*ISTIO, CONFIG_MAP),
    operations=("CREATE", "UPDATE", "DELETE"),
    shaped=True,
    severity="critical",
    scope="everywhere",
    transition=True,
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """MESH-0 speaks of the place, MESH-1 of the label."""
    if cluster.is_platform(review.requester):
        return
    root = cluster.site.mesh.root
    if review.namespace == root and (review.kind != CONFIG_MAP.kind or _is_shared(review)):
        place = "name" if review.kind == CONFIG_MAP.kind else "namespace"
        yield Finding(
            check="MESH-0",
            path=("metadata", place),
            message=f"is part of the mesh's root namespace {quote(root)}, which only the platform "
            "may change; write this in your own",
            found=root,
        )
    if review.kind != CONFIG_MAP.kind and any(map(_is_managed, (review.object, review.old))):
        yield Finding(
            check="MESH-1",
            path=("metadata", "labels", MANAGED_LABEL),
            message="marks what the platform manages: only the platform may create, change or "
            "delete it",
            found="true",
        )


def _is_managed(value: JSON) -> bool:
    return labels_of(value).get(MANAGED_LABEL) == "true"


def _is_shared(review: Review) -> bool:
    """Whether this is the mesh configuration: istiod keeps its locks in other ConfigMaps."""
    value = review.old if review.operation == "DELETE" else review.object
    name = mapping(value, "metadata").get("name")
    return not isinstance(name, str) or name.startswith(SHARED_CONFIG)
