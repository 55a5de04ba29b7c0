"""A network policy should let pods ask DNS of the cluster only, and of names that it lists.

Why: DNS that nobody looks into carries data out in its questions, and answers from elsewhere lead
past rules about names.
Source: specification egress 4 (DNS-53-OPEN, DNS-ANY-NAME); contracts 11 (PUBLIC-RESOLVER).

A policy that opens the whole Internet is not said to open resolvers too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rules.frames import admin, calico, cilium, cluster, kubernetes
from rules.model import NETWORK, NETWORK_POLICIES, Finding, Level, Path, rule
from rules.netpol.destinations import union
from rules.netpol.model import L7, Grant, PeerEntry, PortEntry
from rules.netpol.questions import entries, is_world, names, opens, reaches
from rules.netpol.sets import Addresses
from rules.patch import lookup
from rules.pods import mapping
from rules.policies import CILIUM, Asked, place_of_name, whereto
from rules.proposal import propose
from rules.review import Cluster, Review

DNS = 53
RESOLVING = (53, 443, 853)
RESOLVERS = (
    *("1.1.1.1/32", "1.0.0.1/32", "8.8.8.8/32", "8.8.4.4/32", "9.9.9.9/32", "149.112.112.112/32"),
    *("208.67.222.222/32", "208.67.220.220/32", "2606:4700:4700::1111/128"),
    *("2606:4700:4700::1001/128", "2001:4860:4860::8888/128", "2001:4860:4860::8844/128"),
)
NAMES = (
    *("dns.google", "cloudflare-dns.com", "one.one.one.one", "dns.quad9.net"),
    *("doh.opendns.com", "dns.nextdns.io"),
)
_KUBE_DNS = "{'k8s:io.kubernetes.pod.namespace': kube-system, 'k8s:k8s-app': kube-dns}"
_53 = "toPorts: [{ports: [{port: '53', protocol: ANY}]%s}]"
_ASK = f"[{{toEndpoints: [{{matchLabels: {_KUBE_DNS}}}], {_53}}}]"
_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_NET = "[{to: [{ipBlock: {cidr: %s}}], ports: [{protocol: %s, port: %d}]}]"

ALLOW = [
    cilium(_ASK % ", rules: {dns: [{matchPattern: '*.svc.cluster.local'}]}"),
    kubernetes("[{to: [{namespaceSelector: {}}], ports: [{protocol: UDP, port: 53}]}]"),
    kubernetes(_NET % ("10.0.0.10/32", "UDP", 53)),
    kubernetes("[{ports: [{port: 443}]}]"),
    f"{{network: {{acns: {{fqdn: false}}}}, object: {cilium(_ASK % '')}}}",
    cilium(f"[{{toFQDNs: [{{matchName: example.com}}], {_443}}}]"),
]
WARN = [
    kubernetes("[{ports: [{protocol: UDP, port: 53}]}]"),
    kubernetes(_NET % ("0.0.0.0/0", "TCP", 53)),
    cilium(_ASK % ""),
    cilium(
        f"[{{toFQDNs: [{{matchName: a.com}}], {_443}}}, {{toCIDR: [1.1.1.1/32], {_443}}}]",
    ),
    calico("{action: Allow, protocol: UDP, destination: {ports: [53]}}"),
    admin(
        "{action: Allow, to: [{networks: [0.0.0.0/0]}],"
        " ports: [{portNumber: {protocol: UDP, port: 53}}]}"
    ),
    cluster(
        "{action: Accept, to: [{networks: [0.0.0.0/0]}],"
        " protocols: [{udp: {destinationPort: {number: 53}}}]}"
    ),
]
INFO = [
    kubernetes(_NET % ("1.1.1.1/32", "TCP", 443)),
    cilium(f"[{{toFQDNs: [{{matchName: dns.google}}], {_443}}}]"),
    cilium(_ASK % ", rules: {dns: [{matchPattern: '*'}]}"),
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="medium")
def check(
    review: Review,
    cluster: Cluster,
    *,
    resolvers: Sequence[str] = RESOLVERS,
    resolver_names: Sequence[str] = NAMES,
) -> Iterator[Finding]:
    """`resolvers`, `resolver_names`: public ones, as CIDRs and as names."""
    asked = Asked(review, cluster)
    grants = list(asked.met("egress"))
    found = [pattern for grant in grants for _, pattern in names(grant)]
    named = any(not reaches(pattern, resolver_names) for pattern in found)
    asking = [(grant, port) for grant in grants for port in _dns_ports(grant)]
    anybody = _world(asked, (grant for grant, _ in asking))
    for grant, port in asking:
        yield from _open(asked, grant, port.path, anybody=anybody)
    for grant in grants:
        if grant.l7 == L7.DNS:
            yield from _any_name(review, grant)
    resolving = [g for g in grants if any(opens(g, number) for number in RESOLVING)]
    if not _world(asked, resolving):
        for entry in (entry for grant in resolving for entry in entries(grant)):
            if _resolves(asked, entry, union(tuple(resolvers)), resolver_names):
                yield _resolver(review, entry, "warn" if named else "info")


def _world(asked: Asked, grants: Iterable[Grant]) -> bool:
    """Whether all of the rules together lead everywhere: halves add up to the whole."""
    outside = (asked.outside(entry).addresses for grant in grants for entry in entries(grant))
    return is_world(Addresses.union(outside))


def _dns_ports(grant: Grant) -> Iterator[PortEntry]:
    """The first entry of ports that is about DNS: a wide range is not."""
    ports = (each for each in grant.ports if isinstance(each, PortEntry))
    yield from islice((each for each in ports if each.first == each.last == DNS), 1)


def _open(asked: Asked, grant: Grant, port: Path, *, anybody: bool) -> Iterator[Finding]:
    outside = [entry for entry in entries(grant) if asked.outside(entry).addresses]
    if anybody and outside:
        message = f"opens DNS of {whereto(asked.review, outside[0])}, so anybody may answer; "
        cure = "open it to the cluster's own DNS, pods with k8s-app: kube-dns in kube-system"
        is_map = isinstance(lookup(asked.review.object, port), dict)
        place = (*port, "port") if is_map else port
        yield _finding("DNS-53-OPEN", place, message + cure, "warn")
    elif asked.review.group == CILIUM and grant.l7 == L7.NONE and not _is_heard(asked):
        item = port[:-2]
        message = "is missing, so nobody looks into what is asked of DNS, nor learns "
        cure = "addresses of names from it; list the names, as matchName or matchPattern"
        yield _finding("DNS-53-OPEN", (*item, "rules", "dns"), message + cure, "warn")


def _is_heard(asked: Asked) -> bool:
    """Whether nobody can listen, or another policy of the same pods does: it hears all of them."""
    if not asked.network.acns.fqdn:
        return True
    index, own = propose(asked.review, asked.cluster).after, list(asked.grants("egress"))
    return any(grant.l7 == L7.DNS for grant in asked.beside(index, own))


def _any_name(review: Review, grant: Grant) -> Iterator[Finding]:
    node = lookup(review.object, grant.path)
    for index, item in enumerate(_list(mapping(node).get("toPorts"))):
        for at, asked in enumerate(_list(mapping(item, "rules").get("dns"))):
            if mapping(asked).get("matchPattern") == "*":
                path = (*grant.path, "toPorts", index, "rules", "dns", at, "matchPattern")
                message = 'is "*": every name may be asked, and questions can carry data out'
                yield _finding("DNS-ANY-NAME", path, message, "info")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _resolves(asked: Asked, entry: PeerEntry, listed: Addresses, known: Sequence[str]) -> bool:
    found = asked.outside(entry)
    if is_world(found.addresses):
        return False
    return bool(found.addresses & listed) or any(reaches(name, known) for name in found.names)


def _resolver(review: Review, entry: PeerEntry, level: Level) -> Finding:
    message = f"leads to {whereto(review, entry)}, a public resolver: by DNS over HTTPS or TLS "
    cure = "pods learn names past the cluster; leave it out"
    return _finding("PUBLIC-RESOLVER", place_of_name(review, entry), message + cure, level)


def _finding(check: str, path: Path, message: str, level: Level) -> Finding:
    return Finding(check=check, path=path, message=message, found=check, level=level)
