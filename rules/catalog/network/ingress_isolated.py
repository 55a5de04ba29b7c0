"""Some network policy must isolate every pod for ingress.

Why: a pod that no policy isolates takes whatever is sent to it, by every tenant of the cluster.
Source: specification egress 3 and 4; Kubernetes documentation, Network Policies.

Of a pod on the network of its node, which no policy isolates, `host-namespaces-not-shared` speaks.
By the built-in rulebook this warns: it would stop all of a cluster that has no policies yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import NETWORK, PODS, Finding, rule
from rules.proposal import stand
from rules.review import Cluster, Review

_POLICY = (
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: closed, "
    "namespace: default}, spec: {podSelector: %s, policyTypes: [%s]}}"
)
_POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"
_BESIDE = f"{{object: {_POD}, cluster: [%s]}}"
ALLOW = [
    "{kind: Pod, spec: {hostNetwork: true, containers: [{name: app}]}}",
    _BESIDE % (_POLICY % ("{}", "Ingress")),
    _BESIDE
    % (_POLICY % ("{matchExpressions: [{key: absent, operator: DoesNotExist}]}", "Ingress")),
]
DENY = [
    _POD,
    _BESIDE % (_POLICY % ("{}", "Egress")),
    _BESIDE % (_POLICY % ("{matchLabels: {of: others}}", "Ingress")),
]


@rule(kinds=PODS, reads=NETWORK, shaped=True, by_group=True, severity="high", action="warn")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """The place is the labels, for policies select by them."""
    standing = stand(review, cluster)
    if standing.pod.host_network:
        return
    if not standing.isolated("ingress"):
        yield Finding(
            check="INGRESS-ISOLATED",
            path=("metadata", "labels"),
            message=f"are selected by no policy of namespace {review.namespace} or of the cluster "
            "that isolates ingress, so everybody may reach the pod; add a NetworkPolicy with "
            "policyTypes [Ingress] that selects it",
            found="not isolated for ingress",
        )
