"""Which calls to hosts outside leave a sidecar in clear text: ServiceEntries and DestinationRules.

Source: Istio API reference, ServiceEntry and DestinationRule; istio/istio pilot/pkg/model
(push_context.go, destination_rule.go) and pilot/pkg/networking/util/util.go, as told in egress 1.5
and sandbox-and-mesh 5.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from rules.facts import MeshPolicies, MeshPolicy
from rules.hosts import ANY, full, is_listed, is_mesh_host, normal
from rules.model import JSON, Path
from rules.pods import items, mapping

Speech = Literal["clear", "tls", "unknown"]
"""What a port speaks by its protocol; unknown is any bytes at all."""
Sends = Literal["clear", "tls", "some"]
"""How calls leave; some: only those of pods that a workloadSelector selects are encrypted."""

CLEAR = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB"})
ENCRYPTED = frozenset({"HTTPS", "TLS"})
HTTP_PORT = 80
ORIGINATING = ("SIMPLE", "MUTUAL")
ENTRY_SHAPE = {
    "hosts": [str],
    "addresses": [str],
    "location": str,
    "resolution": str,
    "ports": [{"number": int, "name": str, "protocol": str, "targetPort": int}],
    "endpoints": [{"address": str, "ports": {str: int}}],
}
"""What is read of a ServiceEntry."""


class Declared(NamedTuple):
    """A port of a ServiceEntry: its place, number and speech, and the ports it has on the wire."""

    path: Path
    number: int
    speech: Speech
    wire: frozenset[int]


def hosts_of(spec: JSON) -> list[str]:
    """The hosts of a ServiceEntry that lie outside of the mesh; where it names none, any may."""
    stated = mapping(spec).get("hosts")
    if mapping(spec).get("location") == "MESH_INTERNAL":
        return []
    if not isinstance(stated, list) or not stated:
        return [ANY]
    named = (host if isinstance(host, str) else ANY for host in stated)
    return [host for host in named if not _is_mesh_name(host)]


def ports_of(spec: JSON) -> Iterator[Declared]:
    """The ports of a ServiceEntry."""
    for path, port in items(mapping(spec), ("spec",), "ports"):
        number = port.get("number")
        number = number if isinstance(number, int) else HTTP_PORT  # the API server refuses it
        stated = str(port.get("protocol") or "").upper()
        speech: Speech = "clear" if stated in CLEAR else "unknown"
        speech = "tls" if stated in ENCRYPTED else speech
        yield Declared(path, number, speech, frozenset(_wire(spec, port, number)))


def sends(
    rules: MeshPolicies, host: str, port: int, *, namespaces: Iterable[str], subset: str = ""
) -> Sends:
    """How calls to a port of a host leave, if the port speaks clear text.

    `rules` are the DestinationRules; of these namespaces, that of the caller first, the first that
    has one for the host counts.
    """
    client, *further = dict.fromkeys(namespaces)
    some = False
    for namespace in (client, *further):
        about = [one for one in rules.get(namespace, ()) if _is_about(one, host, client)]
        for one in about:
            if one.spec.get("workloadSelector") is not None:
                some |= _originates(_tls(one.spec, port, subset), selected=True)
        whole = [one for one in about if one.spec.get("workloadSelector") is None]
        if whole:
            nearest = max(whole, key=_precision)  # of equals the oldest, which comes first
            if _originates(_tls(nearest.spec, port, subset), selected=False):
                return "tls"
            break
    return "some" if some else "clear"


def begins_tls(
    entries: MeshPolicies,
    rules: MeshPolicies,
    host: str,
    port: int,
    *,
    namespaces: tuple[str, ...],
) -> bool:
    """Whether calls from the first namespace to this port are declared, and leave encrypted."""
    declared = (
        one.number
        for namespace in namespaces
        for entry in entries.get(namespace, ())
        if is_listed(host, hosts_of(entry.spec))
        for one in ports_of(entry.spec)
    )
    return port in declared and sends(rules, host, port, namespaces=namespaces) == "tls"


def _is_mesh_name(host: str) -> bool:
    """Whether it is the full name of a service; a short one is not completed here."""
    return "." in host and is_mesh_host(host)


def _wire(spec: JSON, port: Mapping[str, JSON], number: int) -> Iterator[int]:
    """The port that packets go to: as endpoints say by the port's name, else its target port."""
    target = port.get("targetPort")
    usual = target if isinstance(target, int) and target else number
    endpoints = items(mapping(spec), (), "endpoints")
    for _, endpoint in endpoints:
        stated = mapping(endpoint, "ports").get(str(port.get("name")))
        yield stated if isinstance(stated, int) else usual
    if not endpoints:
        yield usual


def _is_about(rule: MeshPolicy, host: str, client: str) -> bool:
    stated, exported = rule.spec.get("host"), rule.spec.get("exportTo")
    if not isinstance(stated, str) or not is_listed(host, (full(stated, rule.namespace),)):
        return False
    if not isinstance(exported, list) or not exported:
        return True
    return "*" in exported or client in exported or ("." in exported and client == rule.namespace)


def _precision(rule: MeshPolicy) -> tuple[bool, int]:
    host = normal(str(rule.spec.get("host")))
    return not host.startswith("*"), len(host)


def _tls(spec: JSON, port: int, subset: str) -> JSON:
    """The TLS settings for calls to a port: an entry for the port replaces, and inherits nothing.

    Those of the subset that a route names come on top of those of the rule itself.
    """
    policies = [mapping(spec, "trafficPolicy")]
    policies += [
        mapping(one, "trafficPolicy")
        for _, one in items(mapping(spec), (), "subsets")
        if subset and one.get("name") == subset
    ]
    tls: JSON = None
    for policy in policies:
        tls = policy.get("tls") or tls
        for _, entry in items(policy, (), "portLevelSettings"):
            if mapping(entry, "port").get("number") == port:
                tls = entry.get("tls")
    return tls


def _originates(tls: JSON, *, selected: bool) -> bool:
    """Whether a sidecar begins TLS. A credential is only found by rules that select workloads."""
    stated = mapping(tls)
    return stated.get("mode") in ORIGINATING and (selected or not stated.get("credentialName"))
