"""A DestinationRule of a tenant must keep mutual TLS to services of the mesh.

Why: what the client's proxy sends in clear text, or to whom it does not verify, others can read.
Source: sandbox-and-mesh 5 and 5.1; istio/istio pilot/pkg/model/push_context.go (destinationRule).

One rule counts whole for a host: one without `tls` hides that of a managed rule, too, and so does
an entry of portLevelSettings. A host is taken for a service of the mesh where it may be one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rules.facts import MANAGED_LABEL
from rules.hosts import is_mesh_host, meet
from rules.model import DESTINATION_RULE, JSON, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-DestinationRule"
MODES = (None, "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")
BALANCERS = (None, "UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "RANDOM", "ROUND_ROBIN")
MUTUAL = {"mode": "ISTIO_MUTUAL"}
_SETTINGS = {"tls": {"mode": object}, "loadBalancer": {"simple": object}}
_POLICY = {**_SETTINGS, "portLevelSettings": [_SETTINGS]}
SHAPE = {"host": str, "trafficPolicy": _POLICY, "subsets": [{"trafficPolicy": _POLICY}]}


def _to(host: str, policy: str, rest: str = "") -> str:
    spec = f"{{host: {host}, trafficPolicy: {{{policy}}}{rest}}}"
    return f"{{kind: DestinationRule, metadata: {{name: own}}, spec: {spec}}}"


def _under(value: str, namespace: str = "aks-istio-system") -> str:
    """An example: where a rule of the platform asks for mutual TLS to everything."""
    metadata = f"{{name: all, namespace: {namespace}, labels: {{{MANAGED_LABEL}: 'true'}}}}"
    spec = "{host: '*.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"
    above = f"{{kind: DestinationRule, metadata: {metadata}, spec: {spec}}}"
    return f"{{object: {value}, cluster: [{above}]}}"


_MUTUAL = "tls: {mode: ISTIO_MUTUAL}"
_DISABLE = "tls: {mode: DISABLE}"
_POOL = "connectionPool: {tcp: {maxConnections: 1}}"
_PORT = f"portLevelSettings: [{{port: {{number: 80}}, {_POOL}}}]"
ALLOW = [
    _to("reviews", _POOL),
    _to("reviews", _MUTUAL),
    _to("api.example.com", "tls: {mode: SIMPLE}"),
    _to("api.example.com", _DISABLE),
    _to("api.example.com", "tls: {mode: MUTUAL, credentialName: a}", ", workloadSelector: {}"),
    _under(_to("reviews", _MUTUAL)),
    _under(_to("api.example.com", _POOL)),
]
DENY = [
    _to("reviews", _DISABLE),  # 83
    _to("reviews", "", f", subsets: [{{name: v1, trafficPolicy: {{{_DISABLE}}}}}]"),  # 83
    _to("reviews", f"portLevelSettings: [{{port: {{number: 80}}, {_DISABLE}}}]"),  # 83
    _to("reviews", "tls: {}"),
    _to("reviews", "tls: {sni: x}"),
    _to("reviews", "tls: {mode: istio_mutual}"),
    _to("'*'", "tls: {mode: SIMPLE}"),
    _to("'*s.shop.svc.cluster.local'", "tls: {mode: MUTUAL}"),
    _to("reviews", "loadBalancer: {simple: PASSTHROUGH}"),
    _to("api.example.com", "tls: {mode: SIMPLE, insecureSkipVerify: true}"),
    _to("api.example.com", "tls: {mode: SIMPLE, credentialName: a}"),
    _to("api.example.com", "tls: {mode: TLS}"),
    _under(_to("reviews", _POOL)),
    _under(_to("reviews", f"{_MUTUAL}, {_PORT}")),
]


class Settings(NamedTuple):
    """A traffic policy, or an entry of portLevelSettings, and its place."""

    path: Path
    value: Mapping[str, JSON]


@rule(kinds=(DESTINATION_RULE,), reads=(DESTINATION_RULE,), shaped=True, severity="critical")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each place that loses mutual TLS."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    policies = list(_policies(spec))
    ports = [found for policy in policies for found in _ports(policy)]
    in_mesh = is_mesh_host(spec.get("host"))
    for settings in (*policies, *ports):
        yield from _judge_tls(settings, review.object, in_mesh=in_mesh)
        if in_mesh:
            yield from _judge_balancer(settings)
    hidden = _hidden(review, cluster)
    if hidden:
        for settings in (policies[0], *ports):
            yield from _judge_hiding(settings, review.object, hidden)


def _policies(spec: JSON) -> Iterator[Settings]:
    """The traffic policies, that of the rule itself first."""
    yield Settings(("spec", "trafficPolicy"), mapping(spec, "trafficPolicy"))
    for index, subset in _items(spec, "subsets"):
        path = ("spec", "subsets", index, "trafficPolicy")
        yield Settings(path, mapping(subset, "trafficPolicy"))


def _ports(policy: Settings) -> Iterator[Settings]:
    for index, entry in _items(policy.value, "portLevelSettings"):
        yield Settings((*policy.path, "portLevelSettings", index), entry)


def _items(value: JSON, key: str) -> Iterator[tuple[int, Mapping[str, JSON]]]:
    found = mapping(value).get(key)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        yield index, mapping(item)


def _judge_tls(settings: Settings, value: JSON, *, in_mesh: bool) -> Iterator[Finding]:
    path, tls = (*settings.path, "tls"), settings.value.get("tls")
    if not isinstance(tls, dict):
        return
    mode, wanted = tls.get("mode"), "ISTIO_MUTUAL" if in_mesh else "SIMPLE"
    if mode not in MODES or (in_mesh and mode != wanted):
        fix = Fix(set_field(value, path, {"mode": wanted}), safe=False)
        stated = "is not set, which means DISABLE" if mode is None else f"is {quote(mode)}"
        loss = ", so calls within the mesh lose mutual TLS" if mode in MODES else ""
        yield _finding((*path, "mode"), mode, f'{stated}{loss}; set it to "{wanted}"', fix)
    skip = tls.get("insecureSkipVerify")
    if skip is not None and skip is not False:
        fix = Fix((Operation("remove", (*path, "insecureSkipVerify")),), safe=False)
        message = f"is {quote(skip)}, so anybody may answer for the host; remove it"
        yield _finding((*path, "insecureSkipVerify"), skip, message, fix)
    name = tls.get("credentialName")
    selects = isinstance(mapping(value, "spec").get("workloadSelector"), dict)
    if name is not None and mode != "ISTIO_MUTUAL" and not selects:
        message = f"is {quote(name)}, which sidecars use only beside a workloadSelector: without "
        yield _finding((*path, "credentialName"), name, f"{message}one they send clear text")


def _judge_balancer(settings: Settings) -> Iterator[Finding]:
    simple = mapping(settings.value, "loadBalancer").get("simple")
    if simple not in BALANCERS:
        path: Path = (*settings.path, "loadBalancer", "simple")
        loss = ", so calls leave in clear text" if simple == "PASSTHROUGH" else ""
        fix = Fix((Operation("replace", path, "LEAST_REQUEST"),), safe=False)
        yield _finding(path, simple, f'is {quote(simple)}{loss}; set it to "LEAST_REQUEST"', fix)


def _judge_hiding(settings: Settings, value: JSON, hidden: str) -> Iterator[Finding]:
    path: Path = (*settings.path, "tls")
    if settings.value.get("tls") is None:
        fix = Fix(set_field(value, path, MUTUAL), safe=False)
        message = f"is not set, which hides the mutual TLS that {hidden} asks for"
        yield _finding(path, None, f'{message}; set mode "ISTIO_MUTUAL"', fix)


def _hidden(review: Review, cluster: Cluster) -> str:
    """The name of a rule of the platform with mutual TLS that this one hides, "" if there is none.

    One in its own namespace is the matter of another rule.
    """
    own, host = review.namespace, mapping(review.object, "spec").get("host")
    others = (one for found in cluster.destination_rules.values() for one in found)
    for other in others if is_mesh_host(host) else ():
        if other.namespace == own or not (
            other.managed or other.namespace == cluster.site.mesh.root
        ):
            continue
        mutual = mapping(other.spec, "trafficPolicy", "tls") == MUTUAL
        if mutual and meet(host, other.spec.get("host"), own=own, others=other.namespace):
            return f"{other.namespace}/{other.name}"
    return ""


def _finding(path: Path, found: JSON, message: str, fix: Fix | None = None) -> Finding:
    return Finding(check=CHECK, path=path, message=message, found=found, fix=fix)
