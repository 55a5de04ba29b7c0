"""An object must have the shape that its kind has wherever a rule reads it.

Why: what cannot be read cannot be judged, and what cannot be judged is not allowed.
Source: Kubernetes API reference; operations, fault table rows 5, 12, 17 and 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rules import policies
from rules.model import (
    ADDRESS_SETS,
    ADMIN_POLICY,
    BINDING,
    CALICO_STAGED,
    ISTIO,
    JSON,
    NAMESPACE,
    NETWORK_POLICIES,
    NETWORK_POLICY,
    PERSISTENT_VOLUME,
    POD,
    PODS,
    RUNTIME_CLASS,
    SECRET_PROVIDER_CLASS,
    SERVICE,
    STORAGE_CLASS,
    TIERS,
    Finding,
    Level,
    Path,
    rule,
)
from rules.netpol import terms
from rules.netpol.dialects.kubernetes import SMALL_ENOUGH
from rules.netpol.engine import Api
from rules.netpol.model import Unknown
from rules.netpol.parts import UNKNOWN_FIELD
from rules.patch import lookup
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import SHAPES, faults, matcher
from rules.statement import written
from rules.words import kind_of, quote

Check = Literal["MALFORMED", "LIMIT"]

MOST_FAULTS = 1000
FITS = {kind: matcher(shape) for kind, shape in SHAPES.items()}

_REQUIRES = (
    "{network: {version: '%s'}, object: {kind: CiliumNetworkPolicy, metadata: {name: a}, spec: "
    "{endpointSelector: {}, egress: [{toRequires: [{}]}]}}}"
)
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
    "{kind: CiliumNetworkPolicy, spec: {endpointSelector: {}, egress: [{toCIDR: [10.0.0.1]}]}}",
    _REQUIRES % "1.19",
    "{kind: AdminNetworkPolicy, spec: {priority: 1001, subject: {namespaces: {}}}}",
    "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, spec: {order: first}}",
    "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, spec: {nets: [example.com]}}",
    "{apiVersion: crd.projectcalico.org/v1, kind: NetworkSet, spec: {nets: [10.0.0.0/33]}}",
    "{kind: CiliumCIDRGroup, metadata: {name: a}, spec: {externalCIDRs: [10.0.0.0/8, '']}}",
    "{apiVersion: projectcalico.org/v3, kind: Tier, spec: {defaultAction: Allow}}",
]
WARN = [
    _REQUIRES % "1.18",
    "{apiVersion: projectcalico.org/v3, kind: NetworkSet, spec: {allowedEgressDomains: [a.com]}}",
]


KINDS = (
    *(
        *PODS,
        BINDING,
        *NETWORK_POLICIES,
        *CALICO_STAGED,
        *ADDRESS_SETS,
        *TIERS,
        NAMESPACE,
        SERVICE,
        *ISTIO,
    ),
    *(RUNTIME_CLASS, PERSISTENT_VOLUME, STORAGE_CLASS, SECRET_PROVIDER_CLASS),
)
TERMS = frozenset(kind.kind for kind in (*ADDRESS_SETS, *TIERS))
POLICIES = frozenset(kind.kind for kind in (*NETWORK_POLICIES, *CALICO_STAGED))
POD_SUBRESOURCES = ("binding", "ephemeralcontainers", "resize", "status")


@rule(
    kinds=KINDS,
    also=tuple((POD, subresource) for subresource in POD_SUBRESOURCES),
    shaped=True,
    severity="high",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Speaks as MALFORMED, and as LIMIT of what is too large; the door says that of too deep."""
    if not (review.fits or FITS[review.kind](review.object)):
        for number, (path, found, wanted) in enumerate(faults(review.object, SHAPES[review.kind])):
            if number == MOST_FAULTS:
                yield _finding((), None, f"has more than {number} wrong types", check="LIMIT")
                return
            shown = quote(found) if isinstance(found, str | int) else kind_of(found)
            yield _finding(path, found, f"is {shown}; it must be {wanted}")
    elif review.kind in POLICIES:
        yield from _unread(review, cluster)
    elif review.kind in TERMS:
        yield from _unread_term(review, cluster)


def _unread(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """What of a policy cannot be read, or means nothing that anybody can say."""
    if not written(review):
        yield _finding(("spec",), None, f"is too large; it must be {SMALL_ENOUGH}", check="LIMIT")
    for unknown in policies.faults(review, cluster.site.network):
        level = None if _is_kafka(review, unknown) else _level(review, unknown)
        if level is not None:
            named: Check = "LIMIT" if unknown.wanted == SMALL_ENOUGH else "MALFORMED"
            found = lookup(review.object, unknown.path)
            message = f"is {unknown.found}; it must be {unknown.wanted}"
            yield _finding(unknown.path, found, message, check=named, level=level)


def _unread_term(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """What policies name, and would not find in it."""
    node = {**review.object, "apiVersion": f"{review.group}/", "kind": review.kind}
    for number, unknown in enumerate(
        terms.faults(node, enterprise=cluster.site.network.enterprise)
    ):
        if number == MOST_FAULTS:
            yield _finding((), None, f"has more than {number} faults", check="LIMIT")
            return
        found = lookup(review.object, unknown.path)
        cut = unknown.found == UNKNOWN_FIELD
        message = f"is {unknown.found}; it must be {unknown.wanted}"
        yield _finding(unknown.path, found, message, level="warn" if cut else "deny")


def _is_kafka(review: Review, unknown: Unknown) -> bool:
    """Whether it is about rules for Kafka alone, which older versions of Cilium take."""
    return set(mapping(lookup(review.object, unknown.path))) == {"kafka"}


def _level(review: Review, unknown: Unknown) -> Level | None:
    """How bad it is; None: other rules speak of it, those about what engines make of faults."""
    if unknown.consequence == "refused" or _is_of_kubernetes(review):
        return "deny"
    if unknown.consequence == "undecided":  # an unreadable selector of pods or namespaces
        if unknown.path[-1] in ("toRequires", "fromRequires"):
            return "warn"
        return "deny" if review.group == ADMIN_POLICY.group else None
    cut = unknown.consequence == "as-read" and review.group not in policies.CALICO
    return "warn" if cut else None


def _is_of_kubernetes(review: Review) -> bool:
    return policies.api_of(review) == Api(NETWORK_POLICY.group, NETWORK_POLICY.kind)


def _finding(
    path: Path, found: JSON, message: str, *, check: Check = "MALFORMED", level: Level = "deny"
) -> Finding:
    said = f"{'' if path else 'the object '}{message} [{check}]"
    return Finding(check=check, path=path, message=said, found=found, level=level)
