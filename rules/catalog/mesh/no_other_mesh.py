"""A pod of the mesh must not ask for the sidecar of another mesh.

Why: two proxies redirect the same traffic, and what one of them encrypts the other cannot judge.
Source: contracts 11 OTHER-MESH; documentation of Open Service Mesh, Linkerd, Kuma and Consul.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, Fix, Operation, rule
from rules.review import Cluster, Review
from rules.words import quote

OTHERS = (
    "openservicemesh.io/",
    "linkerd.io/inject",
    "kuma.io/",
    "consul.hashicorp.com/connect-inject",
)
"""How the labels and annotations begin by which other meshes inject."""

_LINKERD = "{kind: Pod, metadata: {annotations: {linkerd.io/inject: enabled}}}"
_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"
ALLOW = [
    "{kind: Pod, metadata: {labels: {app: linkerd.io}, annotations: {example.kuma.io/a: b}}}",
    f"{{object: {_LINKERD}, cluster: [{_OFF}]}}",
]
DENY = [
    _LINKERD,
    "{kind: Pod, metadata: {labels: {kuma.io/sidecar-injection: enabled}}}",
    "{kind: Pod, metadata: {annotations: {openservicemesh.io/sidecar-injection: enabled}}}",
    "{kind: Pod, metadata: {annotations: {consul.hashicorp.com/connect-inject: 'true'}}}",
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each label or annotation of another mesh."""
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    said = {"labels": review.pod.labels, "annotations": review.pod.annotations}
    for place, entries in said.items():
        for key, value in entries.items():
            if key.startswith(OTHERS):
                path = ("metadata", place, key)
                yield Finding(
                    check="OTHER-MESH",
                    path=path,
                    message=f"is {quote(value)} and asks for another mesh than Istio; remove it",
                    found=value,
                    fix=Fix((Operation("remove", path),), safe=False),
                )
