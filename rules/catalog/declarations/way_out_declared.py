"""A Sidecar must not let its pods out to hosts that nobody declared, where policies let them out.

Why: what no ServiceEntry declares passes the mesh as it is, clear text or not, and nobody sees it.
Source: specification egress 1.5 and 2 (mesh verdicts); Istio API reference, Sidecar.

Istio is no firewall: how bad ALLOW_ANY is depends on what network policies leave open. Left unset
the mesh's own setting holds, which is the platform's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.egress import Outside
from rules.model import JSON, NETWORK, SIDECAR, Finding, Fix, Path, rule
from rules.netpol.inventory import Pod
from rules.netpol.sets import Ports
from rules.patch import set_field
from rules.permits import ways
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen

CHECK = "PLAIN-HTTP"
MODE: Path = ("spec", "outboundTrafficPolicy", "mode")
SHAPE = {
    "outboundTrafficPolicy": {"mode": str},
    "workloadSelector": {"labels": {str: str}},
}
_HTTP = Ports.of("TCP", 80)

ALLOW = [
    "{kind: Sidecar, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}",
    "{kind: Sidecar, spec: {egress: [{hosts: ['./*']}]}}",
]
_OPEN = "{kind: Sidecar, spec: {%soutboundTrafficPolicy: {mode: ALLOW_ANY}}}"
_OF_WEB = _OPEN % "workloadSelector: {labels: {app: web}}, "


def _policy(name: str, selector: str, egress: str = "") -> str:
    spec = f"{{podSelector: {selector}, policyTypes: [Egress]{egress}}}"
    about = f"kind: NetworkPolicy, metadata: {{name: {name}, namespace: default}}"
    return f"{{apiVersion: networking.k8s.io/v1, {about}, spec: {spec}}}"


def _beside(value: str, *cluster: str) -> str:
    return f"{{object: {value}, cluster: [{', '.join(cluster)}]}}"


_WEB = "{matchLabels: {app: web}}"
_CLOSED = _policy("closed", "{}")
_WEB_OUT = _policy("out", _WEB, ", egress: [{ports: [{port: 80}]}]")
_POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, labels: {app: web}}}"
DENY = [
    _OPEN % "",
    _beside(_OF_WEB, _policy("others", "{matchLabels: {app: db}}")),
    _beside(_OF_WEB, _CLOSED, _WEB_OUT),
    _beside(_OPEN % "", _CLOSED, _WEB_OUT, _POD),
]
INFO = [
    _beside(_OPEN % "", _CLOSED),
    _beside(_OPEN % "", _CLOSED, _WEB_OUT),
    _beside(_OF_WEB, _policy("web", _WEB, ", egress: [{ports: [{port: 443}]}]")),
]


@rule(kinds=(SIDECAR,), reads=NETWORK, shaped=True, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Denies where the policies let out plain HTTP, and only tells of it where they do not."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    if mapping(spec, "outboundTrafficPolicy").get("mode") != "ALLOW_ANY":
        return
    labels = mapping(spec, "workloadSelector", "labels")
    yield Finding(
        check=CHECK,
        path=MODE,
        message='is "ALLOW_ANY", so hosts that nobody declared are called as they are; set it to '
        '"REGISTRY_ONLY" and declare them (plain-HTTP egress)',
        found="ALLOW_ANY",
        level="deny" if _lets_out(review, cluster, labels) else "info",
        fix=Fix(set_field(review.object, MODE, "REGISTRY_ONLY"), safe=False),
    )


def _lets_out(review: Review, cluster: Cluster, labels: Mapping[str, JSON]) -> bool:
    """Whether policies let some of the pods call hosts outside by plain HTTP."""
    index, outside = cluster.network, Outside.of(cluster, review.namespace)
    seen = set()
    for pod in _pods(review, cluster, labels):
        sides = index.sides(pod, "egress")
        causes = tuple(tuple(map(id, side.causes())) for side in sides)
        if causes not in seen and "public" in ways(index, pod, sides, outside, _HTTP):
            return True
        seen.add(causes)
    return False


def _pods(review: Review, cluster: Cluster, labels: Mapping[str, JSON]) -> Iterator[Pod]:
    """One that is to come with no other labels, and those that there are."""
    index = cluster.network
    yield index.pod({"metadata": {"labels": labels}}, review.namespace)
    for pod, _ in index.pods(review.namespace):
        if labels.items() <= pod.labels.items():
            yield pod
