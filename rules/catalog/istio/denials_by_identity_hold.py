"""A policy that denies by identity must stand where every caller has one.

Why: whoever calls in clear text has no identity, so no DENY that names one is about them; only
under STRICT mutual TLS is there no such caller.
Source: sandbox-and-mesh 5.1; Istio, concepts of security (dependency on mutual TLS).

A DENY of all but some (`notPrincipals`, `notNamespaces`) holds for callers without identity too.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.authorization import named_identities
from rules.model import AUTHORIZATION_POLICY, JSON, PEER_AUTHENTICATION, Finding, rule
from rules.mtls import STRICT, can_meet, effective, selector_of
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.words import quote

OTHERS = (None, "ALLOW", "AUDIT", "CUSTOM")


def _deny(rules: str, *peers: str, action: str = "DENY", selector: str = "{app: a}") -> str:
    policy = (
        "{kind: AuthorizationPolicy, metadata: {name: own}, spec: {selector: {matchLabels: "
        f"{selector}}}, action: {action}, rules: [{rules}]}}}}"
    )
    return f"{{object: {policy}, cluster: [{', '.join(peers)}]}}"


def _peers(mode: str, namespace: str = "default", more: str = "") -> str:
    return (
        f"{{kind: PeerAuthentication, metadata: {{name: p, namespace: {namespace}}}, "
        f"spec: {{mtls: {{mode: {mode}}}{more}}}}}"
    )


_NAMED = "from: [{source: {namespaces: [shop]}}]"
_STRICT = _peers("STRICT", "aks-istio-system")
_BUT = ", selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: PERMISSIVE}}"
ALLOW = [
    _deny(f"{{{_NAMED}}}", _STRICT),
    _deny(f"{{{_NAMED}}}", _peers("PERMISSIVE", "aks-istio-system"), _peers("STRICT")),
    _deny(f"{{{_NAMED}}}", action="ALLOW"),
    _deny("{from: [{source: {notNamespaces: [shop]}}]}"),
    _deny("{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}"),
    _deny("{when: [{key: source.namespace, notValues: [shop]}]}"),
]
WARN = [
    _deny(f"{{{_NAMED}}}"),
    _deny(f"{{{_NAMED}}}", _peers("PERMISSIVE"), _STRICT),
    _deny(f"{{{_NAMED}}}", _peers("STRICT", more=_BUT), _STRICT, selector="{}"),
    _deny("{from: [{source: {ipBlocks: [10.0.0.0/8]}}, {source: {principals: ['*']}}]}"),
    _deny("{when: [{key: source.principal, values: ['*/ns/shop/*']}]}"),
]


@rule(
    kinds=(AUTHORIZATION_POLICY,),
    reads=(PEER_AUTHENTICATION,),
    shaped=True,
    severity="medium",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each list of identities, if some workload takes clear text."""
    spec = mapping(review.object, "spec")
    if spec.get("action") in OTHERS:
        return
    looser = sorted(_modes(spec, review.namespace, cluster) - {STRICT})
    if not looser:
        return
    for path, found in named_identities(spec.get("rules"), ("spec", "rules")):
        yield Finding(
            check="MESH-AuthorizationPolicy",
            path=path,
            message=f"is {quote(found)}; callers in clear text, let in by mutual TLS {looser[0]}, "
            "have no identity to deny: set it to STRICT",
            found=found,
            level="warn",
        )


def _modes(spec: JSON, namespace: str, cluster: Cluster) -> set[str]:
    """What the workloads under this policy ask of their callers, on some port or other."""
    policies = cluster.peer_authentications
    own = {key: value for key, value in selector_of(spec).items() if isinstance(value, str)}
    mine = {"selector": {"matchLabels": own}}
    met = [one.spec for one in policies.get(namespace, ()) if can_meet(mine, one.spec)]
    modes: set[str] = set()
    for others in ({}, *map(selector_of, met)):
        labels = {**others, **own}
        found = effective(policies, namespace, labels, root=cluster.site.mesh.root)
        modes |= {found.mode, *found.ports.values()}
    return modes
