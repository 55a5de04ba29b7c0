"""An AuthorizationPolicy of a tenant must restrict: it allows something to somebody in particular.

Why: any ALLOW of a namespace adds to the root's deny-by-default; one that fits everybody undoes it.
Source: sandbox-and-mesh 5 and 5.1; istio/istio pilot/pkg/security/authz; Istio security practices.

`meshWide: false` says that any identity of the mesh is not somebody in particular.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules import authorization
from rules.authorization import Kind, openings, void_values
from rules.model import AUTHORIZATION_POLICY, JSON, Finding, Fix, Level, Operation, Path, rule
from rules.patch import lookup
from rules.pods import annotations_of, mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-AuthorizationPolicy"
SHAPE = {"rules": [authorization.SHAPE], "targetRefs": [dict], "provider": {"name": object}}
DRY_RUN: Path = ("metadata", "annotations", "istio.io/dry-run")
TRUTHS = ("1", "t", "T", "TRUE", "true", "True")  # Go's ParseBool
ACTIONS = (None, "ALLOW", "DENY", "AUDIT", "CUSTOM")
OPENINGS: dict[Kind, tuple[Level, str]] = {
    "everything": ("deny", "lets everybody in"),
    "negative": ("deny", "says only who is not meant, so everybody else is let in"),
    "any-source": ("warn", "lets in any source, even one without identity"),
}
CURE = "name principals, namespaces or ipBlocks in from"


def _policy(text: str) -> str:
    return f"{{kind: AuthorizationPolicy, metadata: {{name: own}}, spec: {{{text}}}}}"


def _from(source: str, rest: str = "") -> str:
    return _policy(f"rules: [{{from: [{{source: {{{source}}}}}]{rest}}}]")


def _tight(policy: str) -> str:
    return f"{{object: {policy}, parameters: {{meshWide: false}}}}"


_GET = "to: [{operation: {methods: [GET]}}]"
ALLOW = [
    _policy(""),
    _policy("action: DENY, rules: [{}]"),
    _policy("action: AUDIT, rules: [{}]"),  # 82
    _from("namespaces: [shop]"),
    _from("principals: ['*']"),
    _tight(_from("principals: [cluster.local/ns/shop/sa/web]")),
    _tight(_from("principals: ['cluster.local/ns/shop/*']")),
    _tight(_from("principals: ['*']", ", " + _GET)),
    _from("ipBlocks: [10.0.0.0/8]"),
    _from("namespaces: [shop], notPrincipals: [a/ns/shop/sa/b]"),
    _policy("rules: [{when: [{key: source.namespace, values: [shop]}]}]"),
    "{object: " + _policy("action: CUSTOM, provider: {name: oauth}, rules: [{}]") + ","
    " parameters: {providers: [oauth]}}",
    "{kind: AuthorizationPolicy, metadata: {annotations: {istio.io/dry-run: 'false'}}}",
]
DENY = [
    _policy("rules: [{}]"),  # 75
    _policy("rules: [null]"),
    _policy("rules: [{from: []}]"),
    _policy("rules: [{from: [], when: []}]"),
    _policy("rules: [{to: [{operation: {paths: ['/*']}}]}]"),
    _policy("rules: [{to: [{operation: {paths: ['/{**}']}}]}]"),
    _policy("rules: [{to: [{operation: {notPaths: [/admin]}}]}]"),
    _policy("rules: [{when: [{key: source.ip, values: [0.0.0.0/0]}]}]"),
    _policy("rules: [{when: [{key: source.namespace, notValues: [a]}]}]"),
    _policy("action: allow, rules: [{}]"),
    _from("ipBlocks: [0.0.0.0/0]"),  # 78
    _from("ipBlocks: [0.0.0.0/1, 128.0.0.0/1]"),
    _from("notNamespaces: [shop]"),
    _policy("rules: [{from: [{source: {namespaces: [a]}}, {source: {notNamespaces: [b]}}]}]"),
    _from("notNamespaces: [shop]", ", " + _GET),
    _tight(_from("principals: ['*']")),  # 79
    _tight(_from("principals: ['cluster.local/ns/*']")),
    _tight(_from("principals: ['c*']")),
    _tight(_from("namespaces: ['**']")),
    _tight(_from("requestPrincipals: ['*']")),
    _tight(_policy("rules: [{when: [{key: source.principal, values: ['*']}]}]")),
    _from("principals: ['spiffe://cluster.local/ns/a/sa/b']"),
    _from("principals: ['cluster.local/ns/*/sa/b']"),
    _from("namespaces: [a]", ", to: [{operation: {methods: [get]}}]"),
    _policy("action: CUSTOM, provider: {name: bogus}, rules: [{}]"),  # 82
    "{kind: AuthorizationPolicy, metadata: {annotations: {istio.io/dry-run: 'true'}}}",
]
WARN = [
    _policy(f"rules: [{{{_GET}}}]"),  # 77
    _policy("action: DENY, targetRefs: [{kind: Service, name: a}], rules: [{}]"),
]


@rule(kinds=(AUTHORIZATION_POLICY,), shaped=True, severity="high")
def check(
    review: Review,
    _cluster: Cluster,
    *,
    meshWide: bool = True,  # noqa: N803  # as the rulebook writes it
    providers: Sequence[str] = (),
) -> Iterator[Finding]:
    """`meshWide`: "any identity of the mesh" restricts enough; `providers`: those of CUSTOM."""
    value = review.object
    spec = mapping(value, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    action = spec.get("action")
    if action not in ACTIONS:
        message = f"is {quote(action)}; set it to ALLOW, DENY, AUDIT or CUSTOM"
        yield _finding(("spec", "action"), action, message)
    if action not in ACTIONS[2:]:
        for path, kind in openings(spec.get("rules"), ("spec", "rules"), mesh_wide=meshWide):
            level, effect = OPENINGS[kind]
            found = lookup(value, path)
            stated = f"is {quote(found)}, which " if isinstance(found, str) else ""
            yield _finding(path, found, f"{stated}{effect}; {CURE}", level)
    for path, text in void_values(spec.get("rules"), ("spec", "rules")):
        yield _finding(path, text, f"is {quote(text)}, which never matches anything; correct it")
    yield from _judge_provider(spec, action, providers)
    yield from _judge_reach(value)


def _judge_provider(spec: JSON, action: JSON, providers: Sequence[str]) -> Iterator[Finding]:
    name = mapping(spec, "provider").get("name")
    if (action == "CUSTOM" or spec.get("provider") is not None) and name not in providers:
        stated = "is not set" if name is None else f"is {quote(name)}"
        message = f"{stated}, which is no provider that the platform lists"
        yield _finding(("spec", "provider", "name"), name, message)


def _judge_reach(value: JSON) -> Iterator[Finding]:
    """A policy that Istio only rehearses, or that no sidecar reads, holds for nothing."""
    if (stated := annotations_of(value).get("istio.io/dry-run")) in TRUTHS:
        fix = Fix((Operation("remove", DRY_RUN),), safe=False)
        message = f"is {quote(stated)}, so the policy is rehearsed and not enforced; remove it"
        yield Finding(check=CHECK, path=DRY_RUN, message=message, found=stated, fix=fix)
    found = lookup(value, ("spec", "targetRefs"))
    for index, target in enumerate(found if isinstance(found, list) else ()):
        if (kind := mapping(target).get("kind")) != "Gateway":
            message = f"is a {quote(kind)}: sidecars ignore this policy; use selector instead"
            yield _finding(("spec", "targetRefs", index), kind, message, "warn")


def _finding(path: Path, found: JSON, message: str, level: Level = "deny") -> Finding:
    return Finding(check=CHECK, path=path, message=message, found=found, level=level)
