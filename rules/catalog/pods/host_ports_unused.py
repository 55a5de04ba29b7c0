"""A container of a tenant must not listen on a port of its node.

Why: such a port lies outside the VM and the mesh: whoever reaches the node reaches it in clear
text. A Service reaches the pod without it.
Source: sandbox-and-mesh SBX-10; Pod Security Standards, baseline.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, rule
from rules.pods import items
from rules.refusal import removal
from rules.review import Cluster, Review
from rules.words import quote

ALLOW = [
    "{kind: Pod, spec: {containers: [{name: a, ports: [{containerPort: 8080}]}]}}",
    "{kind: Pod, spec: {containers: [{name: a, ports: [{containerPort: 80, hostPort: 0}]}]}}",
]
DENY = [
    "{kind: Pod, spec: {containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}]}}",
    "{kind: Pod, spec: {initContainers: [{name: a, ports: [{hostPort: 9100, name: m}]}]}}",
]


@rule(kinds=PODS, shaped=True, severity="high")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each port; 0 asks for none."""
    for path, container in review.pod.containers:
        for place, port in items(container, path, "ports"):
            stated = port.get("hostPort")
            if isinstance(stated, int) and stated:
                state = f"is {quote(stated)}, a port of the node"
                yield removal(review, "SBX-10", (*place, "hostPort"), state)
