"""A pod of a tenant must get the Istio sidecar when it is created.

Why: a pod without sidecar speaks clear text, and no authorization policy holds for it.
Source: sandbox-and-mesh 4.2, INJ-POD of 4.3; istio/istio pkg/kube/inject/inject.go.

Where the namespace selects no mesh and the pod neither, the pod's label `istio.io/rev` is filled
in. The namespace label `sallyport.dev/mesh: off`, which only the platform may set, lifts the rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import INJECT, INJECTION, MESH_LABEL, REVISION, Injection, Obstacle
from rules.mesh import requires_mesh
from rules.model import MUTATING_WEBHOOKS, NAMESPACE, PODS, Finding, Fix, Operation, Path, rule
from rules.patch import lookup, set_field
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

LABELS: Path = ("metadata", "labels")
PLACES: dict[Obstacle, Path] = {
    "host-network": ("spec", "hostNetwork"),
    "label": (*LABELS, INJECT),
    "annotation": ("metadata", "annotations", INJECT),
    "revision": (*LABELS, REVISION),
    "nothing": (*LABELS, REVISION),
}


def _meet(pod: str, space: str, *revisions: str) -> str:
    """An example: the pod, in a namespace with these labels, where these revisions inject."""
    seen = [f"{{kind: Namespace, metadata: {{name: default, labels: {{{space}}}}}}}"]
    seen += [
        f"{{kind: MutatingWebhookConfiguration, metadata: {{name: istio-{revision},"
        f" labels: {{app: sidecar-injector, istio.io/rev: {revision}}}}}}}"
        for revision in revisions or ["asm-1-28"]
    ]
    return f"{{object: {pod}, cluster: [{', '.join(seen)}]}}"


def _pod(labels: str, annotations: str = "") -> str:
    return f"{{kind: Pod, metadata: {{labels: {{{labels}}}, annotations: {{{annotations}}}}}}}"


_POD = "{kind: Pod}"
_HOST = "{kind: Pod, spec: {hostNetwork: true}}"
_UNMESHED = (
    "{object: {kind: Pod}, cluster: [{kind: MutatingWebhookConfiguration, metadata: {name: a}}]}"
)
_REVISION = "istio.io/rev: asm-1-28"
_OUT = "sidecar.istio.io/inject: 'false'"
_IN = "sidecar.istio.io/inject: 'true'"
ALLOW = [
    _meet(_POD, _REVISION),
    _meet(_pod(_IN, _OUT), _REVISION),
    _meet(_pod(_REVISION), ""),
    _meet(_HOST, "sallyport.dev/mesh: 'off'"),
]
DENY = [
    _meet(_pod(_OUT), _REVISION),
    _meet(_pod("", _OUT), _REVISION),
    _meet(_HOST, _REVISION),
    _meet(_HOST, ""),
    _meet(_POD, "istio.io/rev: asm-1-23"),
    _meet(_POD, "istio-injection: enabled"),
    _meet(_POD, "", "asm-1-28", "asm-1-29"),
    _UNMESHED,
    _meet(_pod("istio.io/rev: asm-1-17"), ""),
]
FIX = [
    (_meet(_POD, ""), "{kind: Pod, metadata: {labels: {istio.io/rev: asm-1-28}}}"),
    (_meet(_pod(f"app: a, {_IN}"), ""), _pod(f"app: a, {_IN}, {_REVISION}")),
]


@rule(
    kinds=PODS,
    operations=("CREATE",),
    reads=(NAMESPACE, MUTATING_WEBHOOKS),
    shaped=True,
    severity="high",
    mend="enforce",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each thing that keeps the sidecar away."""
    namespace = cluster.namespace(review.namespace)
    if not requires_mesh(namespace):
        return
    injection = Injection.of(review.pod, namespace, cluster.revisions)
    obstacles = injection.obstacles()
    for obstacle in obstacles:
        path = PLACES.get(obstacle, LABELS)
        patch = _cure(obstacle, review, cluster)
        yield Finding(
            check="NOT-INJECTED",
            path=path,
            message=_explain(obstacle, injection, cluster),
            found=lookup(review.object, path) if obstacle in PLACES else obstacle,
            fix=Fix(patch, safe=obstacles == ["nothing"]) if patch else None,
            why=f"namespace {review.namespace} belongs to the mesh: a pod without sidecar speaks "
            "clear text, and no authorization policy holds for it",
        )


def _cure(obstacle: Obstacle, review: Review, cluster: Cluster) -> tuple[Operation, ...]:
    match obstacle:
        case "host-network":
            return set_field(review.object, PLACES[obstacle], new=False)
        case "label":
            return set_field(review.object, PLACES[obstacle], "true")
        case "annotation":
            return (Operation("remove", PLACES[obstacle]),)
        case "revision" | "nothing" if cluster.revision:
            return set_field(review.object, PLACES[obstacle], cluster.revision)
    return ()


def _explain(  # noqa: PLR0911  # a sentence each
    obstacle: Obstacle, injection: Injection, cluster: Cluster
) -> str:
    space = injection.namespace
    known = enumerate_words(sorted(injection.known), "and") or "none"
    cure = f"none is usable (known: {known}); the platform sets mesh.revision"
    if not injection.known:
        cure = f"no mesh is installed; the platform does that, or labels it {MESH_LABEL}=off"
    elif cluster.revision is not None:
        cure = f"set it to {quote(cluster.revision)}"
    match obstacle:
        case "host-network":
            return "is true, so Istio does not inject the sidecar; remove it"
        case "label":
            return 'is "false", so Istio does not inject the sidecar; set it to "true" or remove it'
        case "annotation":
            return 'is "false", so Istio does not inject the sidecar; remove it'
        case "revision":
            stated = quote(injection.labels[REVISION])
            return f"is {stated}, a mesh revision that is not installed; {cure}"
        case "nothing":
            return f"is not set, and namespace {space.name} selects no revision; {cure}"
        case "namespace-injection":
            return (
                f"cannot bring the sidecar: namespace {space.name} is labelled {INJECTION}="
                f"{space.labels[INJECTION]}, which switches revisions off; the platform removes it"
            )
        case "namespace-revision":
            return (
                f"cannot bring the sidecar: namespace {space.name} is labelled {REVISION}="
                f"{space.labels[REVISION]}, which is not installed (known: {known}); "
                "the platform relabels it"
            )
    return f"cannot bring the sidecar: Istio injects nothing in namespace {space.name}"
