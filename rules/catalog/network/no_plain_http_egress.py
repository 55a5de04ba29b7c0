"""A network policy must not let plain HTTP leave the cluster.

Why: HTTP without TLS can be read and changed by whoever carries it, and the answer forged.
Source: specification egress 1.1 and 2; Kubernetes API, networking/v1 NetworkPolicy.

The object is judged by its own grants. Ports do not prove TLS: 443 is accepted, and what speaks on
it is not looked at. No ports means every port, 80 too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from rules.model import NETWORK_POLICY, Finding, Fix, Level, Operation, Path, rule
from rules.netpol.destinations import PRIVATE, Reach, Surroundings, union
from rules.netpol.dialects.kubernetes import translate
from rules.netpol.model import Grant, NamedPort, PeerEntry, PortEntry, Unknown
from rules.netpol.peers import Anywhere
from rules.netpol.sets import Addresses
from rules.patch import lookup, set_field
from rules.review import Cluster, Review
from rules.site import Network
from rules.words import quote

Ports = Literal["hard", "soft", "proxy", "unknown"]
LEVELS: dict[tuple[Reach, Ports], Level] = {
    ("public", "hard"): "deny",
    ("public", "soft"): "warn",
    ("public", "proxy"): "warn",
    ("public", "unknown"): "warn",
    ("private", "hard"): "warn",
    ("private", "soft"): "warn",
    ("private", "unknown"): "warn",
}
STRICT = {("public", "soft"), ("public", "unknown"), ("private", "hard"), ("private", "unknown")}
HTTP_NAME = re.compile(r"(?!https)(http|web|www|metrics)(-|$)")
NAMES_ARE_RESOLVED = (1, 20)  # from here on Cilium knows a port's name per destination

_POLICY = "{kind: NetworkPolicy, spec: {podSelector: {}, policyTypes: [Egress], egress: %s}}"
_WORLD = "{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [%s]}"
ALLOW = [
    _POLICY % "[]",
    _POLICY % "[{ports: [{port: 443}]}]",
    _POLICY % "[{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]",
    _POLICY % f"[{_WORLD % '{protocol: UDP}'}]",
    _POLICY % "[{to: [{ipBlock: {cidr: 168.63.129.16/32}}], ports: [{port: 80}]}]",
    "{kind: NetworkPolicy, spec: {podSelector: {}, policyTypes: [Ingress], egress: [{}]}}",
]
DENY = [
    _POLICY % f"[{_WORLD % '{port: 80}'}]",
    _POLICY % "[{}]",
    _POLICY % f"[{_WORLD % '{protocol: TCP}'}]",
    _POLICY % f"[{_WORLD % '{port: 80, endPort: 90}'}]",
    _POLICY % f"[{_WORLD % '{port: http}'}]",
    _POLICY % "[{to: [{ipBlock: {cidr: '::/0'}}], ports: [{port: 80}]}]",
    _POLICY % "[{to: [{ipBlock: {cidr: '64:ff9b::8.8.8.8/128'}}], ports: [{port: 80}]}]",
]
WARN = [
    _POLICY % f"[{_WORLD % '{port: 1024, endPort: 65535}'}]",
    _POLICY % f"[{_WORLD % '{port: 3128}'}]",
    _POLICY % f"[{_WORLD % '{port: backend}'}]",
    _POLICY % "[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
]
INFO = [
    f"{{object: {_POLICY % '[{to: [{ipBlock: {cidr: 192.0.2.7/32}}], ports: [{port: 80}]}]'},"
    " parameters: {allowed_http: [192.0.2.0/24]}}",
]


@rule(kinds=(NETWORK_POLICY,), shaped=True, severity="high")
def check(  # noqa: PLR0913  # what may be set in the rulebook
    review: Review,
    cluster: Cluster,
    *,
    hard_ports: Sequence[int] = (80,),
    soft_ports: Sequence[int] = (8080, 8000, 8008, 8888),
    proxy_ports: Sequence[int] = (3128, 8118),
    private_cidrs: Sequence[str] = PRIVATE,
    allowed_http: Sequence[str] = (),
    strict: bool = False,
) -> Iterator[Finding]:
    """`allowed_http`: CIDRs that may be reached by HTTP. `strict`: what warns by default denies."""
    cidrs = cluster.site.network.cidrs
    around = Surroundings.of(private_cidrs, (*cidrs.pods, *cidrs.services, *cidrs.nodes))
    numbers: dict[Ports, Sequence[int]] = {
        "hard": hard_ports,
        "soft": soft_ports,
        "proxy": proxy_ports,
    }
    exempt = union(tuple(allowed_http))
    for grant in translate(review.object, namespace=review.namespace).grants:
        if grant.direction != "egress":
            continue
        known: dict[Ports, tuple[PeerEntry, Level, str | None] | None] = {}
        for entry in grant.ports:
            if isinstance(entry, Unknown):
                continue  # what cannot be read is `well-formed`'s to say
            opened = _ports(entry, numbers, cluster.site.network)
            if opened is None:
                continue
            if opened[0] not in known:
                known[opened[0]] = _worst(grant, opened[0], around, strict=strict, exempt=exempt)
            worst = known[opened[0]]
            if worst is not None:
                yield _finding(review, entry, opened, worst)


def _ports(
    entry: PortEntry | NamedPort, numbers: dict[Ports, Sequence[int]], network: Network
) -> tuple[Ports, int] | None:
    """The worst that an entry opens: what kind of ports, and the first of them (0: by name)."""
    if "TCP" not in entry.protocols:
        return None
    if isinstance(entry, NamedPort):
        version = tuple(int(part) for part in re.findall(r"\d+", network.version)[:2])
        if network.engine != "cilium" or version >= NAMES_ARE_RESOLVED:
            return None  # a name belongs to the pod that it is sent to; addresses have none
        return ("hard" if HTTP_NAME.match(entry.name) else "unknown"), 0
    for ports, listed in numbers.items():
        opened = [number for number in listed if entry.first <= number <= entry.last]
        if opened:
            return ports, opened[0]
    return None


def _worst(
    grant: Grant, ports: Ports, around: Surroundings, *, strict: bool, exempt: Addresses
) -> tuple[PeerEntry, Level, str | None] | None:
    """The peer that is worst to reach on such ports, how bad it is, and what exempts it."""
    found: list[tuple[PeerEntry, Level, str | None]] = []
    for entry in grant.peers:
        if isinstance(entry, Unknown):
            continue
        for reach, addresses in around.outside(entry.peer).items():
            level = LEVELS.get((reach, ports))
            if level is None:
                continue
            if strict and (reach, ports) in STRICT:
                level = "deny"
            found.append((entry, level, "allowed_http" if addresses <= exempt else None))
    return min(found, key=lambda f: (f[2] is not None, f[1] != "deny"), default=None)


def _finding(
    review: Review,
    entry: PortEntry | NamedPort,
    opened: tuple[Ports, int],
    worst: tuple[PeerEntry, Level, str | None],
) -> Finding:
    peer, level, exempted_by = worst
    ports, number = opened
    path, what, cure, patch = _describe(review, entry, number)
    where = _whereto(review, peer)
    doubt = ", which Cilium reads as any pod's number of that name" if ports == "unknown" else ""
    return Finding(
        check="PLAIN-HTTP",
        path=path,
        message=f"{what} to {where}{doubt}; {cure} (plain-HTTP egress)",
        found=[ports, where],
        level=level,
        fix=Fix(patch, safe=False),
        why=f"it lets namespace {review.namespace} send data unencrypted to {where}",
        exempted_by=exempted_by,
    )


def _describe(
    review: Review, entry: PortEntry | NamedPort, number: int
) -> tuple[Path, str, str, tuple[Operation, ...]]:
    """The place, what stands there, what must, and the patch for that."""
    stated = lookup(review.object, entry.path)
    if not isinstance(stated, dict):  # no list of ports, or an empty one
        added = Operation("add", entry.path, [{"protocol": "TCP", "port": 443}])
        what = f"is missing, so every port, {number} too, is open"
        return entry.path, what, "add port 443", (added,)
    port, end = (*entry.path, "port"), (*entry.path, "endPort")
    patch = set_field(review.object, port, 443)
    if stated.get("port") is None:
        what = f"is missing, so every TCP port, {number} too, is open"
        return port, what, "set it to 443", patch
    shown = quote(stated["port"])
    if stated.get("endPort") is None:
        return port, f"is {shown}", "set it to 443", patch
    patch = (*patch, Operation("remove", end))
    if number == stated["port"]:
        return port, f"is {shown}", "set it to 443 without endPort", patch
    what = f"is {quote(stated['endPort'])}, which from {shown} on opens {number} too,"
    return end, what, "remove it and set port to 443", patch


def _whereto(review: Review, entry: PeerEntry) -> str:
    if isinstance(entry.peer, Anywhere):
        return "any address"
    return str(lookup(review.object, (*entry.path, "ipBlock", "cidr")))
