"""A DaemonSet of a tenant must select the nodes that have Kata.

Why: its controller makes a pod for each node, and only then the runtime class adds its node
selector: those meant for nodes without Kata stay Pending for ever.
Source: Kubernetes documentation, DaemonSet and RuntimeClass; sandbox-and-mesh SBX-20.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import DAEMON_SET, Finding, rule
from rules.patch import set_field
from rules.pods import mapping
from rules.refusal import refuse
from rules.review import Cluster, Review


def _daemon_set(selector: str) -> str:
    return f"{{kind: DaemonSet, spec: {{template: {{spec: {{nodeSelector: {{{selector}}}}}}}}}}}"


ALLOW = [
    _daemon_set("kubernetes.azure.com/kata-mshv-vm-isolation: 'true'"),
    _daemon_set("kubernetes.azure.com/kata-vm-isolation: 'true'"),
]
WARN = [
    "{kind: DaemonSet, spec: {template: {spec: {containers: [{name: a}]}}}}",
    _daemon_set("disk: fast"),
]


@rule(kinds=(DAEMON_SET,), operations=("CREATE",), shaped=True, severity="low")
def check(
    review: Review,
    _cluster: Cluster,
    *,
    labels: Sequence[str] = (
        "kubernetes.azure.com/kata-mshv-vm-isolation",
        "kubernetes.azure.com/kata-vm-isolation",
    ),
) -> Iterator[Finding]:
    """`labels`: those of the nodes that have Kata, of which one must be selected."""
    selected = mapping(review.object, "spec", "nodeSelector")
    if not labels or any(label in selected for label in labels):
        return
    path = ("spec", "nodeSelector", labels[0])
    message = 'is not set, so pods for nodes without Kata would stay Pending; set it to "true"'
    patch = set_field(review.object, path, "true")
    yield refuse(review, "SBX-20", path, message, *patch, level="warn")
