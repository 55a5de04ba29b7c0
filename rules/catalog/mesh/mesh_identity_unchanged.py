"""A pod must keep the labels, annotations and images by which it was taken into the mesh.

Why: labels and annotations are read when the sandbox starts, which may be long after admission, and
images can be changed in a running pod: what was refused at first could be slipped in later.
Source: sandbox-and-mesh 4.3 INJ-UPD; istio/istio cni/pkg/util/podutil.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rules.injection import INJECTED
from rules.mesh import is_settled, requires_mesh
from rules.model import JSON, NAMESPACE, POD, Finding, Fix, Operation, Path, rule
from rules.patch import lookup, set_field
from rules.pods import Container
from rules.review import Cluster, Review
from rules.words import quote

FROM_MESH = ("ambient.istio.io/redirection", "cni.istio.io/")


def _changed(old: str, new: str, more: str = "") -> str:
    return f"{{object: {{kind: Pod, {new}}}, old: {{kind: Pod, {old}}}, operation: UPDATE{more}}}"


def _annotated(text: str) -> str:
    return f"metadata: {{annotations: {{{text}}}}}"


def _images(app: str, proxy: str) -> str:
    listed = f"{{name: app, image: {app}}}, {{name: istio-proxy, image: {proxy}}}"
    return f"spec: {{containers: [{listed}]}}"


_PROXY = "{name: istio-proxy, image: a:1}"
_EPHEMERAL = ", subresource: ephemeralcontainers"
_STATUS = ", subresource: status"
_KATA = "io.katacontainers.config.runtime.disable_new_netns"
_CNI = "user: {username: 'system:serviceaccount:aks-istio-system:istio-cni'}"
ALLOW = [
    _changed("metadata: {labels: {a: b}}", "metadata: {labels: {a: c}}"),
    _changed(_annotated("istio.io/rev: a, x: y"), _annotated("istio.io/rev: a"), _STATUS),
    _changed(_images("a:1", "p:1"), _images("a:2", "p:1")),  # case 69
    _changed("spec: {}", "spec: {ephemeralContainers: [{name: debug, image: b:1}]}", _EPHEMERAL),
    _changed(_annotated("a: b"), _annotated("ambient.istio.io/redirection: enabled"), f", {_CNI}"),
]
DENY = [
    _changed(_images("a:1", "p:1"), _images("a:1", "evil:1")),  # case 69
    _changed(_annotated(f"{_KATA}: 'false'"), _annotated(f"{_KATA}: 'true'"), _STATUS),  # case 22
    _changed("metadata: {}", _annotated("proxy.istio.io/config: '{}'")),
    _changed("metadata: {}", "metadata: {labels: {security.istio.io/tlsMode: disabled}}"),
    _changed(_annotated("sidecar.istio.io/status: a"), _annotated("a: b"), _STATUS),
    _changed("metadata: {labels: {istio: a}}", "metadata: {labels: {istio: b}}", _STATUS),
    _changed(_annotated("cni.istio.io/a: a"), _annotated("cni.istio.io/a: b")),
    _changed("spec: {}", f"spec: {{ephemeralContainers: [{_PROXY}]}}", _EPHEMERAL),
]


@rule(
    kinds=(POD,),
    operations=("UPDATE",),
    subresources=("", "status", "ephemeralcontainers"),
    reads=(NAMESPACE,),
    shaped=True,
    severity="critical",
    transition=True,
)
def check(
    review: Review,
    cluster: Cluster,
    *,
    accounts: Sequence[str] = ("system:serviceaccount:aks-istio-system:istio-cni",),
) -> Iterator[Finding]:
    """`accounts`: exact users of the mesh, which write down how they redirected a pod's traffic."""
    old, new = review.former.pod, review.pod
    from_mesh = review.requester is not None and review.requester.username in accounts
    for place, former, present in (
        ("labels", old.labels, new.labels),
        ("annotations", old.annotations, new.annotations),
    ):
        for key in sorted({*former, *present}):
            if from_mesh and key.startswith(FROM_MESH):
                continue
            if is_settled(place, key) and former.get(key) != present.get(key):
                yield _restore(review.object, ("metadata", place, key), former.get(key))
    for path, container in old.containers:
        if container.get("name") in INJECTED:
            field = (*path, "image")
            if container.get("image") != lookup(review.object, field):
                yield _restore(review.object, field, container.get("image"))
    if requires_mesh(cluster.namespace(review.namespace)):
        yield from _impostors(review.old, new.containers)


def _impostors(old: JSON, new: Iterable[Container]) -> Iterator[Finding]:
    """Ephemeral containers that come later under a name of Istio's own."""
    for path, container in new:
        name = container.get("name")
        field = (*path, "name")
        if isinstance(name, str) and name in INJECTED and lookup(old, field) != name:
            yield Finding(
                check="INJ-RAW",
                path=field,
                message=f"is {quote(name)}, a name of Istio's own containers; use another",
                found=name,
            )


def _restore(pod: JSON, path: Path, former: JSON) -> Finding:
    """The Finding about a changed field, with what puts its former value back."""
    present = lookup(pod, path)
    if former is None:
        message = f"is {quote(present)} and was not set before; remove it"
        patch: tuple[Operation, ...] = (Operation("remove", path),)
    else:
        now = "is not set" if present is None else f"is {quote(present)}"
        message = f"{now} and was {quote(former)}; leave it as it was"
        patch = set_field(pod, path, former)
    return Finding(
        check="INJ-UPD",
        path=path,
        message=message,
        found=present,
        fix=Fix(patch, safe=False),
    )
