"""A network policy should be one that somebody enforces.

Why: a policy that nobody enforces is worse than none, for people believe that it holds.
Source: specification egress 3, table of AKS, and 4 (NOT-ENFORCED, STAGED); contracts 11 (KAFKA).
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import calico, cilium, kubernetes
from rules.injection import REVISION
from rules.model import (
    CALICO_STAGED,
    CILIUM_CLUSTERWIDE_POLICY,
    NAMESPACE,
    NETWORK_POLICIES,
    Finding,
    Path,
    rule,
)
from rules.netpol.model import L7, Grant, PortEntry
from rules.netpol.questions import names
from rules.patch import lookup
from rules.pods import mapping
from rules.policies import CALICO, STAGED, Asked, api_of, is_enforced
from rules.review import Cluster, Review
from rules.statement import written
from rules.words import quote

_HTTP = "[{toEntities: [cluster], toPorts: [{ports: [{port: '80', protocol: TCP}], rules: %s}]}]"
_NAME = "[{toFQDNs: [{matchName: a.com}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}]"
_RANGE = kubernetes("[{ports: [{port: 8443, endPort: 8445}]}]")
_MESHED = "{kind: Namespace, metadata: {name: default, labels: {istio.io/rev: prod-stable}}}"
RANGES_SINCE = (1, 17)

ALLOW = [
    _RANGE,
    cilium(_HTTP % "{http: [{}]}"),
    cilium(_NAME),
    calico("{action: Allow, destination: {nets: [10.0.0.0/8]}}"),
]
WARN = [
    f"{{network: {{engine: cilium, version: '1.16'}}, object: {_RANGE}}}",
    f"{{network: {{engine: npm}}, object: {cilium(_NAME)}}}",
    f"{{network: {{acns: {{fqdn: false}}}}, object: {cilium(_NAME)}}}",
    f"{{network: {{acns: {{l7: false}}}}, object: {cilium(_HTTP % '{http: [{}]}')}}}",
    f"{{cluster: [{_MESHED}], object: {cilium(_HTTP % '{http: [{}]}')}}}",
    cilium(_HTTP % "{http: [{}]}", kind="CiliumClusterwideNetworkPolicy"),
    cilium(_HTTP % "{kafka: [{role: produce, topic: a}]}"),
]
INFO = [
    calico("{action: Allow}", more=", doNotTrack: true, applyOnForward: true"),
    calico("{action: Allow, destination: {nets: [10.0.0.0/8]}}", "StagedNetworkPolicy"),
    calico("{}", "StagedKubernetesNetworkPolicy").replace("selector: all(), types", "policyTypes"),
]


@rule(kinds=(*NETWORK_POLICIES, *CALICO_STAGED), reads=(NAMESPACE,), severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Speaks as NOT-ENFORCED, STAGED and KAFKA."""
    asked, engine = Asked(review, cluster), cluster.site.network.engine
    if not is_enforced(review, cluster.site.network):
        api = api_of(review)
        yield _finding(
            ("kind",),
            f"is {review.kind}, which {engine} does not enforce here, so it does nothing; write a "
            f'kind that {engine} enforces, or set enforced: ["{api.group}/{api.kind}"]',
            review.kind,
        )
    elif review.kind.startswith(STAGED):
        yield _staged(review)
    elif review.group in CALICO:
        yield from _about_hosts(review)
    for grant in asked.grants():
        yield from _in_part(asked, grant)
    yield from _kafka(review)


def _finding(path: Path, message: str, found: object) -> Finding:
    return Finding(check="NOT-ENFORCED", path=path, message=message, found=found, level="warn")


def _staged(review: Review) -> Finding:
    policies, twin = written(review), review.kind.removeprefix(STAGED)
    dropped = sorted({each.direction for policy in policies for each in policy.isolations})
    kept = sum(1 for policy in policies for each in policy.grants if each.action == "allow")
    shadow = f"all {' and '.join(dropped)} but for {kept} rules" if dropped else "nothing"
    effect = f"as {twin} it would cut {shadow}"
    if mapping(review.object, "spec").get("stagedAction") == "Delete":
        effect = f"to enforce it deletes the {twin} of that name"
    return Finding(
        check="STAGED",
        path=("kind",),
        message=f"is {review.kind}: nobody enforces it; {effect}",
        found=review.kind,
        level="info",
    )


def _about_hosts(review: Review) -> Iterator[Finding]:
    """What of Calico is asked before traffic is that of a pod."""
    for field in ("doNotTrack", "preDNAT"):
        if mapping(review.object, "spec").get(field) is True:
            yield Finding(
                check="NOT-ENFORCED",
                path=("spec", field),
                message="is true, so the policy is about hosts: of pods it neither isolates nor "
                "allows anything; leave it out if pods are meant",
                found=True,
                level="info",
            )


def _in_part(asked: Asked, grant: Grant) -> Iterator[Finding]:
    """What the engine of this cluster leaves out of a rule."""
    review, network = asked.review, asked.network
    if asked.engine.name != "cilium":
        return
    if asked.engine.version < RANGES_SINCE:
        for entry in grant.ports:
            stated = mapping(lookup(review.object, entry.path)).get("endPort")
            if isinstance(entry, PortEntry) and stated is not None:
                message = f"is {quote(stated)}, which Cilium knows from 1.17 on: here only the "
                yield _finding((*entry.path, "endPort"), f"{message}first port counts", stated)
    named = next((entry for entry, _ in names(grant)), None)
    if named is not None and not network.acns.fqdn:
        message = "names a domain, which needs ACNS FQDN filtering, and that is off"
        yield _finding(named.path, message, lookup(review.object, named.path))
    if grant.l7 in {L7.HTTP_CLEAR, L7.TLS_BRIDGED, L7.TLS_TERMINATED, L7.TLS_SNI}:
        reason = _without_l7(asked)
        if reason:
            found = lookup(review.object, grant.path)
            yield _finding(
                (*grant.path, "toPorts"), f"asks for what stands above ports{reason}", found
            )


def _without_l7(asked: Asked) -> str:
    """Why rules above the port are not enforced; "" where they are."""
    if asked.review.kind == CILIUM_CLUSTERWIDE_POLICY.kind:
        return f", which AKS does not support in a {asked.review.kind}: use one in a namespace"
    if not asked.network.acns.l7:
        return ", which needs ACNS L7 policies, and they are off"
    own = asked.cluster.namespace(asked.review.namespace)
    if REVISION in own.labels:
        return ", which AKS does not support beside the Istio add-on: use an AuthorizationPolicy"
    return ""


def _kafka(review: Review) -> Iterator[Finding]:
    for policy in written(review):
        for unknown in policy.unknowns:
            if unknown.path[-2:] == ("rules", "kafka"):
                yield Finding(
                    check="KAFKA",
                    path=unknown.path,
                    message="asks for Kafka, which Cilium refuses from 1.20 on and no longer "
                    "looks into before; restrict clients at the brokers",
                    found=lookup(review.object, unknown.path),
                    level="warn",
                )
