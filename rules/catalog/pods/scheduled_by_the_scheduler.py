"""The scheduler must choose the node of a tenant's pod, and nobody else.

Why: who names the node goes past its taints and past the node selector of the runtime class: onto
nodes that are others', or that have no Kata, such as virtual ones.
Source: AKS documentation, Istio add-on (no virtual nodes); sandbox-and-mesh SBX-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import BINDING, POD, PODS, Finding, rule
from rules.refusal import removal
from rules.review import Cluster, Review
from rules.words import quote

_BINDING = "{kind: Binding, metadata: {name: a}, target: {kind: Node, name: n1}}"
ALLOW = [
    "{kind: Pod, spec: {nodeName: '', nodeSelector: {pool: a}, affinity: {nodeAffinity: {}}}}",
    f"{{object: {_BINDING}, user: {{username: 'system:kube-scheduler'}}}}",
    f"{{object: {_BINDING}, user: {{username: own}}, parameters: {{schedulers: [own]}}}}",
]
DENY = [
    "{kind: Pod, spec: {nodeName: virtual-node-aci-linux}}",  # case 23
    "{kind: Pod, spec: {nodeName: n1, hostPID: true}}",  # case 31
    _BINDING,
    f"{{object: {_BINDING}, user: {{username: 'system:kube-scheduler-2'}}}}",
]


@rule(
    kinds=(*PODS, BINDING),
    also=((POD, "binding"),),
    operations=("CREATE",),  # a stored pod names the node that the scheduler chose
    shaped=True,
    severity="high",
)
def check(
    review: Review, _cluster: Cluster, *, schedulers: Sequence[str] = ("system:kube-scheduler",)
) -> Iterator[Finding]:
    """`schedulers`: exact names of the users that may bind pods."""
    if review.kind != BINDING.kind:
        node = review.pod.spec.get("nodeName")
        if node:
            state = f"is {quote(node)}, which goes past the scheduler"
            yield removal(review, "SBX-8", ("spec", "nodeName"), state)
    elif review.requester is not None and review.requester.username not in schedulers:
        name = review.requester.username
        yield Finding(
            check="SBX-8",
            path=("target",),
            message=f"is chosen by {quote(name)}; leave it to the scheduler, and create no Binding",
            found=name,
        )
