"""An author must not write the annotation with which Istio says that it has injected its sidecar.

Why: Istio believes it; after injection it cannot be told from a genuine one.
Source: sandbox-and-mesh INJ-RAW b; test-only, until a shipped rule speaks in the raw phase.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PODS, Finding, Path, rule
from rules.pods import annotations_of
from rules.review import Cluster, Review

STATUS: Path = ("metadata", "annotations", "sidecar.istio.io/status")


@rule(kinds=PODS, operations=("CREATE",), phase="raw")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """What Istio writes, the author cannot have written."""
    stated = annotations_of(review.object).get("sidecar.istio.io/status")
    if stated is not None:
        yield Finding(check="INJ-RAW", path=STATUS, message="is Istio's to write", found=stated)
