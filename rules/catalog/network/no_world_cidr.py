"""A network policy must not open the whole Internet.

Why: who may reach every address can send data to anybody, and fetch anything from anywhere.
Source: specification egress 4 (WORLD-CIDR).

The networks of all rules are put together, as an engine does: halves add up to the whole, and what
one entry excepts another may bring back. More than half of all addresses is the whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import admin, calico, cilium, cluster, kubernetes
from rules.model import NETWORK, NETWORK_POLICIES, Finding, rule
from rules.netpol.model import Grant, PortEntry, Unknown
from rules.netpol.questions import entries, is_world, opens_all
from rules.netpol.sets import Addresses
from rules.policies import Asked, whereto
from rules.review import Cluster, Review

_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_HALVES = "[{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1}}]"
_ALL = "to: [{networks: [0.0.0.0/0]}]"
ALLOW = [
    kubernetes("[{to: [{ipBlock: {cidr: 0.0.0.0/1}}], ports: [{port: 443}]}]"),
    cilium("[{toCIDRSet: [{cidr: 0.0.0.0/0, except: [0.0.0.0/0]}]}]"),
    cilium("[{toFQDNs: [{matchName: example.com}]}]"),
    cilium("[{toEntities: [cluster]}]"),
    calico("{action: Allow, destination: {nets: [198.51.100.0/24]}}"),
]
DENY = [
    kubernetes("[{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"),
    kubernetes(f"[{{to: {_HALVES}}}]"),
    kubernetes("[{to: [{ipBlock: {cidr: '::/0'}}]}]"),
    cilium("[{toCIDR: [0.0.0.0/0]}]"),
    calico("{action: Allow, destination: {notNets: [10.0.0.0/8]}}"),
    admin(f"{{action: Allow, {_ALL}}}"),
    cluster(f"{{action: Accept, {_ALL}}}"),
]
WARN = [
    kubernetes("[{ports: [{port: 443}]}]"),
    kubernetes(
        "[{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 443}]}]"
    ),
    cilium(f"[{{toCIDRSet: [{{cidr: 0.0.0.0/0}}], {_443}}}]"),
    cilium(f"[{{{_443}}}]"),
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Denies where every port of the world is open, and warns where some are."""
    asked = Asked(review, cluster)
    grants = [grant for grant in asked.grants("egress") if _has_ports(asked, grant)]
    for level, some in (("deny", [g for g in grants if opens_all(g)]), ("warn", grants)):
        found = [(entry, asked.outside(entry).addresses) for g in some for entry in entries(g)]
        if is_world(Addresses.union(addresses for _, addresses in found)):
            entry = next(entry for entry, addresses in found if addresses)
            ports = "every port" if level == "deny" else "some port"
            yield Finding(
                check="WORLD-CIDR",
                path=entry.path,
                message=f"opens {ports} of the whole Internet ({whereto(review, entry)}); name "
                "the networks or, on Cilium, the domains that are needed",
                found=level,
                level="deny" if level == "deny" else "warn",
            )
            return


def _has_ports(asked: Asked, grant: Grant) -> bool:
    return any(
        "TCP" in each.protocols and (isinstance(each, PortEntry) or asked.names_reach_addresses)
        for each in grant.ports
        if not isinstance(each, Unknown)
    )
