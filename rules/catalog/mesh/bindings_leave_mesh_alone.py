"""The binding of a pod to a node must not bring labels or annotations that steer the sidecar.

Why: the API server copies them onto the pod, after everything that it said was judged.
Source: sandbox-and-mesh 4.4 and 4.3 INJ-UPD; kubernetes/kubernetes pkg/registry/core/pod/storage.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.mesh import is_settled
from rules.model import BINDING, POD, Finding, Fix, Operation, rule
from rules.pods import annotations_of, labels_of
from rules.review import Cluster, Review
from rules.words import quote


def _bound(metadata: str) -> str:
    return f"{{kind: Binding, metadata: {metadata}, target: {{kind: Node, name: n1}}}}"


ALLOW = [
    _bound("{name: a}"),
    _bound("{labels: {topology.kubernetes.io/zone: z}, annotations: {a: b}}"),
]
DENY = [
    _bound("{annotations: {sidecar.istio.io/status: '{}'}}"),
    _bound("{annotations: {io.katacontainers.config.agent.kernel_modules: m}}"),
    _bound("{labels: {security.istio.io/tlsMode: disabled}}"),
]


@rule(
    kinds=(BINDING,),
    also=((POD, "binding"),),
    operations=("CREATE",),
    shaped=True,
    severity="critical",
)
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each such label or annotation."""
    binding = review.object
    said = {"labels": labels_of(binding), "annotations": annotations_of(binding)}
    for place, entries in said.items():
        for key, value in entries.items():
            if is_settled(place, key):
                path = ("metadata", place, key)
                yield Finding(
                    check="INJ-UPD",
                    path=path,
                    message=f"is {quote(value)} and would be copied onto the pod; remove it",
                    found=value,
                    fix=Fix((Operation("remove", path),), safe=False),
                )
