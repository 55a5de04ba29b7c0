"""A pod must not carry a label by which Istio treats it otherwise than its namespace says.

Why: such a label can keep the sidecar out, make peers send clear text, or hand the pod to another
gateway or data plane.
Source: sandbox-and-mesh 4.3 INJ-RAW e; istio/istio injection-template.yaml, cni/pkg/util.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rules.injection import INJECT, REVISION
from rules.mesh import SELECTORS, requires_mesh, steers_as_label
from rules.model import NAMESPACE, PODS, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import labels_of
from rules.review import Cluster, Review
from rules.words import quote

LABELS: Path = ("metadata", "labels")
TLS_MODE = "security.istio.io/tlsMode"
REASONS: Mapping[str, str] = {
    INJECT: 'only "true" means the same to Istio and to its network plugin; anything else leaves '
    "the pod out of the mesh, or half in it",
    REVISION: "Istio injects the revision of the namespace whatever the pod says",
    TLS_MODE: "peers would send clear text to this pod",
    "istio": "gateways select pods in all namespaces by this label",
}


def _labelled(label: str, space: str = "istio.io/rev: asm-1-28") -> str:
    pod = f"{{kind: Pod, metadata: {{labels: {{{label}}}}}}}"
    seen = f"{{kind: Namespace, metadata: {{name: default, labels: {{{space}}}}}}}"
    return f"{{object: {pod}, cluster: [{seen}]}}"


ALLOW = [
    _labelled("app: a, istio: my-own, service.istio.io/canonical-name: a"),
    _labelled("sidecar.istio.io/inject: 'true', security.istio.io/tlsMode: istio"),
    _labelled("istio.io/rev: asm-1-28"),
    _labelled("istio.io/rev: asm-1-28", space="a: b"),
    _labelled("security.istio.io/tlsMode: disabled", space="sallyport.dev/mesh: 'off'"),
]
DENY = [
    _labelled("sidecar.istio.io/inject: 'false'"),
    _labelled("sidecar.istio.io/inject: '0'"),  # case 50
    _labelled("sidecar.istio.io/inject: 'False'"),
    _labelled("istio.io/rev: other"),  # case 53
    _labelled("security.istio.io/tlsMode: disabled"),
    _labelled("istio.io/dataplane-mode: ambient"),
    _labelled("istio.io/use-waypoint: w, istio.io/use-waypoint-namespace: n"),
    _labelled("networking.istio.io/tunnel: http"),
    _labelled("topology.istio.io/network: n"),
    _labelled("gateway.networking.k8s.io/gateway-name: g"),
    _labelled("istio: aks-istio-ingressgateway-external"),
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, phase="raw", severity="critical")
def check(
    review: Review,
    cluster: Cluster,
    *,
    gateways: Sequence[str] = (
        "aks-istio-ingressgateway-external",
        "aks-istio-ingressgateway-internal",
    ),
) -> Iterator[Finding]:
    """`gateways`: values of the label `istio` by which the shared gateways select their pods."""
    namespace = cluster.namespace(review.namespace)
    if not requires_mesh(namespace):
        return
    pod = review.object
    kept = {INJECT: "true", TLS_MODE: "istio", REVISION: namespace.labels.get(REVISION)}
    for key, value in labels_of(pod).items():
        if not steers_as_label(key) or (key in SELECTORS and value not in gateways):
            continue
        wanted = kept.get(key)
        if value == wanted or (key == REVISION and wanted is None):
            continue  # a namespace without revision: the pod selects its own
        path = (*LABELS, key)
        stated = quote(value)
        if wanted is None:
            message = f"is {stated}; remove it"
            patch: tuple[Operation, ...] = (Operation("remove", path),)
        else:
            message = f"is {stated}; set it to {quote(wanted)} or remove it"
            patch = set_field(pod, path, wanted)
        yield Finding(
            check="INJ-RAW",
            path=path,
            message=message,
            found=value,
            fix=Fix(patch, safe=False),
            why=REASONS.get(key, ""),
        )
