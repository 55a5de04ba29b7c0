"""A network policy should not lead to the control plane of the cloud.

Why: together with an identity, the node's own from its metadata or a workload's, it is the way to
all that the cloud account holds.
Source: contracts 11 (CLOUD-CONTROL-PLANE).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.frames import admin, cilium, cluster, enterprise
from rules.model import ADMIN_POLICIES, CALICO_POLICIES, CILIUM_POLICIES, Finding, rule
from rules.netpol.questions import names, reaches
from rules.policies import Asked, place_of_name
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
ENDPOINTS = ("management.azure.com", "graph.microsoft.com", "login.microsoftonline.com")
ALLOW = [
    cilium(f"[{{toFQDNs: [{{matchName: example.com}}], {_443}}}]"),
    admin("{action: Deny, to: [{networks: [10.0.0.0/8]}]}"),
]
WARN = [
    cilium(f"[{{toFQDNs: [{{matchName: management.azure.com}}], {_443}}}]"),
    cilium(f"[{{toFQDNs: [{{matchPattern: '*.microsoft.com'}}], {_443}}}]"),
    admin("{action: Allow, to: [{domainNames: ['*.microsoftonline.com']}]}"),
    cluster("{action: Accept, to: [{domainNames: [graph.microsoft.com]}]}"),
    *enterprise("{action: Allow, destination: {domains: [management.azure.com]}}"),
]


@rule(kinds=(*CILIUM_POLICIES, *ADMIN_POLICIES, *CALICO_POLICIES), severity="medium")
def check(
    review: Review, cluster: Cluster, *, endpoints: Sequence[str] = ENDPOINTS
) -> Iterator[Finding]:
    """`endpoints`: the names of the control plane. A pattern counts that covers one of them."""
    for grant in {grant.path: grant for grant in Asked(review, cluster).grants("egress")}.values():
        for entry, pattern in names(grant):
            reached = reaches(pattern, endpoints)
            if reached:
                yield Finding(
                    check="CLOUD-CONTROL-PLANE",
                    path=place_of_name(review, entry),
                    message=f"is {quote(pattern)}, which covers "
                    f"{enumerate_words(reached, 'and')}, the control plane of the cloud; leave it "
                    "out",
                    found=pattern,
                    level="warn",
                )
