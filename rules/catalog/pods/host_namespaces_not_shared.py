"""A pod of a tenant must not share the network, the processes or the IPC of its node.

Why: a VM cannot share the namespaces of its host; asked to, it breaks the node's network or fails.
Source: Kata Containers, docs/Limitations.md; AKS documentation, pod sandboxing; sandbox-and-mesh
SBX-1 and SBX-2.

This is what `kubectl debug node/...` asks for, too: it belongs into a namespace of the platform.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, rule
from rules.refusal import removal
from rules.review import Cluster, Review

CHECKS = {"hostNetwork": "SBX-1", "hostPID": "SBX-2", "hostIPC": "SBX-2"}

_HOST = "{kind: Pod, spec: {hostNetwork: true}}"
ALLOW = [
    "{kind: Pod, spec: {containers: [{name: a}]}}",
    "{kind: Pod, spec: {hostNetwork: false, hostPID: null}}",
]
DENY = [
    _HOST,  # case 13
    "{kind: Pod, spec: {hostPID: true}}",  # case 14
    "{kind: Pod, spec: {hostIPC: true}}",  # case 14
    "{kind: Pod, spec: {hostNetwork: true, hostPID: true, hostIPC: true}}",  # case 31
    f"{{object: {_HOST}, old: {_HOST}, operation: UPDATE}}",
]


@rule(kinds=PODS, shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each namespace of the node."""
    spec = review.pod.spec
    for name, paragraph in CHECKS.items():
        if spec.get(name) is True:
            yield removal(review, paragraph, ("spec", name), "is true")
