"""Only the kubelet of a node may make mirror pods, and only those of its own node.

Why: a mirror pod shows what a node runs already, so no rule is asked about it: nobody else may
claim to make one.
Source: Kubernetes, plugin/pkg/admission/noderestriction; sandbox-and-mesh SBX-14.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, Path, rule
from rules.refusal import removal
from rules.review import MIRROR, Cluster, Review
from rules.words import quote

PLACE: Path = ("metadata", "annotations", MIRROR)


def _meet(user: str, group: str = "system:nodes") -> str:
    """An example: this user makes a mirror pod for the node n1."""
    pod = f"{{kind: Pod, metadata: {{annotations: {{{MIRROR}: a1b2}}}}, spec: {{nodeName: n1}}}}"
    return f"{{object: {pod}, user: {{username: {user}, groups: ['{group}']}}}}"


ALLOW = [
    "{kind: Pod, metadata: {annotations: {kubernetes.io/config.hash: a1b2}}}",
    _meet("system:node:n1"),
]
DENY = [
    _meet("developer"),
    _meet("system:node:n2"),
    _meet("system:node:n1", group="system:authenticated"),
]


@rule(kinds=PODS, operations=("CREATE",), shaped=True, severity="high")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Whoever asks is looked at, so nothing is said where nobody is known."""
    if review.requester is None or review.shows_static_pod:
        return
    if MIRROR in review.pod.annotations:
        state = f"is written by {quote(review.requester.username)}, not by the kubelet of the node"
        yield removal(review, "SBX-14", PLACE, state)
