"""An object must have the shape that its kind has wherever a rule reads it.

Why: what cannot be read cannot be judged, and what cannot be judged is not allowed.
Source: Kubernetes API reference; operations, fault table rows 5, 12, 17 and 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rules.model import (
    BINDING,
    ISTIO,
    JSON,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME,
    POD,
    PODS,
    RUNTIME_CLASS,
    SECRET_PROVIDER_CLASS,
    SERVICE,
    STORAGE_CLASS,
    Finding,
    Path,
    rule,
)
from rules.netpol.dialects.kubernetes import SMALL_ENOUGH, translate
from rules.patch import lookup
from rules.review import Cluster, Review
from rules.shapes import SHAPES, faults, matcher
from rules.words import kind_of, quote

Check = Literal["MALFORMED", "LIMIT"]

MOST_FAULTS = 1000
FITS = {kind: matcher(shape) for kind, shape in SHAPES.items()}

ALLOW = [
    "{kind: Pod, metadata: {labels: null}, spec: {containers: [{name: a}]}}",
    "{kind: NetworkPolicy, spec: {podSelector: {}}}",
]
DENY = [
    "{kind: Pod, metadata: {labels: [a]}, spec: {containers: [{name: a}]}}",
    "{kind: Pod, metadata: {labels: {a: 1}}, spec: {containers: [{name: a}]}}",
    "{kind: Pod, spec: {hostNetwork: 'true', containers: [{name: a}]}}",
    "{kind: Pod, spec: {containers: {name: a}}}",
    "{kind: Pod, spec: {containers: [null]}}",
    "{kind: Namespace, metadata: {labels: [a]}}",
    "{kind: PersistentVolume, spec: {csi: {driver: 7}}}",
    "{kind: NetworkPolicy, spec: []}",
    "{kind: NetworkPolicy, spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: x}}]}]}}",
    "{kind: NetworkPolicy, spec: {podSelector: {}, egress: [{ports: [{port: 70000}]}]}}",
]


KINDS = (
    *(*PODS, BINDING, NETWORK_POLICY, NAMESPACE, SERVICE, *ISTIO),
    *(RUNTIME_CLASS, PERSISTENT_VOLUME, STORAGE_CLASS, SECRET_PROVIDER_CLASS),
)
POD_SUBRESOURCES = ("binding", "ephemeralcontainers", "resize", "status")


@rule(
    kinds=KINDS,
    also=tuple((POD, subresource) for subresource in POD_SUBRESOURCES),
    shaped=True,
    severity="high",
)
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Speaks as MALFORMED, and as LIMIT of what is too large; the door says that of too deep."""
    if not (review.fits or FITS[review.kind](review.object)):
        for number, (path, found, wanted) in enumerate(faults(review.object, SHAPES[review.kind])):
            if number == MOST_FAULTS:
                yield _finding((), None, f"has more than {number} wrong types", check="LIMIT")
                return
            shown = quote(found) if isinstance(found, str | int) else kind_of(found)
            yield _finding(path, found, f"is {shown}; it must be {wanted}")
    elif review.kind == NETWORK_POLICY.kind:
        for unknown in translate(review.object, namespace=review.namespace).unknowns:
            found = lookup(review.object, unknown.path)
            named: Check = "LIMIT" if unknown.wanted == SMALL_ENOUGH else "MALFORMED"
            message = f"is {unknown.found}; it must be {unknown.wanted}"
            yield _finding(unknown.path, found, message, check=named)


def _finding(path: Path, found: JSON, message: str, *, check: Check = "MALFORMED") -> Finding:
    subject = "" if path else "the object "
    return Finding(check=check, path=path, message=f"{subject}{message} [{check}]", found=found)
