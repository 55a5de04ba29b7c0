"""A network policy must not let plain HTTP leave the cluster.

Why: HTTP without TLS can be read and changed by whoever carries it, and the answer forged.
Source: specification egress 1 and 2; the APIs of Kubernetes, Cilium and Calico.

The object is judged by its own grants, as the engine of the cluster reads them. Ports do not prove
TLS: 443 is accepted, and what speaks on it is not looked at. No ports means every port, 80 too.
Server names prove TLS, and so do both TLS blocks together; HTTP rules without them prove that there
is none.

Where a denial by another rule hides the port from all pods that the rule is about, it warns: who
takes the denial away opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.egress import INTERNAL_ZONES
from rules.frames import admin, calico, cilium, cluster, enterprise, kubernetes
from rules.model import NETWORK, NETWORK_POLICIES, Finding, Fix, Operation, rule
from rules.narrowing import Narrowing, narrowing
from rules.netpol.destinations import PRIVATE, Surroundings
from rules.netpol.model import L7, Grant, NamedPort, PeerEntry, PortEntry, Unknown
from rules.netpol.peers import Fqdn
from rules.netpol.questions import CLEAR
from rules.plain_http import Ports, Standard, Worst, ports_of, worst_of
from rules.policies import Asked, subject_of, whereto
from rules.proposal import origin_shown
from rules.review import Cluster, Review

_WORLD = "[{to: [{ipBlock: {cidr: %s}}], ports: [%s]}]"
_TO_80 = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"
_TO_443 = "ports: [{port: '443', protocol: TCP}]"
_NAME = "toFQDNs: [{matchName: example.com}]"
_BRIDGED = "originatingTLS: {secret: {name: a}}, terminatingTLS: {secret: {name: a}}"
_LISTENER = "listener: {name: a, envoyConfig: {name: b}}"
_HTTP = "rules: {http: [{method: GET}]}"
_NOT_DB = "{action: Allow, protocol: TCP, destination: {notSelector: role == 'db', ports: [80]}}"
_TO_NET = "{action: Allow, destination: {nets: [198.51.100.0/24]}}"
_ALL = "to: [{networks: [0.0.0.0/0]}]"
ALLOW = [
    kubernetes("[]"),
    kubernetes("[{ports: [{port: 443}]}]"),
    kubernetes("[{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]"),
    kubernetes(_WORLD % ("0.0.0.0/0", "{protocol: UDP}")),
    kubernetes(_WORLD % ("168.63.129.16/32", "{port: 80}")),
    cilium("[{}]"),
    cilium(f"[{{{_NAME}, toPorts: [{{{_TO_443}}}]}}]"),
    cilium(f"[{{toEndpoints: [], {_TO_80}}}]"),
    cilium("[{toEntities: [cluster]}]"),
    cilium(f"[{{toCIDRSet: [{{cidr: 0.0.0.0/0, except: [0.0.0.0/0]}}], {_TO_80}}}]"),
    calico(_NOT_DB, "NetworkPolicy"),
    calico(_TO_NET).replace("engine: calico", "engine: cilium"),
    admin(f"{{action: Deny, {_ALL}}}"),
]
DENY = [
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: 80}")),
    kubernetes("[{}]"),
    kubernetes(_WORLD % ("0.0.0.0/0", "{protocol: TCP}")),
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: 80, endPort: 90}")),
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: http}")),
    kubernetes(_WORLD % ("'::/0'", "{port: 80}")),
    kubernetes(_WORLD % ("'64:ff9b::8.8.8.8/128'", "{port: 80}")),
    cilium(f"[{{{_TO_80}}}]"),
    cilium(f"[{{{_NAME}}}]"),
    cilium("[{toEntities: [all]}]"),
    cilium("[{toEntities: [world], toPorts: [{ports: [{port: '0'}]}]}]"),
    cilium(f"[{{toEntities: [world], toPorts: [{{{_TO_443}, {_HTTP}}}]}}]"),
    cilium(f"[{{{_NAME}, {_TO_80[:-2]}, originatingTLS: {{secret: {{name: a}}}}}}]}}]"),
    "{kind: CiliumNetworkPolicy, metadata: {name: a}, specs: [{endpointSelector: {}, egress:"
    f" [{{toCIDR: [192.0.2.0/24], {_TO_80}}}]}}]}}",
    calico(_NOT_DB),
    calico(_TO_NET, "NetworkPolicy"),
    *enterprise("{action: Allow, protocol: TCP, destination: {domains: [a.com], ports: [80]}}"),
    admin(f"{{action: Allow, {_ALL}, ports: [{{portNumber: {{protocol: TCP, port: 80}}}}]}}"),
    admin(f"{{action: Allow, {_ALL}}}"),
    cluster(
        f"{{action: Accept, {_ALL}, protocols: [{{tcp: {{destinationPort: {{number: 80}}}}}}]}}"
    ),
]
WARN = [
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: 1024, endPort: 65535}")),
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: 3128}")),
    kubernetes(_WORLD % ("0.0.0.0/0", "{port: backend}")),
    kubernetes("[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"),
    cilium(f"[{{toServices: [{{k8sService: {{serviceName: a}}}}], {_TO_80}}}]"),
    cilium(f"[{{toCIDRSet: [{{cidrGroupRef: partners}}], {_TO_80}}}]"),
    cilium(f"[{{{_NAME}, toPorts: [{{{_TO_443}, {_LISTENER}}}]}}]"),
    cilium(f"[{{toFQDNs: [{{matchPattern: '*.corp.internal'}}], {_TO_80}}}]"),
    calico("{action: Allow, protocol: TCP, destination: {notPorts: [80]}}"),
]
INFO = [
    f"{{object: {kubernetes(_WORLD % ('192.0.2.7/32', '{port: 80}'))},"
    " parameters: {allowed_http: [192.0.2.0/24]}}",
    f"{{object: {cilium(f'[{{{_NAME}, {_TO_80}}}]')}, parameters: {{allowed_http: ['*.com']}}}}",
    cilium("[{toPorts: [{ports: [{port: '80'}], serverNames: [a.com]}]}]"),  # T37
    cilium(f"[{{{_NAME}, toPorts: [{{{_TO_443}, {_BRIDGED}, {_HTTP}}}]}}]"),  # T34
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="high")
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
    asked = Asked(review, cluster)
    standard = Standard.of(
        {"hard": hard_ports, "soft": soft_ports, "proxy": proxy_ports},
        Surroundings.of(private_cidrs, cluster.site.network.cidrs.every),
        allowed=allowed_http,
        zones=internal_zones,
        strict=strict,
    )
    for grant in asked.grants("egress"):
        yield from _judge(asked, grant, standard)


def _judge(asked: Asked, grant: Grant, standard: Standard) -> Iterator[Finding]:
    known: dict[Ports, Worst | None] = {}
    for entry in grant.ports:
        if isinstance(entry, Unknown):
            continue  # what cannot be read is `well-formed`'s to say
        found = ports_of(grant, entry, standard.numbers, asked)
        if found is None:
            continue
        ports, number = found
        if ports not in known:
            known[ports] = worst_of(asked, grant, ports, standard)
        worst = known[ports]
        if worst is not None:
            stated = number in [each for listed in standard.numbers.values() for each in listed]
            read = grant.l7 in CLEAR or (grant.l7 == L7.TLS_BRIDGED and not stated)
            told = narrowing(asked.review, entry, number)
            in_clear = read and number not in standard.numbers["hard"]
            if in_clear or (grant.l7 == L7.OPAQUE and not stated):
                told = _at_the_proxy(grant, entry)
            yield _finding(asked, told, ports, worst)


def _finding(asked: Asked, told: Narrowing, ports: Ports, worst: Worst) -> Finding:
    peer, level, exempted_by, hidden_by = worst
    review, where = asked.review, whereto(asked.review, peer)
    path, what, cure, patch = told
    by_name = ports == "unknown" and path[-1] != "listener"
    doubt = ", which Cilium reads as any pod's number of that name" if by_name else ""
    today = f", denied as yet by {origin_shown(hidden_by)}" if hidden_by else ""
    unset = isinstance(peer, PeerEntry) and isinstance(peer.peer, Fqdn) and path[-1] == "toPorts"
    return Finding(
        check="PLAIN-HTTP",
        path=path,
        message=f"{what} to {where}{doubt}{today}; {cure} (plain-HTTP egress)",
        found=[ports, where],
        level=level,
        fix=Fix(patch, safe=unset),
        why=f"it lets {subject_of(review)} send data unencrypted to {where}",
        exempted_by=exempted_by,
    )


def _at_the_proxy(grant: Grant, entry: PortEntry | NamedPort) -> Narrowing:
    """HTTP rules, or TLS that ends at the proxy: what goes on from there is clear text.

    What a listener of the author's own sends on, nobody knows.
    """
    item = entry.path[:-2]
    field = "rules" if grant.inspection.parser == "http" else "terminatingTLS"
    what = "makes the proxy read HTTP, so clear text leaves"
    cure = "remove it, or state both TLS blocks"
    if grant.l7 == L7.TLS_BRIDGED:
        what, cure = "makes the proxy read HTTP", "keep both TLS blocks"
    if grant.l7 == L7.OPAQUE:
        field, what, cure = "listener", "may send clear text", "remove it"
    return Narrowing((*item, field), what, cure, (Operation("remove", (*item, field)),))
