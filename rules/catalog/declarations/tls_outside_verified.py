"""TLS to a host outside must work, and must check whom it speaks to.

Why: TLS to anybody who answers hides the words from others and tells them to whoever took the name.
Source: specification egress 1.5; Istio API reference, ClientTLSSettings; istio/istio
pilot/pkg/networking/core/cluster_tls.go.

With `sni` alone the chain of the certificate is checked and its name is not: subjectAltNames, here
or in the ServiceEntry, say whom it must be for. Outside of the mesh nobody has a certificate for
ISTIO_MUTUAL.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.hosts import is_listed, is_mesh_host
from rules.model import DESTINATION_RULE, JSON, SERVICE_ENTRY, Finding, Path, rule
from rules.origination import hosts_of
from rules.pods import items, mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "PLAIN-HTTP"
_TLS = {"tls": {"mode": str, "sni": str, "subjectAltNames": [str]}}
_POLICY = {**_TLS, "portLevelSettings": [_TLS]}
SHAPE = {"host": str, "trafficPolicy": _POLICY, "subsets": [{"trafficPolicy": _POLICY}]}


def _to(policy: str, host: str = "a.com", rest: str = "") -> str:
    spec = f"{{host: {host}, trafficPolicy: {{{policy}}}{rest}}}"
    return f"{{kind: DestinationRule, spec: {spec}}}"


_SNI = "tls: {mode: SIMPLE, sni: a.com}"
_ENTRY = (
    "{kind: ServiceEntry, metadata: {name: e, namespace: default},"
    " spec: {hosts: [a.com], subjectAltNames: [a.com]}}"
)
ALLOW = [
    _to("tls: {mode: SIMPLE}"),
    _to("tls: {mode: SIMPLE, sni: a.com, subjectAltNames: [a.com]}"),
    _to("tls: {mode: DISABLE, sni: a.com}"),
    _to("tls: {mode: ISTIO_MUTUAL}", "reviews"),
    f"{{object: {_to(_SNI)}, cluster: [{_ENTRY}]}}",
]
WARN = [
    _to(_SNI),
    _to("tls: {mode: MUTUAL, sni: b.com}"),
    _to(f"portLevelSettings: [{{port: {{number: 80}}, {_SNI}}}]"),
    _to("", rest=f", subsets: [{{name: v1, trafficPolicy: {{{_SNI}}}}}]"),
]


@rule(kinds=(DESTINATION_RULE,), reads=(SERVICE_ENTRY,), shaped=True, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each setting of TLS that does not work, or does not check."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    host = spec.get("host")
    outside = isinstance(host, str) and not is_mesh_host(host)
    named = outside and any(
        entry.spec.get("subjectAltNames")
        for entries in cluster.service_entries.values()
        for entry in entries
        if is_listed(str(host), hosts_of(entry.spec))
    )
    for path, tls in _settings(spec):
        mode = tls.get("mode")
        if mode == "ISTIO_MUTUAL" and outside:
            stated = f'is "ISTIO_MUTUAL", which nobody at {quote(host)} speaks'
            yield _finding((*path, "mode"), mode, f"{stated}; set it to SIMPLE")
        elif mode in ("DISABLE", "ISTIO_MUTUAL") or not tls.get("sni"):
            continue
        elif not (tls.get("subjectAltNames") or named):
            message = f"is {quote(tls['sni'])} without subjectAltNames, so any name is accepted"
            yield _finding((*path, "sni"), tls["sni"], f"{message}; name the host there")


def _settings(spec: JSON) -> Iterator[tuple[Path, JSON]]:
    subsets = items(mapping(spec), ("spec",), "subsets")
    for path, owner in ((("spec",), mapping(spec)), *subsets):
        policy = mapping(owner, "trafficPolicy")
        place: Path = (*path, "trafficPolicy")
        yield (*place, "tls"), mapping(policy, "tls")
        for port, entry in items(policy, place, "portLevelSettings"):
            yield (*port, "tls"), mapping(entry, "tls")


def _finding(path: Path, found: JSON, message: str) -> Finding:
    return Finding(check=CHECK, path=path, message=message, found=found, level="warn")
