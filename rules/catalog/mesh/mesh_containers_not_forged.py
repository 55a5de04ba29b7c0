"""A pod must not bring containers with the names that Istio gives to its own.

Why: Istio takes such a container for its sidecar and keeps its image, command and privileges.
Source: sandbox-and-mesh 4.3 INJ-RAW a; istio/istio pkg/kube/inject/webhook.go, cni/pkg/plugin.

The output of `istioctl kube-inject` is refused for the same reason: Istio injects by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import INJECTED
from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, rule
from rules.review import Cluster, Review
from rules.words import quote

_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"
_FORGED = "{kind: Pod, spec: {containers: [{name: a}, {name: istio-proxy, image: auto}]}}"
ALLOW = [
    "{kind: Pod, spec: {containers: [{name: app}, {name: my-istio-proxy}]}}",
    f"{{object: {_FORGED}, cluster: [{_OFF}]}}",
]
DENY = [
    _FORGED,  # case 57
    "{kind: Pod, spec: {initContainers: [{name: istio-init, image: a}]}}",
    "{kind: Pod, spec: {initContainers: [{name: istio-validation}], containers: [{name: a}]}}",
    "{kind: Pod, spec: {containers: [{name: enable-core-dump}]}}",
    "{kind: Pod, spec: {ephemeralContainers: [{name: istio-proxy}]}}",
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, phase="raw", severity="critical")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each container with such a name."""
    if review.is_final or not requires_mesh(cluster.namespace(review.namespace)):
        return
    for path, container in review.pod.containers:
        name = container.get("name")
        if isinstance(name, str) and name in INJECTED:
            yield Finding(
                check="INJ-RAW",
                path=(*path, "name"),
                message=f"is {quote(name)}, a name that Istio gives to its own container; "
                "remove the container or rename it",
                found=name,
            )
