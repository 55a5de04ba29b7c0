"""A network policy should isolate the pods that it selects, in each direction that it rules.

Why: where no policy isolates a pod all its traffic passes, and rules that allow some say nothing.
Source: specification egress 1.1, 1.2 and 4 (NP-POLICYTYPES, CNP-NULL-EGRESS, DEFAULT-DENY-OFF).

What policies mean together is not looked at: another one may isolate the same pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rules.frames import calico, cilium, kubernetes
from rules.model import (
    CALICO_POLICIES,
    CILIUM_POLICIES,
    JSON,
    NETWORK_POLICY,
    Finding,
    Fix,
    Operation,
    Path,
    rule,
)
from rules.patch import lookup
from rules.pods import mapping
from rules.policies import CILIUM
from rules.review import Cluster, Review
from rules.statement import written

_ISOLATING = "{kind: NetworkPolicy, metadata: {name: default-deny}, spec: {podSelector: {}%s}}"
_DENYING = (
    "{kind: CiliumNetworkPolicy, metadata: {name: deny-all}, spec: {endpointSelector: {}, %s}}"
)

ALLOW = [
    kubernetes("[]"),
    _ISOLATING % ", policyTypes: [Ingress, Egress]",
    "{kind: NetworkPolicy, spec: {podSelector: {}, egress: [{ports: [{port: 443}]}]}}",
    cilium("[{}]"),
    cilium("[]", more=", egressDeny: [{}]"),
    calico("{action: Allow, destination: {nets: [10.0.0.0/8]}}"),
    calico("{action: Deny}", more=", doNotTrack: true, applyOnForward: true"),
]
DENY = [_DENYING % "egress: []"]
WARN = [
    kubernetes("[{ports: [{port: 443}]}]").replace("Types: [Egress]", "Types: [Ingress]"),
    cilium("[]"),
    cilium("[{}]", more=", enableDefaultDeny: {egress: false}"),
    calico("{action: Allow, destination: {nets: [10.0.0.0/8]}}").replace("[Egress]", "[Ingress]"),
]
TYPES = {"egress": "Egress", "ingress": "Ingress"}


@rule(kinds=(NETWORK_POLICY, *CILIUM_POLICIES, *CALICO_POLICIES), severity="medium")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """Denies only where the name says `deny` and the policy denies nothing."""
    if review.group == CILIUM:
        for path, spec in _specs(review.object):
            for direction in TYPES:
                yield from _of_cilium(review, path, spec, direction)
        return
    if _about_hosts(review):
        return
    for policy in written(review):
        isolated = {each.direction for each in policy.isolations}
        void = {grant.direction for grant in policy.void}
        denying = review.own_name.startswith("default-deny")
        if denying and "egress" not in isolated and review.group == NETWORK_POLICY.group:
            void.add("egress")
        for direction in sorted(void - isolated):
            yield _types(review, direction)


def _about_hosts(review: Review) -> bool:
    """Whether a policy of Calico is asked before traffic is a pod's, and so isolates none."""
    spec = mapping(review.object, "spec")
    return any(spec.get(field) is True for field in ("doNotTrack", "preDNAT"))


def _types(review: Review, direction: str) -> Finding:
    field = "policyTypes" if review.group == NETWORK_POLICY.group else "types"
    path: Path = ("spec", field)
    stated = mapping(review.object, "spec").get(field)
    stated = stated if isinstance(stated, list) else ["Ingress"]
    wanted = [*stated, TYPES[direction]]
    alone = " (Cilium alone isolates by them)" if field == "policyTypes" else ""
    return Finding(
        check="NP-POLICYTYPES",
        path=path,
        message=f"names no {TYPES[direction]}, so {direction} is left open and its rules say "
        f"nothing{alone}; add {TYPES[direction]}",
        found=stated,
        level="warn",
        fix=Fix((Operation(_how(review.object, path), path, wanted),), safe=False),
    )


def _how(value: JSON, path: Path) -> Literal["add", "replace"]:
    return "add" if lookup(value, path) is None else "replace"


def _specs(value: JSON) -> Iterator[tuple[Path, JSON]]:
    yield ("spec",), mapping(value, "spec")
    several = value.get("specs") if isinstance(value, dict) else None
    for index, spec in enumerate(several if isinstance(several, list) else ()):
        yield ("specs", index), mapping(spec)


def _of_cilium(review: Review, path: Path, spec: JSON, direction: str) -> Iterator[Finding]:
    chosen = mapping(spec, "enableDefaultDeny").get(direction)
    ruled = spec.get(direction) or spec.get(f"{direction}Deny")
    if chosen is False:
        place = (*path, "enableDefaultDeny", direction)
        yield Finding(
            check="DEFAULT-DENY-OFF",
            path=place,
            message=f"is false: of {direction} nothing is dropped unless another policy of these "
            "pods does it; leave it out",
            found=False,
            level="warn",
            fix=Fix((Operation("remove", place),), safe=False),
        )
    elif not ruled and (spec.get(direction) == [] or chosen is True):
        place = (*path, direction)
        yield Finding(
            check="CNP-NULL-EGRESS",
            path=place,
            message=f"holds no rule, so it isolates nothing; write {direction}: [{{}}], an empty "
            f"rule, to allow no {direction} at all",
            found=spec.get(direction),
            level="deny" if "deny" in review.own_name.lower() else "warn",
            fix=Fix((Operation(_how(review.object, place), place, [{}]),), safe=False),
        )
