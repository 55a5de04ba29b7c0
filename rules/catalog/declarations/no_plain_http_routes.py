"""A VirtualService must not route or mirror to plain HTTP outside of the cluster.

Why: a name of the mesh would then lead out, and what is sent to it could be read on the way.
Source: specification egress 1.5; Istio API reference, VirtualService.

A redirect is no route: it only answers. Routes of `tls` pass on what is encrypted already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rules.egress import Outside
from rules.hosts import is_listed, is_mesh_host
from rules.model import (
    DESTINATION_RULE,
    JSON,
    NETWORK,
    SERVICE_ENTRY,
    VIRTUAL_SERVICE,
    Finding,
    Path,
    rule,
)
from rules.origination import hosts_of, ports_of, sends
from rules.pods import Item, items, mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "PLAIN-HTTP"
_TO = {"host": str, "subset": str, "port": {"number": int}}
_HTTP = {"route": [{"destination": _TO}], "mirror": _TO, "mirrors": [{"destination": _TO}]}
SHAPE = {"http": [_HTTP], "tcp": [{"route": [{"destination": _TO}]}]}

_PORTS = "ports: [{number: 80, name: p, protocol: HTTP}, {number: 443, name: s, protocol: HTTPS}]"
_ENTRY = (
    "{kind: ServiceEntry, metadata: {name: e, namespace: default},"
    f" spec: {{hosts: [a.com], {_PORTS}}}}}"
)


def _route(text: str, *beside: str) -> str:
    value = f"{{kind: VirtualService, spec: {{hosts: [web], {text}}}}}"
    return f"{{object: {value}, cluster: [{', '.join((_ENTRY, *beside))}]}}"


def _to(rest: str = "", host: str = "a.com") -> str:
    return f"http: [{{route: [{{destination: {{host: {host}{rest}}}}}]}}]"


_ORIGINATED = (
    "{kind: DestinationRule, metadata: {name: d, namespace: default},"
    " spec: {host: a.com, subsets: [{name: safe, trafficPolicy: {tls: {mode: SIMPLE}}}]}}"
)
ALLOW = [
    _route(_to(host="reviews")),
    _route(_to(host="b.com")),
    _route(_to(", port: {number: 443}")),
    _route(_to(", subset: safe", "a.com"), _ORIGINATED),
    _route("http: [{redirect: {authority: a.com}}]"),
]
DENY = [
    _route(_to()),
    _route("http: [{route: [{destination: {host: web}}], mirror: {host: a.com}}]"),
    _route("http: [{mirrors: [{destination: {host: a.com}}]}]"),
    _route("tcp: [{route: [{destination: {host: a.com}}]}]"),
    _route(_to(", subset: other"), _ORIGINATED),
]
INFO = [_route(_to())[:-1] + ", parameters: {allowed_http: [a.com]}}"]


@rule(
    kinds=(VIRTUAL_SERVICE,),
    reads=(DESTINATION_RULE, SERVICE_ENTRY, *NETWORK),
    shaped=True,
    severity="high",
)
def check(
    review: Review, cluster: Cluster, *, allowed_http: Sequence[str] = ()
) -> Iterator[Finding]:
    """`allowed_http`: hosts (`*.x`: all below x) that may be reached by plain HTTP."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    outside = Outside.of(cluster, review.namespace, allowed=allowed_http)
    for path, destination in _destinations(spec):
        host = destination.get("host")
        if isinstance(host, str) and _is_clear(destination, host, review, cluster):
            yield Finding(
                check=CHECK,
                path=(*path, "host"),
                message=f"is {quote(host)}, outside, and called in clear text; route to its HTTPS "
                "port, or begin TLS in a DestinationRule (plain-HTTP egress)",
                found=host,
                exempted_by="allowed_http" if outside.is_allowed(host) else None,
            )


def _destinations(spec: JSON) -> Iterator[tuple[Path, Mapping[str, JSON]]]:
    for key in ("http", "tcp"):
        for each in items(mapping(spec), ("spec",), key):
            targets = items(each.value, each.path, "route")
            targets += items(each.value, each.path, "mirrors")
            for path, target in targets:
                yield Item((*path, "destination"), mapping(target, "destination"))
            yield Item((*each.path, "mirror"), mapping(each.value, "mirror"))


def _is_clear(destination: Mapping[str, JSON], host: str, review: Review, cluster: Cluster) -> bool:
    """Whether some declared port that the destination may mean is called in clear text."""
    if "." not in host or is_mesh_host(host):
        return False
    stated, subset = mapping(destination, "port").get("number"), destination.get("subset")
    meant = stated if isinstance(stated, int) else None
    root = cluster.site.mesh.root
    for entries in cluster.service_entries.values():
        for entry in entries:
            if not is_listed(host, hosts_of(entry.spec)):
                continue
            for port in ports_of(entry.spec):
                if port.speech != "clear" or meant not in (None, port.number):
                    continue
                sent = sends(
                    cluster.destination_rules,
                    host,
                    port.number,
                    namespaces=(review.namespace, entry.namespace, root),
                    subset=subset if isinstance(subset, str) else "",
                )
                if sent == "clear":
                    return True
    return False
