"""A pod of a tenant must limit its memory: the limits are the size of its VM.

Why: without a limit the VM has a size that nobody chose, 512Mi or 2Gi; less than 128Mi is
not supported.
Source: AKS documentation, considerations of pod sandboxing; sandbox-and-mesh SBX-15.

The limits of all containers that run beside each other count together, the sidecar's too.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import JSON, PODS, Finding, Path, rule
from rules.patch import lookup, set_field
from rules.quantity import InvalidQuantity, parse
from rules.refusal import refuse
from rules.review import Cluster, Review
from rules.words import quote

LEAST = "128Mi"
_LEAST = parse(LEAST)
USUAL = "512Mi"
LIMIT: Path = ("resources", "limits", "memory")


def _pod(*limits: str, rest: str = "") -> str:
    listed = ", ".join(f"{{resources: {{limits: {{memory: {limit}}}}}}}" for limit in limits)
    return f"{{kind: Pod, spec: {{containers: [{listed}], {rest}}}}}"


_SIDECAR = "{restartPolicy: Always, resources: {limits: {memory: 64Mi}}}"
ALLOW = [
    _pod("128Mi"),
    _pod("134217728"),
    _pod("0.125Gi"),
    _pod("64Mi", "64Mi"),
    _pod("64Mi", rest=f"initContainers: [{_SIDECAR}]"),
    "{kind: Pod, spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: a}]}}",
]
DENY = [
    _pod("64Mi"),  # case 25
    _pod("64Mi", "32Mi", rest="initContainers: [{resources: {limits: {memory: 1Gi}}}]"),
    _pod("100M"),
    _pod("128mi"),
    "{kind: Pod, spec: {resources: {limits: {memory: 64Mi}}, containers: [{name: a}]}}",
]
WARN = [
    "{kind: Pod, spec: {containers: [{name: a}]}}",  # case 26
    "{kind: Pod, spec: {containers: [{resources: {limits: {cpu: 1}, requests: {memory: 1Gi}}}]}}",
]


@rule(kinds=PODS, operations=("CREATE",), shaped=True, severity="medium")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Warns of each container without a limit; denies a sum that is too small for a VM."""
    sizes = {}
    for path, stated in _limits(review):
        if stated is None:
            place = (*path, *LIMIT)
            message = "is not set, so nobody chose the size of the VM; set it, for example to "
            patch = set_field(review.object, place, USUAL)
            yield refuse(review, "SBX-15", place, message + quote(USUAL), *patch, level="warn")
            continue
        try:
            sizes[path] = parse(stated)
        except InvalidQuantity as invalid:
            yield refuse(review, "SBX-15", (*path, *LIMIT), str(invalid))
    if sizes and sum(sizes.values()) < _LEAST:
        place = (*next(iter(sizes)), *LIMIT)
        shown = quote(lookup(review.object, place))
        message = f"is {shown}, and the VM then has less than {LEAST}; set it to {quote(LEAST)}"
        yield refuse(review, "SBX-15", place, message, *set_field(review.object, place, LEAST))


def _limits(review: Review) -> Iterator[tuple[Path, JSON]]:
    """The limits that count, and whose: that of the whole pod, or those of its containers."""
    spec = review.pod.spec
    whole = lookup(spec, LIMIT)
    if whole is not None:
        yield ("spec",), whole
        return
    for path, container in review.pod.containers:
        if path[1] == "containers" or container.get("restartPolicy") == "Always":
            yield path, lookup(container, LIMIT)
