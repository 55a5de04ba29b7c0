"""A pod must neither name a volume as Istio names those of its sidecar, nor mount one of them.

Why: a volume of that name reaches the proxy in place of Istio's own, and a container that mounts
the proxy's token or keys can speak for the proxy.
Source: sandbox-and-mesh 4.4 MESH-VOLUMES; istio/istio injection-template.yaml.

A mount of a volume that only the injection adds is no mistake any more once Istio has added it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.injection import INJECTED
from rules.mesh import VOLUMES, requires_mesh
from rules.model import JSON, NAMESPACE, PODS, Finding, Path, rule
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.words import quote

_OFF = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}"
_OWN = "{kind: Pod, spec: {volumes: [{name: data}, {name: istio-token, emptyDir: {}}]}}"
_MOUNTED = "{containers: [{name: a, volumeMounts: [{name: istio-token, mountPath: /a}]}]}"
ALLOW = [
    "{kind: Pod, spec: {volumes: [{name: data}], containers: [{volumeMounts: [{name: data}]}]}}",
    "{kind: Pod, spec: {containers: [{volumeMounts: [{name: claimed-by-a-stateful-set}]}]}}",
    f"{{object: {_OWN}, cluster: [{_OFF}]}}",
]
DENY = [
    _OWN,
    "{kind: Pod, spec: {volumes: [{name: workload-socket}, {name: credential-socket}]}}",
    f"{{kind: Pod, spec: {_MOUNTED}}}",
    "{kind: Pod, spec: {initContainers: [{name: a, volumeMounts: [{name: istiod-ca-cert}]}]}}",
]


@rule(kinds=PODS, reads=(NAMESPACE,), shaped=True, phase="raw", severity="critical")
def check(review: Review, cluster: Cluster, *, names: Sequence[str] = VOLUMES) -> Iterator[Finding]:
    """`names`: those of the volumes that the injection template adds."""
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    stated = list(_named(review.pod.spec.get("volumes"), ("spec", "volumes")))
    if not review.is_final:  # afterwards Istio's own bear these names
        for path, name in stated:
            if name in names:
                cure = "a name that Istio gives to a volume of its sidecar; use another one"
                yield _finding(path, name, cure)
    own = set() if review.is_final else {name for _, name in stated}
    for place, container in review.pod.containers:
        if review.is_final and container.get("name") in INJECTED:
            continue
        mounts = container.get("volumeMounts")
        for path, name in _named(mounts, (*place, "volumeMounts")):
            if name in names and name not in own:
                yield _finding(path, name, "a volume of the sidecar alone; remove this mount")


def _named(items: JSON, path: Path) -> Iterator[tuple[Path, str]]:
    """The names of the items of a list, each with its place."""
    for index, item in enumerate(items if isinstance(items, list) else []):
        name = mapping(item).get("name")
        if isinstance(name, str):
            yield (*path, index, "name"), name


def _finding(path: Path, name: str, cure: str) -> Finding:
    return Finding(check="MESH-VOLUMES", path=path, message=f"is {quote(name)}, {cure}", found=name)
