"""A ServiceEntry must not declare plain HTTP to a host outside of the cluster.

Why: HTTP without TLS can be read and changed by whoever carries it, and the answer forged.
Source: specification egress 1.5 and 2 (mesh verdicts); Istio API reference, ServiceEntry.

It may where a DestinationRule begins TLS for that port, in this namespace or in the mesh's root;
apply that first. A TCP port may speak anything: on a port of HTTP it is warned of. What the network
policies grant is judged apart: with `targetPort: 443` the pod needs no port 80.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.egress import Outside, Place
from rules.model import DESTINATION_RULE, JSON, NETWORK, SERVICE_ENTRY, Finding, Level, rule
from rules.netpol.destinations import PRIVATE
from rules.origination import ENTRY_SHAPE, Declared, hosts_of, ports_of, sends
from rules.pods import items, mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "PLAIN-HTTP"


def _entry(text: str, host: str = "a.com") -> str:
    return f"{{kind: ServiceEntry, spec: {{hosts: ['{host}'], {text}}}}}"


def _port(number: int, protocol: str, rest: str = "") -> str:
    return f"ports: [{{number: {number}, name: p, protocol: {protocol}{rest}}}]"


def _beside(value: str, policy: str, host: str = "a.com", more: str = "") -> str:
    """An example: with a DestinationRule of the namespace that has this traffic policy."""
    spec = f"{{host: '{host}', trafficPolicy: {{{policy}}}{more}}}"
    beside = f"{{kind: DestinationRule, metadata: {{name: d, namespace: default}}, spec: {spec}}}"
    return f"{{object: {value}, cluster: [{beside}]}}"


_HTTP = _entry(_port(80, "HTTP"))
_SIMPLE = "tls: {mode: SIMPLE}"
_ON_80 = f"portLevelSettings: [{{port: {{number: 80}}, {_SIMPLE}}}]"
ALLOW = [
    _beside(_entry(_port(80, "HTTP", ", targetPort: 443")), _ON_80),  # T67
    _beside(_HTTP, _SIMPLE, "*.com"),
    _entry(_port(443, "TLS")),  # T70
    _entry(_port(443, "HTTPS")),
    _entry(_port(5432, "TCP")),
    _entry(_port(80, "HTTP"), "web.default.svc.cluster.local"),
    _entry(f"{_port(80, 'HTTP')}, location: MESH_INTERNAL"),  # another rule's
]
DENY = [
    _HTTP,  # T66
    _entry(_port(8080, "grpc")),
    _entry(_port(80, "HTTP2"), "*.com"),
    _entry(f"{_port(443, 'HTTP')}, endpoints: [{{address: 93.184.216.34}}]"),
    _beside(_HTTP, "tls: {mode: SIMPLE, credentialName: c}"),
    _beside(_HTTP, "tls: {mode: ISTIO_MUTUAL}"),
    _beside(_HTTP, _SIMPLE, more=", exportTo: [shop]"),
    _beside(_HTTP, _SIMPLE, "b.com"),
]
WARN = [
    _entry(f"{_port(80, 'HTTP')}, endpoints: [{{address: 10.0.0.7}}]"),
    _entry(_port(80, "HTTP"), "wiki.corp.internal"),
    _beside(_HTTP, "tls: {mode: SIMPLE, credentialName: c}", more=", workloadSelector: {}"),
]
INFO = [f"{{object: {_HTTP}, parameters: {{allowed_http: [a.com]}}}}"]


@rule(kinds=(SERVICE_ENTRY,), reads=(DESTINATION_RULE, *NETWORK), shaped=True, severity="high")
def check(
    review: Review,
    cluster: Cluster,
    *,
    hard_ports: Sequence[int] = (80,),
    private_cidrs: Sequence[str] = PRIVATE,
    allowed_http: Sequence[str] = (),
) -> Iterator[Finding]:
    """`hard_ports`: those of HTTP. `allowed_http`: hosts (`*.x`: all below x) and CIDRs."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, ENTRY_SHAPE, CHECK, ("spec",))
    outside = Outside.of(cluster, review.namespace, private=private_cidrs, allowed=allowed_http)
    hosts = hosts_of(spec)
    for port in ports_of(spec):
        for host in hosts:
            level = _level(port, _place(spec, host, outside), frozenset(hard_ports))
            if level is None:
                continue
            namespaces = (review.namespace, cluster.site.mesh.root)
            sent = sends(cluster.destination_rules, host, port.number, namespaces=namespaces)
            if port.speech == "clear" and sent == "tls":
                continue
            level = "warn" if sent == "some" else level
            yield _finding(port, host, level, exempt=outside.is_allowed(host))
            break  # one port, one Finding


def _place(spec: JSON, host: str, outside: Outside) -> Place:
    """Where the calls go: to the endpoints, if there are any, else to the host."""
    ends = [one.value.get("address") for one in items(mapping(spec), (), "endpoints")]
    named = [one for one in ends if isinstance(one, str)] or [host.replace("*", "any.any")]
    return "public" if "public" in map(outside.place, named) else "private"


def _level(port: Declared, place: Place, hard_ports: frozenset[int]) -> Level | None:
    if port.speech == "tls":
        return None
    if port.speech == "unknown":
        return "warn" if hard_ports & port.wire else None
    return "deny" if place == "public" else "warn"


def _finding(port: Declared, host: str, level: Level, *, exempt: bool) -> Finding:
    if port.speech == "unknown":
        message = f"says nothing of TLS to {quote(host)} on a port of HTTP; set it to TLS"
    else:
        cure = "declare HTTPS on 443, or first begin TLS in a DestinationRule"
        message = f"is clear text to {quote(host)}; {cure}"
    return Finding(
        check=CHECK,
        path=(*port.path, "protocol"),
        message=f"{message} (plain-HTTP egress)",
        found=[port.speech, host],
        level=level,
        exempted_by="allowed_http" if exempt else None,
    )
