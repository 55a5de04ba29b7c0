"""A pod of a namespace that is out of the mesh must not ask for a sidecar of its own.

Why: half a mesh is none: its peers there expect clear text, and policies that name it never match.
Source: sandbox-and-mesh 4.3 INJ-OFF.

A namespace is out of the mesh where the platform labelled it `sallyport.dev/mesh: off`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import INJECT, REVISION
from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, Fix, Operation, Path, rule
from rules.review import Cluster, Review
from rules.words import quote


def _meet(pod: str, space: str = "sallyport.dev/mesh: 'off'") -> str:
    seen = f"{{kind: Namespace, metadata: {{name: default, labels: {{{space}}}}}}}"
    return f"{{object: {{kind: Pod, metadata: {pod}}}, cluster: [{seen}]}}"


ALLOW = [
    _meet("{labels: {app: a, sidecar.istio.io/inject: 'false'}}"),
    _meet("{labels: {istio.io/rev: asm-1-28}}", space="a: b"),
]
DENY = [
    _meet("{labels: {istio.io/rev: asm-1-28}}"),
    _meet("{labels: {sidecar.istio.io/inject: 'true'}}"),
    _meet("{annotations: {sidecar.istio.io/inject: 'true'}}"),
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, phase="raw", severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each label or annotation that asks for the sidecar."""
    if requires_mesh(cluster.namespace(review.namespace)):
        return
    labels, annotations = review.pod.labels, review.pod.annotations
    asking: list[Path] = []
    if REVISION in labels:
        asking.append(("labels", REVISION))
    if labels.get(INJECT) == "true":
        asking.append(("labels", INJECT))
    if annotations.get(INJECT) == "true":
        asking.append(("annotations", INJECT))
    for kind, key in asking:
        found = (labels if kind == "labels" else annotations)[str(key)]
        path = ("metadata", kind, key)
        yield Finding(
            check="INJ-OFF",
            path=path,
            message=f"is {quote(found)}, and namespace {review.namespace} is out of the mesh; "
            "remove it",
            found=found,
            fix=Fix((Operation("remove", path),), safe=False),
        )
