"""A pod must not reach the pods of another tenant, nor be reached by them.

Why: tenants share a cluster, not their traffic; one that is broken into must not lead to the next.
Source: specification egress 4 (CROSS-TENANT); contracts 1.

What is judged is what policies of both sides really let pass now, with a pod as the witness. Of a
pod that nothing isolates `egress-isolated` and `ingress-isolated` speak. Trusted namespaces belong
to no tenant, and may be reached.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import NETWORK, PODS, Finding, rule
from rules.netpol.changes import DIRECTIONS
from rules.netpol.explain import words
from rules.netpol.meetings import Meeting, search
from rules.netpol.model import Direction
from rules.proposal import origin_shown, shown, stand
from rules.review import Cluster, Review
from rules.words import place, printable

_POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"
_OTHER = "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: blue, labels: {app: db}}}"
_OF = "{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {sallyport.dev/tenant: %s}}}"


def _policy(namespace: str, spec: str) -> str:
    return (
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: own, "
        f"namespace: {namespace}}}, spec: {{podSelector: {{}}, {spec}}}}}"
    )


def _beside(*cluster: str) -> str:
    return f"{{object: {_POD}, cluster: [{', '.join(cluster)}]}}"


_TO_ALL = _policy("default", "policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]")
_FROM_ALL = _policy(
    "default", "policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]"
)
_TO_OWN = _policy("default", "policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]")
ALLOW = [
    _POD,
    _beside(_TO_ALL),
    _beside(_TO_OWN, _OTHER),
    _beside(_TO_ALL, _OTHER, _OF % ("default", "a"), _OF % ("blue", "a")),
    _beside(_TO_ALL, _OTHER, _policy("blue", "policyTypes: [Ingress]")),
    _beside(_TO_ALL, _OTHER.replace("blue", "kube-system")),
]
DENY = [
    _beside(_TO_ALL, _OTHER),
    _beside(_FROM_ALL, _OTHER),
    _beside(_TO_ALL, _OTHER, _OF % ("default", "a"), _OF % ("blue", "b")),
]


@rule(kinds=PODS, reads=NETWORK, shaped=True, by_group=True, severity="critical")
def check(review: Review, cluster: Cluster, *, most_groups: int = 1000) -> Iterator[Finding]:
    """`most_groups`: how many groups of other tenants' pods are looked at while somebody waits."""
    standing = stand(review, cluster)
    own = review.namespace

    def foreign(name: str) -> bool:
        tenant = cluster.tenant(name)
        same = name == own or (tenant and tenant == cluster.tenant(own))
        return not same and not cluster.trusts(name)

    for direction in DIRECTIONS:
        if not standing.isolated(direction):
            continue
        looked = search(
            standing.index, standing.pod, standing.sides[direction], foreign, most_groups
        )
        if looked.found is not None:
            yield _finding(looked.found, direction, cluster)
        elif looked.stopped:
            yield Finding(
                check="LIMIT",
                path=("metadata", "labels"),
                message=f"were judged on {looked.seen} groups of other tenants' pods, and there "
                "are more; let policies name the namespaces that are meant",
                found=["limit", direction],
                level="warn",
            )


def _finding(meeting: Meeting, direction: Direction, cluster: Cluster) -> Finding:
    other = meeting.other
    stated = cluster.tenant(other.namespace.name)
    tenant, whose = stated or other.namespace.name, f" of tenant {stated}" if stated else ""
    deed = "lead to" if direction == "egress" else "let in"
    by = " and ".join(
        f"{origin_shown(each.origin)} at {place(each.path)}" for each in meeting.causes
    )
    return Finding(
        check="CROSS-TENANT",
        path=("metadata", "labels"),
        message=printable(
            f"{deed} {shown(other)}{whose} on {words(meeting.ports)}, by {by}; "
            "name your own namespaces there"
        ),
        found=[direction, tenant, str(meeting.ports)],
    )
