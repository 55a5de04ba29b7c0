"""Policies that come before those of tenants must be the platform's.

Why: what is allowed in an earlier tier is decided there, and no NetworkPolicy can take it back.
Source: specification egress 1.3, 1.4 and 4 (ANP-OVERRIDE, TENANT-TIER).

Calico's API server writes what it was sent as its own service account: the parameter names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.frames import admin, calico, cluster
from rules.model import (
    ADMIN_POLICY,
    CALICO_POLICIES,
    CLUSTER_POLICY,
    Finding,
    rule,
)
from rules.netpol.model import BASELINE, DEFAULT
from rules.pods import mapping
from rules.policies import CALICO, Asked
from rules.principal import admission, introduce, is_platform
from rules.review import Cluster, Review
from rules.words import quote

_NET = "{action: Allow, destination: {nets: [10.0.0.0/8]}}"
_PLATFORM = "user: {username: root, groups: ['system:masters']}"
_TIERED = calico(_NET, "NetworkPolicy", more=", tier: sec")
ALLOW = [
    calico(_NET, "NetworkPolicy"),
    calico(_NET),
    admin("{action: Deny, to: [{networks: [10.0.0.0/8]}]}"),
    f"{{{_PLATFORM}, {_TIERED[1:]}",
]
DENY = [
    admin("{action: Allow, to: [{networks: [10.0.0.0/8]}]}"),
    cluster("{action: Accept, to: [{networks: [10.0.0.0/8]}]}"),
    calico(_NET, more=", tier: sec"),
    _TIERED,
]
WRITERS = (
    "system:serviceaccount:calico-system:calico-apiserver",
    "system:serviceaccount:calico-apiserver:calico-apiserver",
)


@rule(kinds=(ADMIN_POLICY, CLUSTER_POLICY, *CALICO_POLICIES), severity="high")
def check(
    review: Review, cluster: Cluster, *, writers: Sequence[str] = WRITERS
) -> Iterator[Finding]:
    """`writers`: exact users that write what others asked for and were judged for."""
    asker = review.requester
    if asker is None or asker.username in writers or is_platform(review, cluster):
        return
    stated = mapping(review.object, "spec").get("tier")
    tier = stated if isinstance(stated, str) and stated else DEFAULT
    if review.group in CALICO and review.namespace:
        if tier != DEFAULT:
            yield _finding(review, "TENANT-TIER", f"puts the policy into tier {quote(tier)}", tier)
        return
    overriding = next(
        (grant for grant in Asked(review, cluster).grants() if _is_early(review, tier)), None
    )
    if overriding is not None:
        what = f"lets traffic pass ahead of tenants' policies, by {review.kind}"
        yield _finding(review, "ANP-OVERRIDE", what, tier)


def _is_early(review: Review, tier: str) -> bool:
    """Whether what the tier allows is decided before NetworkPolicies are asked."""
    if review.group in CALICO:
        return tier not in {DEFAULT, BASELINE}
    return review.kind == ADMIN_POLICY.kind or tier == "Admin"


def _finding(review: Review, check: str, what: str, tier: str) -> Finding:
    return Finding(
        check=check,
        path=("spec", "priority" if review.kind == ADMIN_POLICY.kind else "tier"),
        message=f"{what}, which only the platform may do; use a NetworkPolicy of the namespace",
        found=tier,
        why=f"{introduce(review)} asks; {admission(review)}",
    )
