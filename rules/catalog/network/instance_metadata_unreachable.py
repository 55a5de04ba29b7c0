"""A network policy must not let pods reach the instance metadata of their node.

Why: whoever reaches it is handed the identity of the node, and with it whatever the node may do.
Source: specification egress 4 (IMDS); Azure documentation, IMDS restriction.

Networks that contain its addresses open it too, the whole Internet among them. On a cluster with
the IMDS restriction (`cluster.imdsRestriction` in the rulebook) nothing is said. Where a denial by
another rule hides them from all pods that the rule is about, it warns.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import admin, calico, cilium, cluster, kubernetes
from rules.model import ADDRESS_SETS, NETWORK, NETWORK_POLICIES, Finding, rule
from rules.netpol.destinations import METADATA, Outside, union
from rules.netpol.model import Grant, PeerEntry
from rules.netpol.peers import Networks
from rules.netpol.questions import entries, exemption, has_names, opens
from rules.netpol.sets import Addresses, Ports
from rules.patch import lookup
from rules.policies import Asked, whereto
from rules.proposal import origin_shown
from rules.review import Cluster, Review
from rules.widening import place_of, shown, widenings_of
from rules.words import quote

HTTP = 80
_OPEN = "[{to: [{ipBlock: {cidr: %s}}], ports: [{port: %d}]}]"
ALLOW = [
    kubernetes(_OPEN % ("0.0.0.0/0", 443)),
    kubernetes(_OPEN % ("10.0.0.0/8", 80)),
    kubernetes(
        "[{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}}]}]"
    ),
    cilium("[{toEntities: [cluster]}]"),
    cilium("[{toPorts: [{ports: [{port: '80', protocol: TCP}], serverNames: [a.com]}]}]"),
    f"{{network: {{imds_restriction: true}}, object: {kubernetes('[{}]')}}}",
    calico("{action: Deny, destination: {nets: [169.254.169.254/32]}}"),
]
DENY = [
    kubernetes(_OPEN % ("169.254.169.254/32", 80)),
    kubernetes(_OPEN % ("168.63.128.0/20", 80)),
    kubernetes(_OPEN % ("'::ffff:169.254.169.254/128'", 80)),
    kubernetes("[{}]"),
    cilium("[{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}]}]"),
    cilium("[{toEntities: [world], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]"),
    calico("{action: Allow, protocol: TCP, destination: {ports: ['1:100']}}"),
    admin("{action: Allow, to: [{networks: [0.0.0.0/0]}]}"),
    cluster("{action: Accept, to: [{networks: [168.63.129.16/32]}]}"),
]
_DENIED = (
    "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: "
    "{name: no-metadata}, spec: {endpointSelector: {}, egressDeny: "
    "[{toCIDR: [169.254.169.254/32, 168.63.129.16/32]}]}}"
)
WARN = [
    kubernetes("[{to: [{ipBlock: {cidr: 169.254.169.254/32}}], ports: [{port: any}]}]"),
    f"{{object: {kubernetes(_OPEN % ('0.0.0.0/0', 80))}, cluster: [{_DENIED}]}}",
]


@rule(kinds=(*NETWORK_POLICIES, *ADDRESS_SETS), reads=NETWORK, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each rule that opens it."""
    asked = Asked(review, cluster)
    if cluster.site.network.imds_restriction:
        return
    special = union(METADATA)
    for grant in asked.met("egress"):
        by_name = asked.names_reach_addresses and has_names(grant)
        if exemption(grant) or not (opens(grant, HTTP) or by_name):
            continue  # what must be TLS, or DNS, is not what the metadata speaks
        for entry in entries(grant):
            reached = asked.outside(entry).addresses & special
            if reached:
                yield _finding(asked, grant, entry, reached)
                break
    for widening in widenings_of(review, cluster):
        reached = widening.outside.addresses & special
        if reached and opens(widening.grant, HTTP) and not exemption(widening.grant):
            yield _finding_of_set(review, widening.grant, reached)


def _finding_of_set(review: Review, grant: Grant, reached: Addresses) -> Finding:
    path, by = place_of(review, Outside(reached)), shown(grant)
    return Finding(
        check="IMDS",
        path=path,
        message=f"is {quote(lookup(review.object, path))}, so {by} opens port 80 of "
        f"{_address(reached)}, the metadata of the node; leave it out",
        found=[by, _address(reached)],
    )


def _address(reached: Addresses) -> str:
    return next(net for net in METADATA if union((net,)) & reached).partition("/")[0]


def _finding(asked: Asked, grant: Grant, entry: PeerEntry, reached: Addresses) -> Finding:
    address = _address(reached)
    mask = asked.mask(grant)
    hidden_by = mask.hider([Networks(reached)], Ports.of("TCP", HTTP)) if mask else None
    today = f", denied as yet by {origin_shown(hidden_by)}" if hidden_by else ""
    return Finding(
        check="IMDS",
        path=entry.path,
        message=f"opens port 80 of {address}, the metadata of the node, by "
        f"{whereto(asked.review, entry)}{today}; except it",
        found=address,
        level="warn" if hidden_by or not opens(grant, HTTP) else "deny",
    )
