"""A pod that is labelled keep must not be deleted.

Why: so that something is asked about deletions, where the object comes in another place.
Source: operations, fault table row 13; test-only, until a shipped rule registers DELETE.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import POD, Finding, rule
from rules.pods import labels_of
from rules.review import Cluster, Review


@rule(kinds=(POD,), operations=("DELETE",))
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Whoever asks, but for those who keep house."""
    if labels_of(review.object).get("keep") == "true":
        path = ("metadata", "labels", "keep")
        yield Finding(check="KEEP", path=path, message='is "true"', found="true")
