"""An AuthorizationPolicy that asks for what only HTTP has must be about ports that speak HTTP.

Why: on a TCP port an ALLOW with such a condition never matches, so all is refused; a DENY loses the
condition and denies more than it says; and an HTTP provider of a CUSTOM is not asked.
Source: sandbox-and-mesh 5.1; istio/istio pilot/pkg/security/authz; Istio, protocol selection.

A port is TCP where a Service names it or its appProtocol so. Ports that no Service tells of are
sniffed, and nothing is said of them, nor of an ALLOW that is about HTTP ports as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.http_conditions import condition_of, is_about
from rules.model import AUTHORIZATION_POLICY, JSON, NETWORK, Finding, Path, rule
from rules.mtls import selector_of
from rules.pods import mapping
from rules.protocols import Port, ports_of
from rules.review import Cluster, Review
from rules.words import printable, quote

CURE = "drop it, or name the port http"


def _policy(rules: str, action: str = "ALLOW", more: str = "") -> str:
    spec = f"action: {action}, rules: [{{{rules}}}]{more}"
    return f"{{kind: AuthorizationPolicy, metadata: {{name: own}}, spec: {{{spec}}}}}"


def _service(ports: str, selector: str = "{app: db}") -> str:
    return (
        "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: default}, "
        f"spec: {{selector: {selector}, ports: [{ports}]}}}}"
    )


def _beside(policy: str, *cluster: str) -> str:
    return f"{{object: {policy}, cluster: [{', '.join(cluster)}]}}"


_GET = "to: [{operation: {methods: [GET]}}]"
_TCP, _HTTP = "{port: 5432, name: tcp-db}", "{port: 80, name: http, targetPort: 8080}"
_SHOP = "from: [{source: {namespaces: [shop]}}]"
_POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, labels: {app: db}}, "
    "spec: {containers: [{name: a, ports: [{name: sql, containerPort: 5432}]}]}}"
)
_BY_NAME = "{port: 80, targetPort: sql, appProtocol: tcp}"
ALLOW = [
    _policy(_GET),
    _beside(_policy(_GET), _service(_HTTP)),
    _beside(_policy(_GET), _service(f"{_TCP}, {_HTTP}")),
    _beside(_policy(_GET), _service("{port: 8080}")),
    _beside(_policy(_SHOP), _service(_TCP)),
    _beside(_policy(_GET, more=", selector: {matchLabels: {app: web}}"), _service(_TCP)),
    _beside(_policy(_GET, "AUDIT"), _service(_TCP)),
    _beside(
        _policy("to: [{operation: {methods: [GET], ports: ['8080']}}]", "DENY"),
        _service(f"{_TCP}, {_HTTP}"),
    ),
    _beside(_policy(_GET), _service("{port: 5432, name: tcp-db, appProtocol: http}")),
    _beside(
        _policy(_GET), _service(_TCP), _service(_HTTP.replace("8080", "5432")).replace("db", "w")
    ),
]
WARN = [
    _beside(_policy(_GET), _service(_TCP)),
    _beside(_policy(_GET), _service("{port: 3306}")),
    _beside(_policy("to: [{operation: {paths: [/zz]}}]", "DENY"), _service(f"{_TCP}, {_HTTP}")),
    _beside(_policy("from: [{source: {requestPrincipals: ['*']}}]", "DENY"), _service(_TCP)),
    _beside(_policy(_SHOP + ", when: [{key: 'request.headers[a]', values: [b]}]"), _service(_TCP)),
    _beside(_policy(_GET), _service(_BY_NAME), _POD),
    _beside(_policy(_SHOP, "CUSTOM", ", provider: {name: a}"), _service(_TCP)),
]


@rule(kinds=(AUTHORIZATION_POLICY,), reads=NETWORK, shaped=True, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each rule with such a condition; one for a CUSTOM."""
    spec = mapping(review.object, "spec")
    action, rules = spec.get("action"), spec.get("rules")
    if action == "AUDIT":
        return
    allows = action in (None, "ALLOW")
    selected = {k: v for k, v in selector_of(spec).items() if isinstance(v, str)}
    ports: list[Port] | None = None
    for index, each in enumerate(rules if rules and isinstance(rules, list) else [{}]):
        value = mapping(each)
        condition = condition_of(value, ("spec", "rules", index))
        if condition is None and action != "CUSTOM":
            continue
        if ports is None:
            ports = list(ports_of(cluster.network, review.namespace, selected))
        covered = [port for port in ports if is_about(value, str(port.target))]
        tcp = next((port for port in covered if port.speech == "TCP"), None)
        if tcp is None:
            continue
        if action == "CUSTOM":
            yield _unasked(tcp)
            return
        met_elsewhere = any(port.speech != "TCP" for port in covered)
        if condition and not (allows and met_elsewhere):
            yield _finding(*condition, tcp, allows=allows)


def _finding(path: Path, found: JSON, port: Port, *, allows: bool) -> Finding:
    effect = "the rule never matches there" if allows else "the rule denies all there"
    message = f"is {quote(found)}, and {port} is TCP, so {effect}; {CURE}"
    return Finding(
        check="MESH-AuthorizationPolicy",
        path=path,
        message=printable(message),
        found=found,
        level="warn",
    )


def _unasked(port: Port) -> Finding:
    message = f'is "CUSTOM", and {port} is TCP, where no provider of HTTP is asked; {CURE}'
    return Finding(
        check="MESH-AuthorizationPolicy",
        path=("spec", "action"),
        message=printable(message),
        found="CUSTOM",
        level="warn",
    )
