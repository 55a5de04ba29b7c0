"""A pod that sets one of the resources of its sidecar should set all four of them.

Why: with any one of these annotations Istio drops all its defaults, so the sidecar runs without
the limits that nobody meant to lift.
Source: sandbox-and-mesh 4.4 MESH-RESOURCES; istio/istio injection-template.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, Fix, Operation, Path, rule
from rules.quantity import InvalidQuantity, parse
from rules.review import Cluster, Review
from rules.words import enumerate_words

ANNOTATIONS: Path = ("metadata", "annotations")
OWNER = "sidecar.istio.io/"
PAIRS = (("proxyCPU", "proxyCPULimit"), ("proxyMemory", "proxyMemoryLimit"))
DEFAULTS: Mapping[str, str] = {
    "proxyCPU": "100m",
    "proxyMemory": "128Mi",
    "proxyCPULimit": "2",
    "proxyMemoryLimit": "1Gi",
}
"""The resources of the sidecar where a pod says nothing, of Istio's charts."""


def _annotated(entries: str) -> str:
    return f"{{kind: Pod, metadata: {{annotations: {{{entries}}}}}}}"


_THREE = (
    "sidecar.istio.io/proxyCPU: 100m, sidecar.istio.io/proxyMemory: 1Gi,"
    " sidecar.istio.io/proxyCPULimit: 500m"
)
_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"
ALLOW = [
    _annotated("a: b"),
    _annotated(f"{_THREE}, sidecar.istio.io/proxyMemoryLimit: 2Gi"),
    f"{{object: {_annotated(_THREE)}, cluster: [{_OFF}]}}",
]
WARN = [
    _annotated("sidecar.istio.io/proxyCPU: 100m"),
    _annotated("sidecar.istio.io/proxyCPU: '3', sidecar.istio.io/proxyMemoryLimit: 64Mi"),
    _annotated("sidecar.istio.io/proxyCPU: a lot"),
    _annotated(_THREE),
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, phase="raw", severity="low")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, at the first of the annotations that is set."""
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    annotations = review.pod.annotations
    stated = {name: annotations[OWNER + name] for name in DEFAULTS if OWNER + name in annotations}
    missing = [name for name in DEFAULTS if name not in stated]
    if not stated or not missing:
        return
    first = next(iter(stated))
    yield Finding(
        check="MESH-RESOURCES",
        path=(*ANNOTATIONS, OWNER + first),
        message=f"is set without {enumerate_words(missing, 'and')}; set all four or none",
        found=sorted(stated),
        level="warn",
        fix=_complete(stated),
    )


def _complete(stated: Mapping[str, str]) -> Fix | None:
    """Istio's default for what is missing, and no limit below its request."""
    added: dict[str, str] = {}
    try:
        for request, limit in PAIRS:
            least = stated.get(request, DEFAULTS[request])
            most = stated.get(limit, DEFAULTS[limit])
            if limit in stated:
                least = min(least, most, key=parse)
            else:
                most = max(most, least, key=parse)
            added |= {request: least, limit: most}
    except InvalidQuantity:  # another rule says what is wrong with it
        return None
    return Fix(
        tuple(
            Operation("add", (*ANNOTATIONS, OWNER + name), value)
            for name, value in added.items()
            if name not in stated
        ),
        safe=False,
    )
