"""A network policy must be one that its engine can use.

Why: what the API server stores and the engine throws away isolates nobody, however it reads.
Source: specification egress 1.2.1 and 1.3.1 (CILIUM-VOID, CALICO-VOID).

Of what users write for Calico's API server it is said, too, what would become of it without that
server: newer installations have none.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import calico, cilium
from rules.model import (
    CALICO_POLICIES,
    CALICO_STAGED,
    CILIUM_POLICIES,
    CLUSTER_POLICY,
    Finding,
    rule,
)
from rules.netpol.model import Unknown
from rules.patch import lookup
from rules.policies import CALICO, Asked, faults
from rules.review import Cluster, Review
from rules.statement import written

_CRD = "{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata: {name: a}, spec: %s}"
_NODES = "{action: Accept, to: [{nodes: {matchLabels: {a: b}}}]}"

ALLOW = [
    cilium("[{toEntities: [world], toPorts: [{ports: [{port: '443'}]}]}]"),
    cilium("[]"),
    calico("{action: Allow, protocol: TCP, destination: {ports: [443]}}", "NetworkPolicy"),
]
DENY = [
    cilium("[{toEntities: [cluster], toCIDR: [10.0.0.0/8]}]"),
    cilium("[{toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]}]"),
    cilium("[{toPorts: [{ports: [{port: '080'}]}]}]"),
    calico("{action: Allow, protocol: TCP, destination: {ports: ['443:80']}}", "NetworkPolicy"),
    calico(
        "{action: Allow, protocol: TCP, destination: {ports: ['443:80']}}",
        "StagedGlobalNetworkPolicy",
    ),
    _CRD % "{selector: ' '}",
    calico("{action: Deny, destination: {services: {name: a}}}", "NetworkPolicy"),
    "{network: {engine: cilium, version: '1.20'}, object: {kind: ClusterNetworkPolicy, spec:"
    f" {{tier: Admin, priority: 5, subject: {{namespaces: {{}}}}, egress: [{_NODES}]}}}}}}",
]
STAGED = tuple(kind for kind in CALICO_STAGED if "Kubernetes" not in kind.kind)


@rule(kinds=(*CILIUM_POLICIES, CLUSTER_POLICY, *CALICO_POLICIES, *STAGED), severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Each part that voids the whole object."""
    check = "CALICO-VOID" if review.group in CALICO else "CILIUM-VOID"
    for unknown in dict.fromkeys(
        (*faults(review, cluster.site.network), *_by_engine(review, cluster))
    ):
        if unknown.path[-2:] == ("services", "namespace"):
            yield Finding(
                check=check,
                path=unknown.path,
                message="is missing, so the rule matches nothing; name that of the Service",
                found=None,
            )
        elif unknown.consequence == "void" and not _is_told_elsewhere(unknown):
            follows = "" if review.group in CALICO else ", so Cilium throws the whole policy away"
            yield Finding(
                check=check,
                path=unknown.path,
                message=f"is {unknown.found}{follows}; it must be {unknown.wanted}",
                found=lookup(review.object, unknown.path),
            )


def _by_engine(review: Review, cluster: Cluster) -> Iterator[Unknown]:
    """What the engine of this cluster throws a policy away for that other engines take."""
    if review.kind == CLUSTER_POLICY.kind:
        engine = Asked(review, cluster).engine
        for policy in written(review):
            yield from engine.reads(policy).unknowns


def _is_told_elsewhere(unknown: Unknown) -> bool:
    """A section without rules is said to isolate nothing; a name comes with the object."""
    named = unknown.path == ("metadata", "name")
    return named or unknown.found == "without a rule in any section"
