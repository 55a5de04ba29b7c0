"""The last isolation must not be taken from pods that run.

Why: a pod that no policy isolates any more may send anything anywhere, or takes whatever is sent.
Source: specification egress 3.1 and 4 (LAST-ISOLATION); contracts 11.

Pods that have ended or are on their way out do not count, nor does what happens in a namespace that
is being deleted: who takes down a whole application deletes its workloads first, or all of the
namespace.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import NETWORK, NETWORK_POLICIES, TIERS, Finding, rule
from rules.netpol.changes import DIRECTIONS
from rules.netpol.inventory import Pod
from rules.proposal import propose, shown
from rules.review import Cluster, Review
from rules.words import printable

CHECK = "LAST-ISOLATION"


def _closed(name: str, types: str, selector: str = "{}") -> str:
    return (
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, "
        f"namespace: default}}, spec: {{podSelector: {selector}, policyTypes: [{types}]}}}}"
    )


def _pod(about: str = "", rest: str = "") -> str:
    metadata = f"{{name: web-1, namespace: default, labels: {{app: web}}{about}}}"
    return f"{{apiVersion: v1, kind: Pod, metadata: {metadata}{rest}}}"


def _deletion(*cluster: str) -> str:
    old = _closed("own", "Egress")
    return f"{{object: null, old: {old}, operation: DELETE, cluster: [{', '.join(cluster)}]}}"


def _update(new: str, old: str, *cluster: str) -> str:
    return f"{{object: {new}, old: {old}, operation: UPDATE, cluster: [{', '.join(cluster)}]}}"


_OWN = _closed("own", "Egress")
_ENDING = _pod(", deletionTimestamp: '2026-01-01T00:00:00Z'")
_GOING = (
    "{apiVersion: v1, kind: Namespace, metadata: {name: default, "
    "deletionTimestamp: '2026-01-01T00:00:00Z'}}"
)
ALLOW = [
    _deletion(),
    _deletion(_OWN, _ENDING),
    _deletion(_OWN, _pod(rest=", status: {phase: Succeeded}")),
    _deletion(_OWN, _pod(), _GOING),
    _deletion(_OWN, _pod(), _closed("other", "Egress")),
    _update(_closed("own", "Ingress"), _OWN, _OWN, _closed("other", "Egress"), _pod()),
]
DENY = [
    _deletion(_OWN, _pod()),
    _update(_closed("own", "Ingress"), _OWN, _OWN, _pod()),
]


@rule(
    kinds=(*NETWORK_POLICIES, *TIERS),
    operations=("UPDATE", "DELETE"),
    reads=NETWORK,
    transition=True,
    severity="critical",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each direction, with some pods that it frees."""
    if review.namespace and cluster.namespace(review.namespace).terminating:
        return
    goes = review.operation == "DELETE"
    state = "goes" if goes else "is changed"
    proposal = propose(review, cluster)
    for direction in DIRECTIONS:
        freed = (pod for pod in proposal.freed(direction) if not _goes(cluster, pod))
        pod = next(freed, None)
        if pod is not None:
            what = f"and no other policy isolates {printable(shown(pod))} for {direction}"
            cure = "delete what runs there" if goes else "let it select them with its policyTypes"
            yield Finding(
                check=CHECK,
                path=() if goes else ("spec",),
                message=f"{state}, {what}; first add a policy that does, or {cure}",
                found=[state, direction],
            )
    if proposal.left_out and proposal.loosened:
        yield Finding(
            check="LIMIT",
            path=(),
            message=f"{state}, {proposal.limit()}; whether it is the last isolation of the others "
            "cannot be said in time: first add a policy that isolates what this one does",
            found=proposal.limit(),
        )


def _goes(cluster: Cluster, pod: Pod) -> bool:
    return cluster.namespace(pod.namespace.name).terminating
