"""New labels must not take a running pod out of the last policy that isolates it.

Why: policies select by label, so whoever may change labels could otherwise undo them.
Source: specification egress 3.1 and 4 (LAST-ISOLATION).

It holds for labels of pods, and for those of namespaces, by which policies of the cluster select.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import NAMESPACE, NETWORK, POD, Finding, rule
from rules.netpol.changes import DIRECTIONS
from rules.pods import mapping
from rules.proposal import propose, shown
from rules.review import Cluster, Review
from rules.words import printable

_POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, labels: {app: %s}}}"
_WEB = (
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, "
    "namespace: default}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}}"
)
_ZONE = (
    "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: zone}, "
    "spec: {endpointSelector: {matchLabels: {io.cilium.k8s.namespace.labels.zone: a}}, "
    "ingress: [{}]}}"
)
_NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {zone: %s}}}"


def _update(old: str, new: str, *cluster: str) -> str:
    return f"{{object: {new}, old: {old}, operation: UPDATE, cluster: [{', '.join(cluster)}]}}"


ALLOW = [
    _update(_POD % "web", _POD % "web", _WEB),
    _update(_POD % "db", _POD % "free", _WEB),
    _update(_NAMESPACE % "a", _NAMESPACE % "b", _ZONE),
    _update(_NAMESPACE % "b", _NAMESPACE % "c", _POD % "web", _ZONE),
]
DENY = [
    _update(_POD % "web", _POD % "free", _WEB),
    _update(_NAMESPACE % "a", _NAMESPACE % "b", _POD % "web", _ZONE),
]


@rule(
    kinds=(POD, NAMESPACE),
    operations=("UPDATE",),
    also=((POD, "status"),),
    reads=NETWORK,
    transition=True,
    shaped=True,
    severity="critical",
    lift="a template's pods are made anew: none of them loses anything",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """The place is the labels, for policies select by them."""
    metadata = mapping(review.object, "metadata")
    if metadata.get("labels") == mapping(review.old, "metadata").get("labels"):
        return
    if cluster.namespace(review.namespace).terminating:
        return
    for direction in DIRECTIONS:
        pod = next(propose(review, cluster).freed(direction), None)
        if pod is not None:
            yield Finding(
                check="LAST-ISOLATION",
                path=("metadata", "labels"),
                message=f"change, so no policy isolates {printable(shown(pod))} for {direction} "
                "any more; keep them, or first add a policy that selects by the new ones",
                found=["relabelled", direction],
            )
