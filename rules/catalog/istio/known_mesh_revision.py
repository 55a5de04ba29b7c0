"""An Istio object that names a mesh revision must name one that is installed.

Why: istiod ignores an object labelled with another revision, without a word: a silent off switch.
Source: sandbox-and-mesh 5, MESH-2; istio/istio pkg/config/model.go (LabelsInRevision).

A revision tag such as `prod-stable` selects injectors, not objects: here only revisions count.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import ISTIO, MUTATING_WEBHOOKS, NAMESPACE, Finding, Fix, Operation, Path, rule
from rules.pods import labels_of
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

REVISION = "istio.io/rev"
FIELD: Path = ("metadata", "labels", REVISION)


def _meet(revision: str, rest: str = "") -> str:
    """An example: a policy labelled so, where asm-1-28 runs under the tag prod-stable."""
    labels = "app: sidecar-injector, istio.io/rev: asm-1-28"
    injectors = ", ".join(
        f"{{kind: MutatingWebhookConfiguration, metadata: {{name: i{number}, labels: {{{text}}}}}}}"
        for number, text in enumerate([labels, f"{labels}, istio.io/tag: prod-stable"])
    )
    value = f"{{kind: AuthorizationPolicy, metadata: {{labels: {{istio.io/rev: {revision}}}}}}}"
    return f"{{object: {value}, cluster: [{injectors}]{rest}}}"


ALLOW = [
    "{kind: AuthorizationPolicy, metadata: {labels: {app: a}}}",
    _meet("asm-1-28"),
    _meet("bogus", ", user: {username: admin, groups: ['system:masters']}"),
]
DENY = [
    _meet("bogus"),  # 81
    _meet("prod-stable"),
    _meet("''"),
    "{kind: AuthorizationPolicy, metadata: {labels: {istio.io/rev: bogus}}}",
]


@rule(
    kinds=ISTIO,
    reads=(MUTATING_WEBHOOKS, NAMESPACE),
    shaped=True,
    severity="high",
    scope="everywhere",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding, with the revisions that would do."""
    stated = labels_of(review.object).get(REVISION)
    known = cluster.live_revisions
    if stated is None or stated in known or cluster.is_platform(review.requester):
        return
    yield Finding(
        check="MESH-2",
        path=FIELD,
        message=f"is {quote(stated)}, which is no installed mesh revision "
        f"({enumerate_words(sorted(known), 'and') or 'none is known'}): istiod would ignore this "
        "object; remove the label",
        found=stated,
        fix=Fix((Operation("remove", FIELD),), safe=False),
    )
