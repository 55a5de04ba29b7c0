"""A Sidecar of a tenant must leave the capture of traffic, mutual TLS and the way out as they are.

Why: what the sidecar does not capture or encrypt passes by every policy of the mesh.
Source: sandbox-and-mesh 5 and 5.1; Istio API reference, Sidecar.

`registryOnly`: the mesh lets out only to hosts that it knows, and no Sidecar may open that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.model import (
    JSON,
    PEER_AUTHENTICATION,
    SIDECAR,
    Finding,
    Fix,
    Level,
    Operation,
    Path,
    rule,
)
from rules.mtls import effective
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-Sidecar"
MODE: Path = ("spec", "outboundTrafficPolicy", "mode")
_CAPTURE = {"captureMode": object, "hosts": [str]}
SHAPE = {
    "ingress": [{**_CAPTURE, "tls": object}],
    "egress": [_CAPTURE],
    "outboundTrafficPolicy": {"mode": object},
    "workloadSelector": {"labels": {str: str}},
}

_STRICT = (
    "{kind: PeerAuthentication, metadata: {name: a, namespace: aks-istio-system},"
    " spec: {mtls: {mode: STRICT}}}"
)


def _sidecar(text: str) -> str:
    return f"{{kind: Sidecar, spec: {{{text}}}}}"


_TLS = _sidecar("ingress: [{port: {number: 443}, tls: {mode: SIMPLE}}]")
_OPEN = _sidecar("outboundTrafficPolicy: {mode: ALLOW_ANY}")
_NARROW = _sidecar("egress: [{hosts: ['./*']}]")
ALLOW = [
    _sidecar(""),
    _sidecar("ingress: [{port: {number: 80}, captureMode: IPTABLES}]"),
    _sidecar("egress: [{hosts: ['*/*']}]"),
    _sidecar("egress: [{hosts: ['./*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
    f"{{object: {_NARROW}, parameters: {{registryOnly: true}}}}",
    _OPEN,
    f"{{object: {_TLS}, cluster: [{_STRICT}]}}",
]
DENY = [
    _sidecar("ingress: [{captureMode: NONE}]"),
    _sidecar("egress: [{hosts: ['*/*'], captureMode: NONE}]"),
    _sidecar("egress: [{hosts: ['*/*'], captureMode: none}]"),
    _TLS,
    _sidecar("outboundTrafficPolicy: {mode: allow_any}"),
    f"{{object: {_OPEN}, parameters: {{registryOnly: true}}}}",
]
WARN = [_NARROW]


@rule(kinds=(SIDECAR,), reads=(PEER_AUTHENTICATION,), shaped=True, severity="critical")
def check(
    review: Review,
    cluster: Cluster,
    *,
    registryOnly: bool = False,  # noqa: N803  # as the rulebook writes it
) -> Iterator[Finding]:
    """`registryOnly`: the mesh's outboundTrafficPolicy is REGISTRY_ONLY."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    labels = mapping(spec, "workloadSelector", "labels")
    root = cluster.site.mesh.root
    inbound = effective(cluster.peer_authentications, review.namespace, labels, root=root)
    for path, listener in (*_listeners(spec, "ingress"), *_listeners(spec, "egress")):
        capture = listener.get("captureMode")
        if capture not in (None, "DEFAULT", "IPTABLES"):
            place: Path = (*path, "captureMode")
            passes = ", so this traffic passes by the sidecar" if capture == "NONE" else ""
            yield _finding(place, capture, f"is {quote(capture)}{passes}; remove it", remove=True)
        if path[1] == "ingress" and listener.get("tls") is not None and inbound.mode != "STRICT":
            message = f"replaces mutual TLS, which is {inbound.mode} here and not STRICT; remove it"
            yield _finding((*path, "tls"), listener["tls"], message, remove=True)
    yield from _judge_way_out(spec, registry_only=registryOnly)


def _judge_way_out(spec: JSON, *, registry_only: bool) -> Iterator[Finding]:
    policy = mapping(spec).get("outboundTrafficPolicy")
    mode = mapping(policy).get("mode")
    if mode not in (None, "REGISTRY_ONLY", "ALLOW_ANY") or (registry_only and mode == "ALLOW_ANY"):
        stated = f"is {quote(mode)}, and the mesh wants REGISTRY_ONLY"
        message = stated if registry_only else f"is {quote(mode)}, which is no mode"
        yield _finding(MODE, mode, f"{message}; remove it", remove=True)
    if registry_only or (policy is not None and mode in (None, "REGISTRY_ONLY")):
        return
    listeners = [one for _, one in _listeners(spec, "egress")]
    hosts = [host for one in listeners for host in _texts(one.get("hosts"))]
    if listeners and "*/*" not in hosts:
        message = "leaves out services of the mesh: calls to them leave in clear text; set "
        message += "outboundTrafficPolicy.mode to REGISTRY_ONLY"
        yield _finding(("spec", "egress"), hosts, message, level="warn")


def _listeners(spec: JSON, key: str) -> Iterator[tuple[Path, Mapping[str, JSON]]]:
    found = mapping(spec).get(key)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        yield ("spec", key, index), mapping(item)


def _texts(found: JSON) -> list[str]:
    return [str(item) for item in found] if isinstance(found, list) else []


def _finding(
    path: Path, found: JSON, message: str, *, remove: bool = False, level: Level = "deny"
) -> Finding:
    fix = Fix((Operation("remove", path),), safe=False) if remove else None
    return Finding(check=CHECK, path=path, message=message, found=found, fix=fix, level=level)
