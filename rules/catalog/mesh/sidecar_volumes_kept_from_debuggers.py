"""A debugging container must not mount a volume of the Istio sidecar.

Why: in them are the token and the keys of the proxy, and who reads those can speak for the proxy.
Source: sandbox-and-mesh 4.4 MESH-VOLUMES and 3.2 SBX-17; Kubernetes, ephemeral containers.

What a pod mounts when it is made is looked at before Istio adds these volumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.mesh import VOLUMES, requires_mesh
from rules.model import NAMESPACE, POD, Finding, Fix, Operation, rule
from rules.pods import added, items
from rules.review import Cluster, Review
from rules.words import quote

_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"


def _debug(*mounts: str, rest: str = "") -> str:
    """An example: a container that mounts these volumes is added to a running pod."""
    mounted = ", ".join(f"{{name: {name}, mountPath: /{name}}}" for name in mounts)
    added = f"ephemeralContainers: [{{name: debug, volumeMounts: [{mounted}]}}]"
    old, new = (f"{{kind: Pod, spec: {{{spec}}}}}" for spec in ("containers: [{name: a}]", added))
    return (
        f"{{object: {new}, old: {old}, operation: UPDATE, subresource: ephemeralcontainers{rest}}}"
    )


ALLOW = [
    _debug(),
    _debug("data"),
    _debug("istio-token", rest=f", cluster: [{_OFF}]"),
]
DENY = [
    _debug("istio-token"),
    _debug("data", "workload-certs"),
]


@rule(
    kinds=(POD,),
    operations=("UPDATE",),
    subresources=("ephemeralcontainers",),
    reads=(NAMESPACE,),
    shaped=True,
    severity="critical",
)
def check(review: Review, cluster: Cluster, *, names: Sequence[str] = VOLUMES) -> Iterator[Finding]:
    """`names`: those of the volumes that the injection template adds."""
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    for path, debugger in added(review.object, review.old, "ephemeralContainers"):
        for place, mount in items(debugger, path, "volumeMounts"):
            if mount.get("name") in names:
                yield Finding(
                    check="MESH-VOLUMES",
                    path=(*place, "name"),
                    message=f"is {quote(mount['name'])}, a volume of the sidecar alone; remove "
                    "this mount",
                    found=mount["name"],
                    fix=Fix((Operation("remove", place),), safe=False),
                )
