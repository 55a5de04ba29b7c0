"""A debugging container that is added to a running pod must not be privileged.

Why: the pod was judged when it was made, and what is added to it is a subresource of its own.
Source: sandbox-and-mesh SBX-17; test-only, until a shipped rule reads this subresource.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import POD, Finding, rule
from rules.pods import containers, mapping
from rules.review import Cluster, Review


@rule(kinds=(POD,), operations=("UPDATE",), subresources=("ephemeralcontainers",))
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Each container that is."""
    for container in containers(review.object):
        if mapping(container.value, "securityContext").get("privileged") is True:
            path = (*container.path, "securityContext", "privileged")
            yield Finding(check="SBX-17", path=path, message="is true; remove it", found=True)
