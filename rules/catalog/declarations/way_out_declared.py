"""A Sidecar must not let its pods out to hosts that nobody declared, where policies let them out.

Why: what no ServiceEntry declares passes the mesh as it is, clear text or not, and nobody sees it.
Source: specification egress 1.5 and 2 (mesh verdicts); Istio API reference, Sidecar.

Istio is no firewall: how bad ALLOW_ANY is depends on what network policies leave open. Left unset
the mesh's own setting holds, which is the platform's.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import SIDECAR, Finding, Fix, Path, rule
from rules.patch import set_field
from rules.permits import weigh
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen

CHECK = "PLAIN-HTTP"
MODE: Path = ("spec", "outboundTrafficPolicy", "mode")
SHAPE = {
    "outboundTrafficPolicy": {"mode": str},
    "workloadSelector": {"labels": {str: str}},
}
_HTTP = 80

ALLOW = [
    "{kind: Sidecar, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}",
    "{kind: Sidecar, spec: {egress: [{hosts: ['./*']}]}}",
]
WARN = ["{kind: Sidecar, spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}}"]


@rule(kinds=(SIDECAR,), shaped=True, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Denies where the policies let out plain HTTP, and only tells of it where they do not."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    if mapping(spec, "outboundTrafficPolicy").get("mode") != "ALLOW_ANY":
        return
    labels = mapping(spec, "workloadSelector", "labels")
    reachable = cluster.permits.may_reach(review.namespace, labels, "public", _HTTP)
    yield Finding(
        check=CHECK,
        path=MODE,
        message='is "ALLOW_ANY", so hosts that nobody declared are called as they are; set it to '
        '"REGISTRY_ONLY" and declare them (plain-HTTP egress)',
        found="ALLOW_ANY",
        level=weigh(reachable),
        fix=Fix(set_field(review.object, MODE, "REGISTRY_ONLY"), safe=False),
    )
