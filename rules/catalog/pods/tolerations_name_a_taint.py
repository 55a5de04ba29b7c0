"""A toleration of a tenant's pod must name the taint that it tolerates.

Why: one without a key tolerates every taint, so the pod reaches nodes that taints keep for others,
and stays on nodes that it should leave.
Source: Kubernetes documentation, taints and tolerations; sandbox-and-mesh SBX-9.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, Fix, Operation, rule
from rules.pods import items
from rules.review import Cluster, Review


def _pod(*tolerations: str) -> str:
    return f"{{kind: Pod, spec: {{tolerations: [{', '.join(tolerations)}]}}}}"


def _change(old: str, *new: str) -> str:
    return f"{{object: {_pod(old, *new)}, old: {_pod(old)}, operation: UPDATE}}"


_BLANKET = "{operator: Exists}"
_NAMED = "{key: sku, operator: Exists, effect: NoSchedule}"
ALLOW = [
    _pod(_NAMED, "{key: sku, value: gpu}"),
    _change(_BLANKET, _NAMED),
]
DENY = [
    _pod(_BLANKET),  # case 31
    _pod(_NAMED, "{operator: Exists, effect: NoExecute}"),
    _change(_NAMED, _BLANKET),
]


@rule(kinds=PODS, shaped=True, severity="medium")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """The tolerations of a new pod, and those that a stored pod is given: none can be taken."""
    stored = [item.value for item in items(review.former.pod.spec, (), "tolerations")]
    for path, toleration in items(review.pod.spec, ("spec",), "tolerations"):
        blanket = toleration.get("operator") == "Exists" and not toleration.get("key")
        if blanket and toleration not in stored:
            yield Finding(
                check="SBX-9",
                path=(*path, "operator"),
                message='is "Exists" without a key, which tolerates every taint; name the key',
                found=dict(toleration),
                fix=Fix((Operation("remove", path),), safe=False),
            )
