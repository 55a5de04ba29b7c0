"""The last ALLOW of an AuthorizationPolicy must not be taken from workloads that it restricts.

Why: without any ALLOW, Istio lets everybody in, so to take the last one away opens what it guarded.
Source: sandbox-and-mesh 5.1; Istio API reference, AuthorizationPolicy.

Another policy counts where it selects all that this one did, as one of the mesh's root namespace
may. To delete the last one only warns: its workloads may be on their way out, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rules.model import AUTHORIZATION_POLICY, JSON, Finding, Level, Path, rule
from rules.mtls import selector_of
from rules.pods import annotations_of, mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-AuthorizationPolicy"
SHAPE = {"action": object, "selector": {"matchLabels": {str: str}}}
DRY_RUN = "istio.io/dry-run"


def _policy(spec: str, metadata: str = "name: own") -> str:
    return f"{{kind: AuthorizationPolicy, metadata: {{{metadata}}}, spec: {{{spec}}}}}"


def _change(old: str, new: str, *others: str) -> str:
    return f"{{object: {new}, old: {old}, operation: UPDATE, cluster: [{', '.join(others)}]}}"


def _deletion(old: str, *others: str) -> str:
    return f"{{object: null, old: {old}, operation: DELETE, cluster: [{', '.join(others)}]}}"


_X = "selector: {matchLabels: {app: x}}"
_NARROW = f"{_X}, rules: [{{from: [{{source: {{namespaces: [shop]}}}}]}}]"
_ROOT = _policy("", "name: nothing, namespace: aks-istio-system")
_AUDIT = _policy(f"{_X}, action: AUDIT")
_BESIDE = _policy(_X, "name: beside, namespace: default")
_ELSEWHERE = _policy("selector: {matchLabels: {app: y}}", "name: y, namespace: default")
ALLOW = [
    _change(_policy(_NARROW), _policy(_X)),
    _change(_policy(_NARROW), _AUDIT, _ROOT),
    _change(_policy(f"{_X}, action: DENY"), _AUDIT),
    _deletion(_policy(_NARROW), _ROOT),
    _deletion(_policy(_NARROW), _BESIDE),
    _deletion(_AUDIT),
]
DENY = [
    _change(_policy(_NARROW), _AUDIT),
    _change(_policy(_NARROW), _AUDIT, _ELSEWHERE),
    _change(_policy(_NARROW), _policy("selector: {matchLabels: {app: z}}")),
    _change(_policy(""), _policy(_NARROW), _BESIDE),
    _change(_policy(_X), _policy(_X, f"name: own, annotations: {{{DRY_RUN}: 'true'}}")),
]
WARN = [_deletion(_policy(_NARROW)), _deletion(_policy(""), _BESIDE)]


@rule(
    kinds=(AUTHORIZATION_POLICY,),
    operations=("UPDATE", "DELETE"),
    reads=(AUTHORIZATION_POLICY,),
    transition=True,
    shaped=True,
    severity="high",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, where what is left does not select all that the stored policy did."""
    old, goes = review.old, review.operation == "DELETE"
    if not goes:
        yield from misshapen(mapping(review.object, "spec"), SHAPE, CHECK, ("spec",))
    if not _restricts(mapping(old, "spec")) or _is_rehearsed(old):
        return
    known, root = cluster.authorization_policies, cluster.site.mesh.root
    left = [
        policy.spec
        for policy in chain(known.get(review.namespace, ()), known.get(root, ()))
        if (policy.namespace, policy.name) != (review.namespace, review.own_name)
    ]
    if not goes and not _is_rehearsed(review.object):
        left.append(mapping(review.object, "spec"))
    selected = selector_of(mapping(old, "spec")).items()
    if any(_restricts(spec) and selector_of(spec).items() <= selected for spec in left):
        return
    level: Level = "warn" if goes else "deny"
    path, state = _what(review)
    yield Finding(
        check=CHECK,
        path=path,
        message=f"{state}, and no ALLOW is left for all that it selected, so everybody is let in; "
        "first add a policy without rules for them",
        found=state,
        level=level,
    )


def _restricts(spec: JSON) -> bool:
    """Whether a policy with this spec keeps out whom no ALLOW names."""
    return mapping(spec).get("action") in (None, "ALLOW")


def _is_rehearsed(policy: JSON) -> bool:
    return annotations_of(policy).get(DRY_RUN, "false") not in ("false", "False", "FALSE", "0", "f")


def _what(review: Review) -> tuple[Path, str]:
    """What takes the policy away from its workloads: the place, and what is there now."""
    if review.operation == "DELETE":
        return (), "goes"
    if _is_rehearsed(review.object):
        return ("metadata", "annotations", DRY_RUN), "is set"
    action = mapping(review.object, "spec").get("action")
    if action not in (None, "ALLOW"):
        return ("spec", "action"), f"is {quote(action)}"
    return ("spec", "selector", "matchLabels"), "is another one"
