"""All policies together must not let a pod send plain HTTP out of the cluster.

Why: each policy may look harmless, and what they grant together still lets data out in the clear.
Source: specification egress 2 and 3.

Of a pod that nothing isolates `egress-isolated` speaks. What is proven to be TLS does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from rules.model import NETWORK, PODS, Finding, Level, rule
from rules.netpol import sets
from rules.netpol.destinations import PRIVATE, Outside, Reach, Surroundings, union
from rules.netpol.exits import Exit, exits
from rules.netpol.peers import Fqdn, Networks
from rules.plain_http import Ports, Standard
from rules.proposal import origin_shown, stand
from rules.review import Cluster, Review
from rules.words import place, printable

_POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"


def _policy(name: str, egress: str) -> str:
    return (
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, "
        f"namespace: default}}, spec: {{podSelector: {{}}, policyTypes: [Egress], "
        f"egress: {egress}}}}}"
    )


def _beside(*cluster: str) -> str:
    return f"{{object: {_POD}, cluster: [{', '.join(cluster)}]}}"


_CLOSED = _policy("closed", "[]")
_WORLD = "[{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: %s}]}]"
_ANY = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: %s, "
    "namespace: default}, spec: {endpointSelector: {}, %s}}"
)
_ALL = _ANY % ("all", "egress: [{toEntities: [world]}]")
_NOT_80 = "egressDeny: [{toEntities: [world], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]"
ALLOW = [
    _POD,
    _beside(_CLOSED),
    _beside(_CLOSED, _policy("tls", _WORLD % 443)),
    _beside(_policy("inside", "[{to: [{podSelector: {}}]}]")),
]
DENY = [
    _beside(_CLOSED, _policy("http", _WORLD % 80)),
    _beside(_CLOSED, _policy("all", "[{}]")),
]
WARN = [
    _beside(_policy("soft", _WORLD % 8080)),
    _beside(_policy("private", "[{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]")),
    _beside(_ALL, _ANY % ("but", _NOT_80)),
]


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
    allowed_http: Sequence[str] = (),
    strict: bool = False,
) -> Iterator[Finding]:
    """`allowed_http`: CIDRs that may be reached by HTTP. `strict`: what warns by default denies."""
    standing = stand(review, cluster)
    if not standing.isolated("egress"):
        return
    standard = Standard(
        {"hard": hard_ports, "soft": soft_ports, "proxy": proxy_ports},
        Surroundings.of(private_cidrs, cluster.site.network.cidrs.every),
        union(tuple(allowed_http)),
        (),
        strict,
    )
    worst: _Worst | None = None
    asked = reduce(
        or_, (sets.Ports.of("TCP", n) for each in standard.numbers.values() for n in each)
    )
    for way in exits(standing.index, standing.pod, standing.sides["egress"], asked):
        for found in _judged(way, standard):
            if worst is None or _rank(found) < _rank(worst):
                worst = found
    if worst is not None:
        yield _finding(worst)


def _judged(way: Exit, standard: Standard) -> Iterator[_Worst]:
    ends: dict[Reach, Networks | Fqdn] = {}
    if isinstance(way.end, Fqdn):
        ends["public"] = way.end
    else:
        left = standard.around.classes(Outside(way.end.addresses - standard.exempt))
        ends |= {reach: Networks(addresses) for reach, addresses in left.items()}
    for reach, end in ends.items():
        for ports, listed in standard.numbers.items():
            opened = [number for number in listed if ("TCP", number) in way.ports]
            level = standard.level(reach, ports)
            if opened and level is not None:
                yield _Worst(level, reach, ports, opened[0], Exit(end, way.ports, way.side))


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
