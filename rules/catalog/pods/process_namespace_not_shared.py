"""The containers of a meshed pod must not share one process namespace.

Why: whoever sees the processes of the sidecar reads the key of its certificate out of them.
Source: istio.io, security model; sandbox-and-mesh SBX-11.

Where the namespace label `sallyport.dev/mesh: off` lifts the mesh, the containers may share it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, rule
from rules.refusal import removal
from rules.review import Cluster, Review

_SHARED = "{kind: Pod, spec: {shareProcessNamespace: true}}"
_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"
ALLOW = [
    "{kind: Pod, spec: {shareProcessNamespace: false}}",
    f"{{object: {_SHARED}, cluster: [{_OFF}]}}",
]
DENY = [_SHARED]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Only where the mesh is required."""
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    if review.pod.spec.get("shareProcessNamespace") is True:
        yield removal(review, "SBX-11", ("spec", "shareProcessNamespace"), "is true")
