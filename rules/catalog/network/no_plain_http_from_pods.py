"""All policies together must not let a pod send plain HTTP out of the cluster.

Why: each policy may look harmless, and what they grant together still lets data out in the clear.
Source: specification egress 2 and 3.

Of a pod that nothing isolates `egress-isolated` speaks. What is proven to be TLS does not count; on
whatever port a proxy reads HTTP, clear text leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from rules.egress import INTERNAL_ZONES
from rules.frames import POD, beside, stored
from rules.model import NETWORK, PODS, Finding, Level, rule
from rules.netpol import sets
from rules.netpol.destinations import PRIVATE, Outside, Reach, Surroundings
from rules.netpol.exits import Exit, exits
from rules.netpol.model import L7
from rules.netpol.peers import Fqdn, Networks
from rules.netpol.questions import CLEAR
from rules.plain_http import Ports, Standard
from rules.proposal import Standing, grants, origin_shown, stand
from rules.review import Cluster, Review
from rules.words import place, printable

_CLOSED = stored("closed", "[]")
_WORLD = "[{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: %s}]}]"
_ANY = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: %s, "
    "namespace: default}, spec: {endpointSelector: {}, %s}}"
)
_ALL = _ANY % ("all", "egress: [{toEntities: [world]}]")
_NOT_80 = "egressDeny: [{toEntities: [world], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]"
_READ = "toPorts: [{ports: [{port: '443', protocol: TCP}], rules: {http: [{method: GET}]}}]"
_TLS = "originatingTLS: {secret: {name: a}}, terminatingTLS: {secret: {name: a}}, rules"
_BRIDGED = _READ.replace("rules", _TLS)
_NAMED = "egress: [{toFQDNs: [{matchName: %s}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]"
_CRL = _ANY % ("crl", _NAMED % "crl.digicert.com")
_ENTERPRISE = "{engine: calico, calico: enterprise, enforced: ['projectcalico.org/*']}"
_DOMAIN = (
    "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: a, "
    "namespace: default}, spec: {types: [Egress], egress: [{action: Allow, protocol: TCP, "
    "destination: {domains: [a.com], ports: [80]}}]}}"
)
ALLOW = [
    POD,
    beside(_CLOSED),
    beside(_CLOSED, stored("tls", _WORLD % 443)),
    beside(stored("inside", "[{to: [{podSelector: {}}]}]")),
    beside(_CRL)[:-1] + ", parameters: {allowed_http: ['*.digicert.com']}}",
    beside(_ANY % ("read", f"egress: [{{toEndpoints: [{{}}], {_READ}}}]")),
    beside(_ANY % ("both", f"egress: [{{toEntities: [world], {_BRIDGED}}}]")),
]
DENY = [
    beside(_CLOSED, stored("http", _WORLD % 80)),
    beside(_CLOSED, stored("all", "[{}]")),
    beside(_ANY % ("read", f"egress: [{{toEntities: [world], {_READ}}}]")),
    f"{{network: {_ENTERPRISE}, {beside(_DOMAIN)[1:]}",
]
WARN = [
    beside(stored("soft", _WORLD % 8080)),
    beside(stored("private", "[{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]")),
    beside(_ALL, _ANY % ("but", _NOT_80)),
    beside(_ANY % ("own", _NAMED % "api.corp.internal")),
]


_NOT_CLEAR = frozenset(L7) - CLEAR


class _Worst(NamedTuple):
    level: Level
    reach: Reach
    ports: Ports
    number: int
    way: Exit


@rule(kinds=PODS, reads=NETWORK, shaped=True, by_group=True, severity="high")
def check(  # noqa: PLR0913  # what may be set in the rulebook
    review: Review,
    cluster: Cluster,
    *,
    hard_ports: Sequence[int] = (80,),
    soft_ports: Sequence[int] = (8080, 8000, 8008, 8888),
    proxy_ports: Sequence[int] = (3128, 8118),
    private_cidrs: Sequence[str] = PRIVATE,
    internal_zones: Sequence[str] = INTERNAL_ZONES,
    allowed_http: Sequence[str] = (),
    strict: bool = False,
) -> Iterator[Finding]:
    """`allowed_http`: CIDRs and patterns of names that may be reached by HTTP.

    `internal_zones`: DNS zones of your own. `strict`: what warns by default denies.
    """
    standing = stand(review, cluster)
    if not standing.isolated("egress"):
        return
    standard = Standard.of(
        {"hard": hard_ports, "soft": soft_ports, "proxy": proxy_ports},
        Surroundings.of(private_cidrs, cluster.site.network.cidrs.every),
        allowed=allowed_http,
        zones=internal_zones,
        strict=strict,
    )
    worst = min(_found(standing, standard), key=_rank, default=None)
    if worst is not None:
        yield _finding(worst)


def _found(standing: Standing, standard: Standard) -> Iterator[_Worst]:
    index, pod, sides = standing.index, standing.pod, standing.sides["egress"]
    asked = reduce(
        or_, (sets.Ports.of("TCP", n) for each in standard.numbers.values() for n in each)
    )
    for way in exits(index, pod, sides, asked):
        for ports, listed in standard.numbers.items():
            opened = [number for number in listed if ("TCP", number) in way.ports]
            if opened:
                yield from _judged(way, ports, opened[0], standard)
    if any(grant.l7 in CLEAR for grant in grants(sides)):
        for way in exits(index, pod, sides, sets.Ports.every("TCP"), proven=_NOT_CLEAR):
            first, _ = next(way.ports.ranges("TCP"))
            yield from _judged(way, "hard", first, standard)


def _judged(way: Exit, ports: Ports, number: int, standard: Standard) -> Iterator[_Worst]:
    found = Outside(names=(way.end.pattern,)) if isinstance(way.end, Fqdn) else None
    if found is not None and standard.spares(found):
        return
    if isinstance(way.end, Networks):
        found = Outside(way.end.addresses - standard.exempt)
    for reach, addresses in standard.classes(found or Outside()).items():
        end = way.end if isinstance(way.end, Fqdn) else Networks(addresses)
        level = standard.level(reach, ports)
        if level is not None:
            yield _Worst(level, reach, ports, number, Exit(end, way.ports, way.side))


def _rank(found: _Worst) -> tuple[bool, bool, bool]:
    return found.level != "deny", found.reach != "public", found.ports != "hard"


def _finding(worst: _Worst) -> Finding:
    way, cause = worst.way, worst.way.cause
    if isinstance(way.end, Fqdn):
        where, example = way.end.pattern, ""
    else:
        where = f"{worst.reach} addresses"
        example = f" such as {next(way.end.addresses.texts()).partition('-')[0]}"
    whose = f"{origin_shown(cause.origin)} at {place(cause.path)}" if cause else "no policy"
    cure = "let it grant 443 alone" if cause else "isolate it"
    if cause and cause.l7 in CLEAR:
        cure = "add both TLS blocks"
    return Finding(
        check="PLAIN-HTTP",
        path=("metadata", "labels"),
        message=printable(
            f"let it reach {where} on port {worst.number} (plain-HTTP egress), by {whose}; {cure}"
        ),
        found=[worst.reach, worst.ports],
        level=worst.level,
        why=f"all policies of the pod together let it send data unencrypted to {where}{example}",
    )
