"""Only the platform may make or delete a namespace that has the name of a trusted one.

Why: trust goes by name; whoever makes a trusted name that is free, or makes it anew, is trusted.
Source: sandbox-and-mesh 2, TEN-4.

Reserved are the trusted names of the rulebook, whether they exist or not, and all that begin as
those of Kubernetes and AKS do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import NAMESPACE, Finding, Path, rule
from rules.principal import admission, introduce, is_platform
from rules.review import Cluster, Review
from rules.words import quote

NAME: Path = ("metadata", "name")

_KUBE = "{kind: Namespace, metadata: {name: kube-system}}"
_MASTERS = "user: {groups: ['system:masters']}"
ALLOW = [
    "{kind: Namespace, metadata: {name: shop}}",
    "{kind: Namespace, metadata: {name: kubeflow}}",
    f"{{object: {_KUBE}, {_MASTERS}}}",
    f"{{old: {_KUBE}, operation: DELETE, {_MASTERS}}}",
    "{old: {kind: Namespace, metadata: {name: shop}}, operation: DELETE}",
]
DENY = [
    "{kind: Namespace, metadata: {name: gatekeeper-system}}",  # case 39
    "{kind: Namespace, metadata: {name: aks-anything}}",
    f"{{old: {_KUBE}, operation: DELETE}}",
]


@rule(
    kinds=(NAMESPACE,),
    operations=("CREATE", "DELETE"),
    shaped=True,
    severity="critical",
    scope="everywhere",
    transition=True,
)
def check(
    review: Review, cluster: Cluster, *, prefixes: Sequence[str] = ("kube-", "aks-")
) -> Iterator[Finding]:
    """`prefixes`: names that begin so are reserved beside those of the trusted namespaces."""
    if is_platform(review, cluster):
        return
    name = review.own_name
    if name in cluster.site.trusted.namespaces or name.startswith(tuple(prefixes)):
        cure = "leave it" if review.operation == "DELETE" else "choose another"
        yield Finding(
            check="TEN-4",
            path=NAME,
            message=f"is {quote(name)}, which is kept for the platform; {cure}: "
            f"{introduce(review)} is not the platform",
            found=name,
            why=f"trust goes by name; {admission(review)}",
        )
