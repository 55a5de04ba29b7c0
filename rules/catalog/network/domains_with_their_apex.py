"""A pattern of names should come with the name itself that it leaves out.

Why: `*.example.com` matches neither example.com nor a.b.example.com, which few authors expect.
Source: contracts 11 (FQDN-APEX); cilium/cilium pkg/fqdn/matchpattern.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import admin, calico, cilium, cluster, enterprise
from rules.model import ADMIN_POLICIES, CALICO_POLICIES, CILIUM_POLICIES, Finding, rule
from rules.netpol.names import Patterns
from rules.netpol.questions import names
from rules.patch import lookup
from rules.policies import Asked, place_of_name
from rules.review import Cluster, Review
from rules.words import quote

_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
ALLOW = [
    cilium(f"[{{toFQDNs: [{{matchName: a.com}}, {{matchPattern: '*.a.com'}}], {_443}}}]"),
    cilium(f"[{{toFQDNs: [{{matchName: www.a.com}}], {_443}}}]"),
]
INFO = [
    cilium(f"[{{toFQDNs: [{{matchPattern: '*.google.com'}}], {_443}}}]"),
    admin("{action: Allow, to: [{domainNames: ['*.google.com']}]}"),
    cluster("{action: Accept, to: [{domainNames: ['*.google.com']}]}"),
    enterprise(calico("{action: Allow, destination: {domains: ['*.google.com'], ports: [443]}}")),
]


@rule(kinds=(*CILIUM_POLICIES, *ADMIN_POLICIES, *CALICO_POLICIES), severity="low")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Tells what a pattern does not match, where nothing else of the rule does."""
    for grant in {grant.path: grant for grant in Asked(review, cluster).grants("egress")}.values():
        found = list(names(grant))
        patterns = Patterns(pattern for _, pattern in found)
        for entry, pattern in found:
            head, _, apex = pattern.partition(".")
            if head.strip("*") or not apex or "*" in apex or "." not in apex:
                continue
            if not patterns.cover(apex):
                inner = "" if head == "**" else f" nor a.b.{apex}"
                path = place_of_name(review, entry)
                yield Finding(
                    check="FQDN-APEX",
                    path=path,
                    message=f"is {quote(lookup(review.object, path))}, which does not match "
                    f"{apex} itself{inner}; add {apex} if that is meant",
                    found=pattern,
                    level="info",
                )
