"""Nothing may grant, declare or name a destination that the platform lists as a threat.

Why: a pod that calls it is taken over already, or will be.
Source: samples C5 and contracts 10 (threat lists); Calico documentation, threat feeds.

The list is a file, read again when it changes: `sallyport serve --threats FILE`. A line is a
domain, which stands for its subdomains, or a network; `#` begins a comment. What contains far more
than the list (`*`, 0.0.0.0/0) is other rules' to judge. A URL in a pod is evidence only: it denies
where the network policies let the pod reach it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.egress import Outside
from rules.evidence import aliases_of
from rules.frames import admin, calico, cilium, cluster, enterprise
from rules.listing import Met, meet_host, meet_outside
from rules.model import (
    ADDRESS_SETS,
    JSON,
    NETWORK,
    NETWORK_POLICIES,
    POD,
    PODS,
    SERVICE_ENTRY,
    Finding,
    Level,
    Path,
    rule,
)
from rules.netpol.model import PeerEntry
from rules.origination import ENTRY_SHAPE
from rules.patch import lookup
from rules.permits import reachable, weigh
from rules.pods import items, mapping
from rules.policies import Asked, place_of_name, whereto
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.statement import written
from rules.threats import Threats
from rules.widening import items_of, shown, widenings_of
from rules.words import quote

CHECK = "THREAT-LIST"
SETS = frozenset(kind.kind for kind in ADDRESS_SETS)
POLICIES = frozenset(kind.kind for kind in NETWORK_POLICIES)


def _listed(value: str) -> str:
    return f"{{object: {value}, threats: [c2.bad.example, 203.0.113.0/24]}}"


def _to(cidr: str) -> str:
    peer = f"{{ipBlock: {{cidr: {cidr}}}}}"
    egress = f"egress: [{{to: [{peer}], ports: [{{port: 443}}]}}]"
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], {egress}}}"
    return _listed(f"{{kind: NetworkPolicy, spec: {spec}}}")


def _within(example: str) -> str:
    """The example of another frame, in a cluster with the list."""
    told = example[1:-1] if example.startswith("{network:") else f"object: {example}"
    return f"{{{told}, threats: [c2.bad.example, 203.0.113.0/24]}}"


_DOMAIN = "{action: Allow, protocol: TCP, destination: {domains: [%s], ports: [443]}}"
_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_CCNP = "CiliumClusterwideNetworkPolicy"
_NAMED = f"[{{toFQDNs: [{{%s}}], {_443}}}]"


def _entry(host: str, rest: str = "") -> str:
    return _listed(f"{{kind: ServiceEntry, spec: {{hosts: ['{host}']{rest}}}}}")


def _env(value: str, *cluster: str) -> str:
    container = f"{{name: a, env: [{{name: API, value: '{value}'}}]}}"
    pod = f"{{kind: Pod, spec: {{containers: [{container}]}}}}"
    return f"{_listed(pod)[:-1]}, cluster: [{', '.join(cluster)}]}}"


_CLOSED = (
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, "
    "namespace: default}, spec: {podSelector: {}, policyTypes: [Egress]}}"
)
ALLOW = [
    _within(cilium(_NAMED % "matchName: bad.example")),
    _within(cilium(_NAMED % "matchPattern: '*'")),
    _within(enterprise(calico(_DOMAIN % "bad.example"))),
    _within(enterprise(calico(_DOMAIN % "'*'"))),
    _to("0.0.0.0/0"),
    _to("198.51.100.7/32"),
    _entry("bad.example"),
    _entry("xc2.bad.example"),
    _env("https://bad.example"),
    _env("https://c2.bad.example.com"),
]
DENY = [
    _to("203.0.113.7/32"),
    _to("'::ffff:203.0.113.7/128'"),
    _entry("c2.bad.example"),
    _entry("a.C2.bad.example"),
    _entry("*.bad.example"),
    _within(cilium(_NAMED % "matchName: a.c2.bad.example")),
    _within(cilium(_NAMED % "matchPattern: '*.bad.example'")),
    _within(cilium(f"[{{toCIDR: [203.0.113.7/32], {_443}}}]")),
    _within(cilium(f"[{{toCIDRSet: [{{cidr: 203.0.113.0/28}}], {_443}}}]", kind=_CCNP)),
    _within(admin("{action: Allow, to: [{networks: [203.0.113.7/32]}]}")),
    _within(cluster("{action: Accept, to: [{domainNames: [c2.bad.example]}]}")),
    _within(enterprise(calico(_DOMAIN % "c2.bad.example"))),
    _within(enterprise(calico(_DOMAIN % "a.c2.bad.example", "NetworkPolicy"))),
    _within(enterprise(calico(_DOMAIN % "'*.bad.example'"))),
    _entry("cdn.example", ", endpoints: [{address: 203.0.113.9}]"),
    _env("https://c2.bad.example"),
    _env("http://203.0.113.7:8080/"),
]
WARN = [_to("203.0.112.0/20")]
INFO = [_env("https://c2.bad.example", _CLOSED)]


@rule(
    kinds=(*NETWORK_POLICIES, *ADDRESS_SETS, SERVICE_ENTRY, *PODS),
    also=((POD, "ephemeralcontainers"),),
    reads=NETWORK,
    shaped=True,
    severity="critical",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each place; names of Services that stand for a threat are resolved."""
    threats = cluster.site.threats
    if not threats:
        return
    if review.kind == SERVICE_ENTRY.kind:
        yield from _judge_entry(mapping(review.object, "spec"), threats)
    elif review.group != POD.group and review.kind in POLICIES:
        yield from _judge_policy(Asked(review, cluster), threats)
    elif review.kind in SETS:
        yield from _judge_set(review, cluster, threats)
    else:
        yield from _judge_pod(review, cluster, threats)


def _judge_entry(spec: JSON, threats: Threats) -> Iterator[Finding]:
    yield from misshapen(spec, ENTRY_SHAPE, CHECK, ("spec",))
    stated = mapping(spec).get("hosts")
    hosts = stated if isinstance(stated, list) else ()
    ends = items(mapping(spec), ("spec",), "endpoints")
    called: list[tuple[Path, JSON]] = [
        *((("spec", "hosts", at), host) for at, host in enumerate(hosts)),
        *(((*end.path, "address"), end.value.get("address")) for end in ends),
    ]
    for path, host in called:
        met = meet_host(host, threats) if isinstance(host, str) else None
        if met is not None:
            yield _finding(path, f"is {quote(host)}", met)


def _judge_policy(asked: Asked, threats: Threats) -> Iterator[Finding]:
    for policy in written(asked.review):
        for unknown in asked.engine.reads(policy).unknowns:
            if "egress" in unknown.path or len(unknown.path) < len(("spec", "egress")):
                yield _finding(unknown.path, unknown.reason, Met(None))
    for grant in asked.grants("egress"):
        for entry in grant.peers:
            met = meet_outside(asked.outside(entry), threats)
            if met is not None and isinstance(entry, PeerEntry):
                yield _finding(*_stated(asked.review, entry), met)


def _judge_set(review: Review, cluster: Cluster, threats: Threats) -> Iterator[Finding]:
    """A set of networks that rules deny by may well hold threats: rules that allow it count."""
    listed = [(path, part, meet_outside(part, threats)) for path, part in items_of(review)]
    for path, part, met in listed:
        opens = (each for each in widenings_of(review, cluster) if met and each.opens(part))
        widening = next(opens, None)
        if met is not None and widening is not None:
            state = f"is {quote(lookup(review.object, path))}, opened by {shown(widening.grant)}"
            yield _finding(path, state, met)


def _stated(review: Review, entry: PeerEntry) -> tuple[Path, str]:
    """Where the name or network stands, and what stands there."""
    cidr = (*entry.path, "ipBlock", "cidr")
    path = place_of_name(review, entry) if lookup(review.object, cidr) is None else cidr
    stated = lookup(review.object, path)
    shown = isinstance(stated, str)
    return path, f"is {quote(stated)}" if shown else f"leads to {whereto(review, entry)}"


def _judge_pod(review: Review, cluster: Cluster, threats: Threats) -> Iterator[Finding]:
    outside, aliases = Outside.of(cluster, review.namespace), aliases_of(review.pod)
    listed = []
    for path, url, _ in review.mentions:
        meant = outside.meant(url.host, aliases)
        met = meet_host(url.host, threats) or meet_host(meant, threats)
        place = outside.place(meant)
        if met is not None and place in ("public", "private"):
            listed.append((path, url, place, met))
    if not listed:
        return
    numbers = [url.port for _, url, _, _ in listed]
    found = reachable(review, cluster, outside, numbers, proven=())
    for path, url, place, met in listed:
        level = weigh(found, place, url.port)
        yield _finding(path, f"names {quote(str(url))}", met, level)


def _finding(path: Path, state: str, met: Met, level: Level | None = None) -> Finding:
    level = level or ("deny" if met.whole else "warn")
    if met.entry is None:
        message = f"{state}, and what is listed may be among that; name single destinations"
    elif met.whole:
        message = f"{state}, which the platform lists as a threat: {quote(met.entry)}; remove it"
    else:
        message = f"{state}, and so holds a listed threat: {quote(met.entry)}; leave that out"
    return Finding(check=CHECK, path=path, message=message, found=met.entry, level=level)
