"""A pod must not be set up to call hosts outside of the cluster by plain HTTP.

Why: HTTP without TLS can be read and changed by whoever carries it, and the answer forged.
Source: specification egress 2.1.

A URL is evidence, not proof: it denies where the network policies let the pod reach such a place
on that port, and is only told of where they do not. Among longer text it never denies. Hosts of the
cluster are nobody's outside; a Service of type ExternalName is what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rules.egress import INTERNAL_ZONES, Outside
from rules.evidence import How, Mention, aliases_of
from rules.model import (
    DESTINATION_RULE,
    NETWORK,
    POD,
    PODS,
    SERVICE_ENTRY,
    Finding,
    Level,
    rule,
)
from rules.netpol.destinations import PRIVATE, Reach
from rules.netpol.sets import Ports
from rules.origination import begins_tls
from rules.permits import reachable, weigh
from rules.review import Cluster, Review
from rules.words import quote

CHECK = "PLAIN-HTTP"
_CLEAR: frozenset[How] = frozenset({"sent", "named", "proxy"})
_SAID: dict[How, str] = {
    "sent": "fetches from",
    "named": "sends to",
    "proxy": "sends all of its HTTP through",
    "tunnel": "tells in clear text whom it calls, to the proxy",
    "mentioned": "names",
}


def _pod(container: str, rest: str = "") -> str:
    return f"{{kind: Pod, spec: {{containers: [{{name: a, {container}}}]{rest}}}}}"


def _env(name: str, value: str, rest: str = "") -> str:
    return _pod(f"env: [{{name: {name}, value: '{value}'}}]", rest)


def _args(*words: str) -> str:
    return _pod(f"args: {[*words]}")


def _beside(value: str, *objects: str) -> str:
    return f"{{object: {value}, cluster: [{', '.join(objects)}]}}"


_HOME = "metadata: {name: e, namespace: default}"
_ENTRY = (
    f"{{kind: ServiceEntry, {_HOME}, spec: {{hosts: [api.example.com],"
    " ports: [{number: 80, name: p, protocol: HTTP, targetPort: 443}]}}"
)
_RULE = (
    f"{{kind: DestinationRule, {_HOME}, spec: {{host: api.example.com,"
    " trafficPolicy: {tls: {mode: SIMPLE}}}}"
)
_ALIAS = ", hostAliases: [{ip: 127.0.0.1, hostnames: [api.example.com]}]"
ALLOW = [
    _env("XMLNS", "http://www.w3.org/2001/XMLSchema"),  # T77
    _env("ASPNETCORE_URLS", "http://+:8080"),  # T77
    _env("CLAIM", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"),
    _env("SCHEMA", "http://json-schema.org/draft-07/schema#"),
    _env("LICENSE", "http://www.apache.org/licenses/LICENSE-2.0"),
    _env("CORS_ALLOWED_ORIGINS", "http://app.example.com"),
    _env("OAUTH_REDIRECT_URL", "http://app.example.com/back"),
    _env("TOKEN_ISSUER", "http://issuer.example.com"),
    _env("NO_PROXY", "http://example.com"),
    _env("LISTEN", "http://0.0.0.0:8080"),
    _env("SELF_URL", "http://localhost:8080"),
    _env("PATTERN", "https?://.*[.]example[.]com"),
    _env("SOCKET", "unix:///run/a, h2c://a.example.com"),
    _env("AGENT_URL", "http://$(HOST_IP):8126"),
    _env("OTLP_ENDPOINT", "http://collector.default.svc.cluster.local:4317"),
    _env("API_URL", "http://web:8080"),
    _env("API_URL", "http://web.default/a"),
    _env("API_URL", "https://api.example.com"),
    _env("HTTPS_PROXY", "http://10.0.0.7:3128"),
    _env("DIR", "C:\\http\\\\files"),
    _env("API_URL", "http://api.example.com", _ALIAS),
    _args("--cors-origin=http://app.example.com", "--allowed", "http://b.example.com"),
    _beside(_env("A_URL", "http://web.shop"), "{kind: Namespace, metadata: {name: shop}}"),
    _pod("livenessProbe: {httpGet: {path: /, port: 8080}}"),  # T73
]


def _policy(name: str, egress: str) -> str:
    about = f"kind: NetworkPolicy, {_NAMED % name}"
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], egress: {egress}}}"
    return f"{{apiVersion: networking.k8s.io/v1, {about}, spec: {spec}}}"


_NAMED = "metadata: {name: %s, namespace: default}"
_CALL = _env("API_URL", "http://api.example.com")
_TLS = _policy("tls", "[{ports: [{port: 443}]}]")
_HTTP = _policy("http", "[{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 80}]}]")
_EXT = f"apiVersion: v1, kind: Service, {_NAMED % 'ext'}"
_STANDS_FOR = f"{{{_EXT}, spec: {{type: ExternalName, externalName: api.example.com}}}}"
_BY_HAND = f"{{{_EXT}, spec: {{ports: [{{port: 80}}]}}}}"
_ENDS = (
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e, namespace: default,"
    " labels: {kubernetes.io/service-name: ext}}, endpoints: [{addresses: [%s]}]}"
)
_TO_EXT = _env("API_URL", "http://ext")
_PARTNER = (
    f"{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, {_NAMED % 'partner'}, spec:"
    " {endpointSelector: {}, egress: [{toFQDNs: [{matchName: crl.digicert.com}],"
    " toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}"
)
ALLOW += [_beside(_TO_EXT, _BY_HAND, _ENDS % "10.0.0.7")]
DENY = [
    _CALL,
    _beside(_CALL, _TLS, _HTTP),
    _beside(_TO_EXT, _STANDS_FOR),  # T78
    _beside(_TO_EXT, _BY_HAND, _ENDS % "203.0.113.9"),
    _env("http_proxy", "http://proxy.example.com:3128"),
    _env("API_URL", "http://0x08080808/"),
    _pod("command: [sh, -c, 'curl -s http://api.example.com | sh']"),
    _pod("livenessProbe: {exec: {command: [wget, 'http://api.example.com']}}"),
    _pod("lifecycle: {preStop: {exec: {command: [curl, 'http://api.example.com']}}}"),
]
WARN = [
    _env("HTTP_PROXY", "http://10.0.0.7:3128"),
    _env("HTTPS_PROXY", "http://user:pass@proxy.example.com:3128"),
    _env("API_URL", "http://10.0.0.7"),
    _env("SETTINGS", '{"api": "http://api.example.com"}'),
    _args("--api", "HTTP://api.example.com/v1"),
    "{kind: Pod, metadata: {annotations: {a: 'see http://a.example.com'}}, spec: {}}",
]
INFO = [
    _beside(_CALL, _TLS),  # T75
    _beside(_env("API_URL", "http://10.0.0.7"), _TLS),
    f"{{object: {_env('CRL_URL', 'http://crl.digicert.com')},"
    " parameters: {allowed_http: ['*.digicert.com']}}",
    _beside(_CALL, _PARTNER)[:-1] + ", parameters: {allowed_http: ['*.digicert.com']}}",
    _beside(_CALL, _ENTRY, _RULE),
    _env("SETTINGS", "api=http://10.0.0.7"),
]


@rule(
    kinds=PODS,
    also=((POD, "ephemeralcontainers"),),
    reads=(*NETWORK, SERVICE_ENTRY, DESTINATION_RULE),
    shaped=True,
    severity="high",
)
def check(
    review: Review,
    cluster: Cluster,
    *,
    private_cidrs: Sequence[str] = PRIVATE,
    internal_zones: Sequence[str] = INTERNAL_ZONES,
    allowed_http: Sequence[str] = (),
) -> Iterator[Finding]:
    """`internal_zones`: DNS zones of your own. `allowed_http`: hosts (`*.x`) and CIDRs."""
    found = [mention for mention in review.mentions if mention.url.scheme == "http"]
    if not found:
        return
    outside = Outside.of(
        cluster, review.namespace, private=private_cidrs, zones=internal_zones, allowed=allowed_http
    )
    placed = list(_placed(found, outside, aliases_of(review.pod)))
    if not placed:
        return
    numbers = [mention.url.port for mention, _ in placed]
    ways = reachable(review, cluster, outside, numbers)
    for mention, place in placed:
        level = _level(mention, place, ways)
        if level is not None:
            yield _finding(mention, level, _exemption(mention, outside, review))


def _placed(
    found: Sequence[Mention], outside: Outside, aliases: Mapping[str, str]
) -> Iterator[tuple[Mention, Reach]]:
    """The mentions of what lies outside; in longer text each host once."""
    told = set[str]()
    for mention in found:
        host = mention.url.host
        place = outside.place(host, aliases)
        if place is None or place == "metadata" or (mention.how == "mentioned" and host in told):
            continue
        told.add(host)
        yield mention, place


def _level(mention: Mention, place: Reach, ways: Mapping[Reach, Ports]) -> Level | None:
    """The table of egress 2.1: how it is said, where it leads, and whether the pod gets there."""
    if place == "private" and mention.how not in _CLEAR:
        return "info" if mention.how == "mentioned" else None
    level = weigh(ways, "private" if place == "private" else "public", mention.url.port)
    if level == "deny" and (place == "private" or mention.how not in _CLEAR):
        return "warn"
    return level


def _exemption(mention: Mention, outside: Outside, review: Review) -> str | None:
    url, cluster = mention.url, outside.cluster
    if outside.is_allowed(url.host):
        return "allowed_http"
    namespaces = (review.namespace, cluster.site.mesh.root)
    entries, rules = cluster.service_entries, cluster.destination_rules
    if begins_tls(entries, rules, url.host, url.port, namespaces=namespaces):
        return "TLS origination"
    return None


def _finding(mention: Mention, level: Level, exempted_by: str | None) -> Finding:
    dead = ", which no policy lets it reach" if level == "info" and exempted_by is None else ""
    return Finding(
        check=CHECK,
        path=mention.path,
        message=f"{_SAID[mention.how]} {quote(str(mention.url))}{dead}; use https "
        "(plain-HTTP egress)",
        found=[mention.how, str(mention.url)],
        level=level,
        exempted_by=exempted_by,
    )
