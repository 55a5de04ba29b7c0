"""Only the platform may make, change or delete runtime classes.

Why: a class says what runs a pod; deleted and made anew with another handler, it keeps its name and
no longer its walls.
Source: sandbox-and-mesh 2, TEN-6; Kubernetes API, node.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import RUNTIME_CLASS, Finding, Path, rule
from rules.principal import admission, introduce, is_platform
from rules.review import Cluster, Review

NAME: Path = ("metadata", "name")
DONE = {"CREATE": "make", "UPDATE": "change", "DELETE": "delete"}

_FAST = "{kind: RuntimeClass, metadata: {name: fast}, handler: kata}"
_MASTERS = "user: {groups: ['system:masters']}"
ALLOW = [
    f"{{object: {_FAST}, {_MASTERS}}}",  # case 35
    f"{{old: {_FAST}, operation: DELETE, {_MASTERS}}}",
]
DENY = [
    _FAST,
    "{kind: RuntimeClass, metadata: {name: kata-mshv-vm-isolation}, handler: runc}",  # case 34
    f"{{object: {_FAST}, old: {_FAST}, operation: UPDATE}}",
    f"{{old: {_FAST}, operation: DELETE}}",
]


@rule(
    kinds=(RUNTIME_CLASS,),
    operations=("CREATE", "UPDATE", "DELETE"),
    shaped=True,
    severity="critical",
    scope="everywhere",
    transition=True,
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, whatever the class says."""
    if is_platform(review, cluster):
        return
    yield Finding(
        check="TEN-6",
        path=NAME,
        message=f"is a runtime class, which only the platform may {DONE[review.operation]}: "
        f"{introduce(review)} is not the platform",
        found=review.operation,
        why=f"a runtime class decides what runs the pods of all tenants; {admission(review)}",
    )
