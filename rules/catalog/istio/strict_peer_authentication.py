"""A PeerAuthentication of a tenant must ask for mutual TLS, and must not displace a managed one.

Why: who accepts clear text cannot know its caller, and rules by identity no longer hold for it.
Source: sandbox-and-mesh 5 and 5.1; istio/istio pilot/pkg/security/authn/policy_applier.go.

On each level (namespace, workload) one policy counts, the oldest, whole: a second one beside a
managed one may void it, whatever its mode.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.facts import MANAGED_LABEL
from rules.model import JSON, PEER_AUTHENTICATION, Finding, Fix, Path, rule
from rules.mtls import can_meet, effective, level_of, selector_of
from rules.patch import lookup, set_field
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-PeerAuthentication"
SHAPE = {"mtls": dict, "portLevelMtls": dict, "selector": {"matchLabels": {str: str}}}
MTLS: Path = ("spec", "mtls")
PORTS: Path = ("spec", "portLevelMtls")
SELECTOR: Path = ("spec", "selector")


def _spec(text: str) -> str:
    return f"{{kind: PeerAuthentication, metadata: {{name: own}}, spec: {{{text}}}}}"


def _beside(text: str, other: str, namespace: str = "default") -> str:
    """An example: beside a policy of the platform."""
    labels = f"labels: {{{MANAGED_LABEL}: 'true'}}"
    metadata = f"{{name: platform, namespace: {namespace}, {labels}}}"
    managed = f"{{kind: PeerAuthentication, metadata: {metadata}, spec: {{{other}}}}}"
    return f"{{object: {_spec(text)}, cluster: [{managed}]}}"


_X = "selector: {matchLabels: {app: x}}"
_STRICT = "mtls: {mode: STRICT}"
ALLOW = [
    _spec(_STRICT),
    _spec(f"{_X}, {_STRICT}, portLevelMtls: {{8080: {{mode: STRICT}}, 9090: {{}}}}"),
    _beside(f"{_X}, {_STRICT}", _STRICT),
    _beside(_STRICT, f"selector: {{matchLabels: {{app: y}}}}, {_STRICT}"),
    _beside("mtls: {mode: UNSET}", _STRICT, "aks-istio-system"),
]
DENY = [
    _spec("mtls: {mode: PERMISSIVE}"),  # 71
    _spec(f"{_X}, {_STRICT}, portLevelMtls: {{'8080': {{mode: DISABLE}}}}"),  # 71
    _spec("mtls: {mode: DISABLE}"),
    _spec("mtls: {mode: strict}"),
    _beside("", _STRICT),
    _beside(_STRICT, f"{_STRICT}, selector: {{}}"),
    _beside(f"selector: {{matchLabels: {{v: '1'}}}}, {_STRICT}", f"{_X}, {_STRICT}"),
]
WARN = [
    _spec("mtls: {mode: UNSET}"),
    "{kind: PeerAuthentication}",
    _beside("mtls: {mode: UNSET}", "mtls: {mode: PERMISSIVE}", "aks-istio-system"),
]


@rule(kinds=(PEER_AUTHENTICATION,), reads=(PEER_AUTHENTICATION,), shaped=True, severity="critical")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each mode, and one for each managed policy that may be displaced."""
    value = review.object
    spec = mapping(value, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    for path in (MTLS, *((*PORTS, port) for port in mapping(spec, "portLevelMtls"))):
        yield from _judge_mode(value, path)
    yield from _judge_displacement(review, cluster)
    yield from _judge_inheritance(review, cluster)


def _judge_mode(value: JSON, path: Path) -> Iterator[Finding]:
    mtls = lookup(value, path)
    if mtls is None or (path == MTLS and not isinstance(mtls, dict)):
        return
    mode = mtls.get("mode") if isinstance(mtls, dict) else mtls
    if mode not in (None, "UNSET", "STRICT"):
        fix = Fix(set_field(value, path, {"mode": "STRICT"}), safe=False)
        accepts = ", so clear text is accepted" if mode in ("DISABLE", "PERMISSIVE") else ""
        message = f'is {quote(mode)}{accepts}; set it to "STRICT" or remove it'
        yield _finding((*path, "mode"), mode, message, fix)


def _judge_displacement(review: Review, cluster: Cluster) -> Iterator[Finding]:
    spec, root = mapping(review.object, "spec"), cluster.site.mesh.root
    level = level_of(spec, review.namespace, root)
    for other in cluster.peer_authentications.get(review.namespace, ()):
        if not other.managed or other.name == mapping(review.object, "metadata").get("name"):
            continue
        if level_of(other.spec, review.namespace, root) == level and can_meet(spec, other.spec):
            narrow = bool(selector_of(spec))
            cure = "narrow it, or leave this one out" if narrow else "leave this one out"
            yield _finding(
                (*SELECTOR, "matchLabels") if narrow else SELECTOR,
                other.name,
                f"meets pods of the managed PeerAuthentication {quote(other.name)}, and of two on "
                f"this level only the oldest counts; {cure}",
            )


def _judge_inheritance(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """What is left open is inherited: worth a word where that is not STRICT."""
    known, spec = cluster.peer_authentications, mapping(review.object, "spec")
    if mapping(spec, "mtls").get("mode") not in (None, "UNSET"):
        return
    above = {
        namespace: tuple(p for p in policies if not selector_of(p.spec))
        for namespace, policies in known.items()
        if selector_of(spec) or namespace == cluster.site.mesh.root
    }
    inherited = effective(above, review.namespace, {}, root=cluster.site.mesh.root).mode
    if inherited != "STRICT":
        yield Finding(
            check=CHECK,
            path=(*MTLS, "mode"),
            message=f'is left open, and what it inherits is {inherited}; set it to "STRICT"',
            level="warn",
            fix=Fix(set_field(review.object, (*MTLS, "mode"), "STRICT"), safe=False),
        )


def _finding(path: Path, found: JSON, message: str, fix: Fix | None = None) -> Finding:
    return Finding(check=CHECK, path=path, message=message, found=found, fix=fix)
