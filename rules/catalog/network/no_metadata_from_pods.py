"""All policies together must not let a pod reach the instance metadata of its node.

Why: whoever reaches it gets the identity of the node, and with it what the node may do in the
cloud.
Source: specification egress 2 (SPECIAL) and 4 (IMDS).

Of a pod that nothing isolates `egress-isolated` speaks. A cluster that restricts it by itself says
so in `cluster.imdsRestriction`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import POD, beside, stored
from rules.model import NETWORK, PODS, Finding, rule
from rules.netpol.destinations import METADATA, union
from rules.netpol.exits import exits
from rules.netpol.peers import Networks
from rules.netpol.sets import Ports
from rules.proposal import origin_shown, stand
from rules.review import Cluster, Review
from rules.words import place, printable

_WORLD = "[{to: [{ipBlock: {cidr: 0.0.0.0/0%s}}], ports: [{port: %s}]}]"
_EXCEPT = ", except: [169.254.169.254/32, 168.63.129.16/32]"
_DENIED = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: closed, namespace: "
    "default}, spec: {endpointSelector: {}, egressDeny: [{toCIDR: [169.254.169.254/32, "
    "168.63.129.16/32]}]}}"
)
ALLOW = [
    POD,
    beside(stored("closed", "[]")),
    beside(stored("tls", _WORLD % ("", 443))),
    beside(stored("but", _WORLD % (_EXCEPT, 80))),
    beside(stored("http", _WORLD % ("", 80)), _DENIED),
    f"{{network: {{imds_restriction: true}}, {beside(stored('http', _WORLD % ('', 80)))[1:]}",
]
DENY = [
    beside(stored("http", _WORLD % ("", 80))),
    beside(stored("all", "[{}]")),
    beside(stored("own", "[{to: [{ipBlock: {cidr: 168.63.129.16/32}}], ports: [{port: 80}]}]")),
]


@rule(kinds=PODS, reads=NETWORK, shaped=True, by_group=True, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, with a rule that opens it."""
    if cluster.site.network.imds_restriction:
        return
    standing = stand(review, cluster)
    if not standing.isolated("egress"):
        return
    special = union(METADATA)
    for way in exits(standing.index, standing.pod, standing.sides["egress"], Ports.of("TCP", 80)):
        met = way.end.addresses & special if isinstance(way.end, Networks) else None
        if met:
            address, cause = next(met.texts()).partition("-")[0], way.cause
            by = f", by {origin_shown(cause.origin)} at {place(cause.path)}" if cause else ""
            yield Finding(
                check="IMDS",
                path=("metadata", "labels"),
                message=printable(
                    f"let it reach port 80 of {address}, the metadata of the node{by}; except it"
                ),
                found="metadata",
            )
            return
