"""A container of a tenant must mount whole volumes, not paths inside them.

Why: Kata does not support subPath; the container may not start. It is no way out of the sandbox.
Source: Kata Containers, docs/Limitations.md; sandbox-and-mesh SBX-13.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, Operation, rule
from rules.pods import items
from rules.refusal import refuse
from rules.review import Cluster, Review
from rules.words import quote

FIELDS = ("subPath", "subPathExpr")


def _pod(field: str) -> str:
    mount = f"{{name: data, mountPath: /data, {field}}}"
    return f"{{kind: Pod, spec: {{containers: [{{volumeMounts: [{mount}]}}]}}}}"


ALLOW = [_pod("readOnly: true"), _pod("subPath: ''")]
WARN = [_pod("subPath: logs"), _pod("subPathExpr: logs/$(POD_NAME)")]


@rule(kinds=PODS, operations=("CREATE",), shaped=True, severity="low")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each mount of a path."""
    for path, container in review.pod.containers:
        for place, mount in items(container, path, "volumeMounts"):
            for field in FIELDS:
                if mount.get(field):
                    at = (*place, field)
                    message = f"is {quote(mount[field])}, which Kata does not support; remove it"
                    remove = Operation("remove", at)
                    yield refuse(review, "SBX-13", at, message, remove, level="warn")
