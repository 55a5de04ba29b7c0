"""Only the platform may change the labels and annotations by which a namespace is held.

Why: whoever edits a namespace could lift every rule from it: leave the mesh, hide from webhooks,
join another tenant, call itself trusted.
Source: sandbox-and-mesh 2, TEN-1 to TEN-3 and TEN-5; contracts 5 and 11, OTHER-MESH.

The keys stand in `rules/guarded.py`; the tenant label and every label that an override of the
rulebook selects by are guarded, too. A new namespace may select an installed mesh revision by
itself. The subresources status and finalize carry labels as well, and are held to the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.guarded import ANNOTATIONS, Guard, find, guarded_labels
from rules.injection import REVISION
from rules.model import JSON, MUTATING_WEBHOOKS, NAMESPACE, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import labels_of, mapping
from rules.principal import admission, introduce, is_platform
from rules.review import Cluster, Review
from rules.words import quote

JOINING: Path = ("metadata", "labels", REVISION)

_ISTIO = (
    "{kind: MutatingWebhookConfiguration, metadata: {name: istio,"
    " labels: {app: sidecar-injector, istio.io/rev: asm-1-28}}}"
)


def _new(labels: str, annotations: str = "") -> str:
    metadata = f"{{name: t, labels: {{{labels}}}, annotations: {{{annotations}}}}}"
    return f"{{object: {{kind: Namespace, metadata: {metadata}}}, cluster: [{_ISTIO}]}}"


def _change(old: str, new: str, subresource: str = "", user: str = "developer") -> str:
    """An example: the namespace changes from these labels to those."""
    before, after = (
        f"{{kind: Namespace, metadata: {{name: t, labels: {{{labels}}}}}}}" for labels in (old, new)
    )
    return (
        f"{{object: {after}, old: {before}, operation: UPDATE, subresource: '{subresource}',"
        f" user: {{username: {user}, groups: ['system:authenticated']}}, cluster: [{_ISTIO}]}}"
    )


_IN = "istio.io/rev: asm-1-28"
_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
_ADMIN = "{username: root, groups: ['system:masters', 'system:authenticated']}"
ALLOW = [
    _new("team: a, istio.io/rev: asm-1-28"),
    _change(_IN, f"{_IN}, team: a"),
    _change(_IN, _IN, "finalize", _CONTROLLER),  # case 38
    "{object: {kind: Namespace, metadata: {name: t, labels: {sallyport.dev/tenant: a}}},"
    f" user: {_ADMIN}}}",
]
DENY = [
    _new("sallyport.dev/trust: trusted"),  # TEN-5
    _new("sallyport.dev/trust: Trusted"),  # case 11: it would mean nothing, and is not theirs
    _new("istio.io/rev: asm-1-17"),  # case 42
    _new("istio-injection: enabled"),  # case 41
    _new("linkerd.io/inject: enabled"),
    _new("", "linkerd.io/inject: enabled"),
    _new("", "scheduler.alpha.kubernetes.io/node-selector: pool=a"),
    _change(f"{_IN}, team: a", "team: a"),  # case 43
    _change(_IN, f"{_IN}, control-plane: 'true'"),
    _change("sallyport.dev/tenant: a", "sallyport.dev/tenant: b"),
    _change(_IN, f"{_IN}, sallyport.dev/mesh: 'off'", "status"),  # case 37
    _change(_IN, f"{_IN}, sallyport.dev/mesh: 'off'", "finalize"),  # case 37
]


@rule(
    kinds=(NAMESPACE,),
    subresources=("", "status", "finalize"),
    reads=(MUTATING_WEBHOOKS,),
    shaped=True,
    severity="critical",
    scope="everywhere",
    transition=True,
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each guarded key that is added, changed or removed."""
    if is_platform(review, cluster):
        return
    for name, guards in (("labels", guarded_labels(cluster.site)), ("annotations", ANNOTATIONS)):
        old = mapping(review.old, "metadata", name)
        new = mapping(review.object, "metadata", name)
        for key in sorted(old.keys() | new.keys()):
            path: Path = ("metadata", name, key)
            guard = find(guards, key)
            if guard is None or old.get(key) == new.get(key):
                continue
            if path == JOINING and _joins(review, cluster):
                continue
            yield _finding(review, guard, path, old.get(key), new.get(key))


def _joins(review: Review, cluster: Cluster) -> bool:
    """Whether a new namespace selects a mesh revision that is installed."""
    return (
        review.operation == "CREATE" and labels_of(review.object).get(REVISION) in cluster.revisions
    )


def _finding(review: Review, guard: Guard, path: Path, old: JSON, new: JSON) -> Finding:
    done = "is removed" if new is None else f"is {quote(new)}"
    check = "TEN-2" if review.subresource and guard.check == "TEN-1" else guard.check
    cure = "leave it unset" if old is None else f"leave it {quote(old)}"
    return Finding(
        check=check,
        path=path,
        message=f"{done}; {cure}: {introduce(review)} is not the platform",
        found=new,
        fix=Fix(_restore(review, path, old), safe=False),
        why=f"it {guard.why}; {admission(review)}",
    )


def _restore(review: Review, path: Path, old: JSON) -> tuple[Operation, ...]:
    if old is None:
        return (Operation("remove", path),)
    return set_field(review.object, path, old)
