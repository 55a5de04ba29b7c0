"""A pod of a tenant must get the Istio sidecar when it is created.

Why: a pod without sidecar speaks clear text, and no authorization policy holds for it.
Source: sandbox-and-mesh 4.2, INJ-POD of 4.3; istio/istio pkg/kube/inject/inject.go.

Where the namespace selects no mesh and the pod neither, the pod's label `istio.io/rev` is filled
in. The namespace label `sallyport.dev/mesh: off`, which only the platform may set, lifts the rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import INJECT, INJECTION, REVISION, Injection, Obstacle
from rules.model import MUTATING_WEBHOOKS, NAMESPACE, PODS, Finding, Fix, Operation, Path, rule
from rules.patch import lookup, set_field
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

MESH_LABEL = "sallyport.dev/mesh"
LABELS: Path = ("metadata", "labels")
PLACES: dict[Obstacle, Path] = {
    "host-network": ("spec", "hostNetwork"),
    "label": (*LABELS, INJECT),
    "annotation": ("metadata", "annotations", INJECT),
    "revision": (*LABELS, REVISION),
    "nothing": (*LABELS, REVISION),
}

_MESHED = (
    "[{kind: Namespace, metadata: {name: default, labels: {istio.io/rev: asm-1-28}}},"
    " {kind: MutatingWebhookConfiguration, metadata: {name: istio,"
    " labels: {app: sidecar-injector, istio.io/rev: asm-1-28}}}]"
)
_PLAIN = _MESHED.replace("labels: {istio.io/rev: asm-1-28}}}, {kind: M", "labels: {}}}, {kind: M")
_STALE = _MESHED.replace("asm-1-28", "asm-1-23", 1)
_WRONG = _MESHED.replace("istio.io/rev", "istio-injection", 1).replace("asm-1-28", "enabled", 1)
_TWO = _PLAIN.replace(
    "}}]",
    "}}, {kind: MutatingWebhookConfiguration, metadata: {name: two,"
    " labels: {app: sidecar-injector, istio.io/rev: asm-1-29}}}]",
)
_OFF = _PLAIN.replace("labels: {}", "labels: {sallyport.dev/mesh: 'off'}")
_INJECT = "sidecar.istio.io/inject"
ALLOW = [
    f"{{object: {{kind: Pod}}, cluster: {_MESHED}}}",
    f"{{object: {{kind: Pod, metadata: {{labels: {{{_INJECT}: 'true'}},"
    f" annotations: {{{_INJECT}: 'false'}}}}}}, cluster: {_MESHED}}}",
    f"{{object: {{kind: Pod, metadata: {{labels: {{istio.io/rev: asm-1-28}}}}}}, cluster: {_PLAIN}}}",
    f"{{object: {{kind: Pod, spec: {{hostNetwork: true}}}}, cluster: {_OFF}}}",
]
DENY = [
    f"{{object: {{kind: Pod, metadata: {{labels: {{{_INJECT}: 'false'}}}}}}, cluster: {_MESHED}}}",
    f"{{object: {{kind: Pod, metadata: {{annotations: {{{_INJECT}: 'false'}}}}}},"
    f" cluster: {_MESHED}}}",
    f"{{object: {{kind: Pod, spec: {{hostNetwork: true}}}}, cluster: {_MESHED}}}",
    f"{{object: {{kind: Pod, spec: {{hostNetwork: true}}}}, cluster: {_PLAIN}}}",
    f"{{object: {{kind: Pod}}, cluster: {_STALE}}}",
    f"{{object: {{kind: Pod}}, cluster: {_WRONG}}}",
    f"{{object: {{kind: Pod}}, cluster: {_TWO}}}",
    f"{{object: {{kind: Pod, metadata: {{labels: {{istio.io/rev: asm-1-17}}}}}}, cluster: {_PLAIN}}}",
]
FIX = [
    (
        f"{{object: {{kind: Pod}}, cluster: {_PLAIN}}}",
        "{kind: Pod, metadata: {labels: {istio.io/rev: asm-1-28}}}",
    ),
    (
        f"{{object: {{kind: Pod, metadata: {{labels: {{app: a, {_INJECT}: 'true'}}}}}},"
        f" cluster: {_PLAIN}}}",
        f"{{kind: Pod, metadata: {{labels: {{app: a, {_INJECT}: 'true', istio.io/rev: asm-1-28}}}}}}",
    ),
]


@rule(
    kinds=PODS,
    operations=("CREATE",),
    reads=(NAMESPACE, MUTATING_WEBHOOKS),
    severity="high",
    mend="enforce",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each thing that keeps the sidecar away."""
    namespace = cluster.namespace(review.namespace)
    if namespace.labels.get(MESH_LABEL) == "off":
        return
    injection = Injection.of(review.object, namespace, cluster.revisions)
    obstacles = list(injection.obstacles())
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


def _explain(obstacle: Obstacle, injection: Injection, cluster: Cluster) -> str:
    space = injection.namespace
    known = enumerate_words(sorted(injection.known), "and") or "none"
    cure = f"set it to {quote(cluster.revision)}"
    if cluster.revision is None:
        cure = f"no revision is usable (known: {known}); the platform sets mesh.revision"
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
            return f"is not set, and namespace {space.name} selects no mesh revision; {cure}"
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
