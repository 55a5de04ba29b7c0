"""A new namespace of a tenant must select a mesh revision that is installed.

Why: the sidecar comes by the label of the namespace; a revision that is not installed brings none,
and nobody is told.
Source: sandbox-and-mesh 4.1 and INJ-NS of 4.3; AKS documentation, Istio add-on.

Where nothing is said, the label `istio.io/rev` is filled in. The label `sallyport.dev/mesh: off`,
which only the platform may set, lifts the rule. Later changes are `namespace-keys-guarded`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import INJECTION, MESH_LABEL, REVISION
from rules.model import MUTATING_WEBHOOKS, NAMESPACE, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import labels_of
from rules.review import Cluster, Review
from rules.site import TRUST_LABEL
from rules.words import enumerate_words, quote

LABELS: Path = ("metadata", "labels")


def _new(labels: str, *revisions: str, name: str = "t") -> str:
    """An example: the platform makes this namespace, where these revisions inject."""
    made = f"{{kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}"
    seen = [
        f"{{kind: MutatingWebhookConfiguration, metadata: {{name: istio-{revision},"
        f" labels: {{app: sidecar-injector, istio.io/rev: {revision}}}}}}}"
        for revision in revisions or ["asm-1-28"]
    ]
    user = "{groups: ['system:masters']}"
    return f"{{object: {made}, user: {user}, cluster: [{', '.join(seen)}]}}"


ALLOW = [
    _new("istio.io/rev: asm-1-28"),
    _new("sallyport.dev/mesh: 'off'"),
    _new("", name="kube-system"),
]
DENY = [
    _new("istio-injection: enabled"),  # case 41
    _new("istio-injection: disabled, istio.io/rev: asm-1-28"),
    _new("istio.io/rev: asm-1-17"),  # case 42
    _new("", "asm-1-28", "asm-1-29"),
]
FIX = [
    (_new("team: a"), _new("team: a, istio.io/rev: asm-1-28")),
    (
        "{kind: Namespace, metadata: {name: t}}",
        "{kind: Namespace, metadata: {name: t, labels: {istio.io/rev: prod-stable}}}",
    ),
]


@rule(
    kinds=(NAMESPACE,),
    operations=("CREATE",),
    reads=(MUTATING_WEBHOOKS,),
    shaped=True,
    severity="high",
    mend="enforce",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for the label that keeps the sidecars away, or for its absence."""
    labels = labels_of(review.object)
    if labels.get(MESH_LABEL) == "off" or _is_trusted(review, cluster):
        return
    stated = labels.get(REVISION, "")
    joined = set_field(review.object, (*LABELS, REVISION), cluster.revision)
    if INJECTION in labels:
        moved = joined if cluster.revision and stated not in cluster.revisions else ()
        patch = (*moved, Operation("remove", (*LABELS, INJECTION)))
        found = quote(labels[INJECTION])
        message = f"is {found}, which makes the Istio add-on skip the namespace; use {REVISION}"
        yield _finding(INJECTION, message, labels[INJECTION], Fix(patch, safe=False))
    elif stated not in cluster.revisions:
        found = f"is {quote(stated)}, a mesh revision that is not installed"
        message = f"{found if stated else 'is not set'}; {_cure(cluster)}"
        fix = Fix(joined, safe=not stated) if cluster.revision else None
        yield _finding(REVISION, message, stated, fix)


def _is_trusted(review: Review, cluster: Cluster) -> bool:
    """By its own labels: a namespace that is made is in no view yet."""
    trusted = cluster.site.trusted
    by_label = trusted.label and labels_of(review.object).get(TRUST_LABEL) == "trusted"
    return by_label or review.own_name in trusted.namespaces


def _cure(cluster: Cluster) -> str:
    if cluster.revision:
        return f"set it to {quote(cluster.revision)}"
    known = enumerate_words(sorted(cluster.revisions), "and") or "none"
    return f"no one revision is usable (known: {known}); the platform sets mesh.revision"


def _finding(label: str, message: str, found: str, fix: Fix | None) -> Finding:
    return Finding(
        check="INJ-NS",
        path=(*LABELS, label),
        message=message,
        found=found,
        fix=fix,
        why="pods of a namespace that selects no installed revision get no sidecar: they speak "
        "clear text, and no authorization policy holds for them",
    )
