"""A pod of a tenant must be made for Linux.

Why: on Windows nodes there is neither a Kata VM to run it in nor an Istio sidecar to speak for it.
Source: AKS documentation, pod sandboxing and Istio add-on; sandbox-and-mesh SBX-19.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, Path, rule
from rules.patch import lookup
from rules.refusal import refuse
from rules.review import Cluster, Review

PLACES: tuple[Path, ...] = (
    ("spec", "os", "name"),
    ("spec", "nodeSelector", "kubernetes.io/os"),
    ("spec", "nodeSelector", "beta.kubernetes.io/os"),
)

ALLOW = ["{kind: Pod, spec: {os: {name: linux}, nodeSelector: {kubernetes.io/os: linux}}}"]
DENY = [
    "{kind: Pod, spec: {os: {name: windows}}}",  # case 30
    "{kind: Pod, spec: {nodeSelector: {kubernetes.io/os: windows}}}",
]


@rule(kinds=PODS, shaped=True, severity="medium")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding, wherever the pod says it."""
    for path in PLACES:
        if lookup(review.object, path) == "windows":
            message = 'is "windows", where pods get no sandbox and no sidecar; use a Linux image'
            yield refuse(review, "SBX-19", path, message)
            return
