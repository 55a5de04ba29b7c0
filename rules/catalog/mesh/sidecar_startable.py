"""The sidecar of a sandboxed pod must be able to start where the pod will be.

Why: in a Kata VM only the init container istio-init can turn traffic to the sidecar, and it needs
capabilities that the pod security levels baseline and restricted refuse.
Source: sandbox-and-mesh 4.1; contracts 11 (MESH-PSA, MESH-REDIRECTION); Pod Security Standards.

Of a pod as it will be stored Pod Security has spoken already; so its refusal is foretold for
templates and manifests. What the containers of the tenant may do is `sidecar-not-bypassed`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.mesh import requires_mesh
from rules.model import NAMESPACE, PODS, Finding, rule
from rules.review import Cluster, Review
from rules.words import quote

LEVEL = "pod-security.kubernetes.io/enforce"
REFUSING = ("baseline", "restricted")

_MEET = (
    "{object: {kind: Pod, spec: {containers: [{name: a}]}}, cluster: [{kind: Namespace,"
    " metadata: {name: default, labels: {%s}}}], mesh: {redirection: %s}}"
)
ALLOW = [
    _MEET % ("", "InitContainers"),
    _MEET % (f"{LEVEL}: privileged", "InitContainers"),
    _MEET % (f"{LEVEL}: restricted, sallyport.dev/mesh: 'off'", "InitContainers"),
    _MEET % (f"{LEVEL}: restricted, sallyport.dev/mesh: 'off'", "CNIChaining"),
]
DENY = [
    _MEET % (f"{LEVEL}: baseline", "InitContainers"),
    _MEET % (f"{LEVEL}: restricted", "InitContainers"),
]
WARN = [_MEET % (f"{LEVEL}: restricted", "CNIChaining")]


@rule(kinds=PODS, operations=("CREATE",), reads=(NAMESPACE,), shaped=True, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, of the namespace or of the mesh."""
    namespace = cluster.namespace(review.namespace)
    if not requires_mesh(namespace):
        return
    level = namespace.labels.get(LEVEL)
    if cluster.site.mesh.redirection == "CNIChaining":
        yield Finding(
            check="MESH-REDIRECTION",
            path=("spec", "runtimeClassName"),
            message="puts the pod in a VM, whose traffic Istio's CNI plugin does not redirect, "
            "so it will not start; the platform sets redirection to InitContainers",
            found="CNIChaining",
            level="warn",
        )
    elif level in REFUSING and not review.is_final:
        yield Finding(
            check="MESH-PSA",
            path=("spec",),
            message=f"will be refused with its sidecar: the namespace enforces {quote(level)} "
            "pod security, and istio-init needs NET_ADMIN; the platform sets privileged",
            found=level,
        )
