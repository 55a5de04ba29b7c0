"""A network policy must not let through more than it says.

Why: whoever reads the policy believes its words, and the engine opens what they do not say.
Source: specification egress 1.2.1, 1.3.1 and 4 (SERVICE-OPEN, RESERVED-SELECTOR, CALICO-OPEN).

Where no Service is known at all, a rule about Services only warns.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import calico, cilium, enterprise
from rules.model import (
    CALICO_POLICIES,
    CALICO_STAGED,
    CILIUM_POLICIES,
    CLUSTER_POLICY,
    NETWORK,
    Finding,
    Fix,
    Operation,
    rule,
)
from rules.netpol.model import Grant, PeerEntry, Unknown
from rules.netpol.peers import Anywhere, Services
from rules.netpol.questions import entries, is_world, leaves_its_limits
from rules.patch import lookup
from rules.pods import mapping
from rules.policies import CALICO, CILIUM, Asked, faults
from rules.review import Cluster, Review
from rules.words import quote

_PORTS = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_LACKING = "{matchExpressions: [{key: '%s', operator: DoesNotExist}]}"
_CNP = (
    "{network: {engine: %s}, object: {kind: ClusterNetworkPolicy, spec: {tier: Admin, priority: 5,"
    " subject: {namespaces: {}}, egress: [{action: Accept, to: [{namespaces: %s}]}]}}}"
)
AS_ABSENT = ("toFQDNs", "toServices", "toGroups")
"""Members of a rule that count as absent where they are empty."""

_TO_SERVICE = cilium(f"[{{toServices: [{{k8sService: {{serviceName: a}}}}], {_PORTS}}}]")
_SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {selector: {app: a}}}"

ALLOW = [
    f"{{object: {_TO_SERVICE}, cluster: [{_SERVICE % 'a'}]}}",
    cilium(f"[{{toFQDNs: [{{matchName: example.com}}], {_PORTS}}}]"),
    cilium(f"[{{toEndpoints: [{_LACKING % 'app'}], {_PORTS}}}]"),
    calico("{action: Allow, protocol: TCP, destination: {nets: [10.0.0.0/8], ports: [443]}}"),
    _CNP % ("spec", "{matchLabels: {a: b}}"),
    *enterprise("{action: Allow, protocol: TCP, destination: {domains: [a.com], ports: [443]}}"),
]
DENY = [
    f"{{object: {_TO_SERVICE}, cluster: [{_SERVICE % 'b'}]}}",
    cilium(f"[{{toServices: [], {_PORTS}}}]"),
    cilium(f"[{{toFQDNs: [], {_PORTS}}}]"),
    cilium(f"[{{toEndpoints: [{_LACKING % 'reserved:host'}], {_PORTS}}}]"),
    _CNP % ("cilium, version: '1.20', enforced: ['policy.networking.k8s.io/*']", _LACKING % "a"),
    calico("{action: Allow, destination: {nets: [example.com]}}"),
    calico("{action: Allow, destination: {domains: [example.com]}}", "NetworkPolicy"),
    *enterprise("{action: Deny, destination: {domains: [a.com], nets: [10.0.0.0/8]}}"),
    calico("{action: Allow, destination: {nets: [10.0.0.0/33]}}", "StagedNetworkPolicy"),
    "{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata: {name: a},"
    " spec: {selector: 'all()) || (all()'}}",
]
WARN = [_TO_SERVICE]
STAGED = tuple(kind for kind in CALICO_STAGED if "Kubernetes" not in kind.kind)


@rule(
    kinds=(*CILIUM_POLICIES, CLUSTER_POLICY, *CALICO_POLICIES, *STAGED),
    reads=NETWORK,
    severity="high",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Speaks as SERVICE-OPEN, RESERVED-SELECTOR and CALICO-OPEN."""
    asked = Asked(review, cluster)
    if review.group in CALICO:
        for each in faults(review):
            if each.consequence == "as-read" and not _is_read(each, asked):
                yield from _open(each)
        return
    for grant in {grant.path: grant for grant in asked.grants()}.values():
        if review.group == CILIUM:
            yield from _services(asked, grant)
        for entry in entries(grant):
            if leaves_its_limits(entry):
                yield Finding(
                    check="RESERVED-SELECTOR",
                    path=entry.path,
                    message="asks for nothing but the lack of labels, so it holds of all pods, of "
                    "nodes and of the Internet, too; ask for a label that the peers have",
                    found=lookup(review.object, entry.path),
                )


def _is_read(unknown: Unknown, asked: Asked) -> bool:
    """Whether Calico Enterprise reads it, where that is the engine; or it is void, not wide."""
    return unknown.path[-2:] == ("services", "namespace") or asked.heeds(unknown)


def _open(unknown: Unknown) -> Iterator[Finding]:
    wanted, _, consequence = unknown.wanted.partition(", or it ")
    message = f"is {unknown.found}, by which Calico reads more; must be {wanted}"
    if unknown.found == "an unknown field":
        message = "is unknown to Calico and cut off, so all is wider without it; leave it out"
    yield Finding(
        check="CALICO-OPEN",
        path=unknown.path,
        message=message,
        found=unknown.found,
        why=f"as it is, it {consequence}" if consequence else "",
    )


def _services(asked: Asked, grant: Grant) -> Iterator[Finding]:
    review = asked.review
    node = lookup(review.object, grant.path)
    for entry in entries(grant):
        if isinstance(entry.peer, Services) and entry.peer.open:
            yield from _unbacked(asked, entry)
        if isinstance(entry.peer, Anywhere):
            for member in AS_ABSENT:
                if mapping(node).get(member) == []:
                    path = (*grant.path, member)
                    yield Finding(
                        check="SERVICE-OPEN",
                        path=path,
                        message=f"is {quote([])}, which counts as absent, so the ports are open "
                        "to everybody; name somebody, or write toEndpoints: [] for nobody",
                        found=[],
                        fix=Fix(
                            (
                                Operation("remove", path),
                                Operation("add", (*grant.path, "toEndpoints"), []),
                            ),
                            safe=False,
                        ),
                    )


def _unbacked(asked: Asked, entry: PeerEntry) -> Iterator[Finding]:
    """A rule about Services of which none is there, or of none of which anything is known."""
    outside = asked.outside(entry)
    unknown = bool(outside.doubtful)
    if unknown or is_world(outside.addresses):
        what = (
            "is known here; if none exists, its ports are"
            if unknown
            else "exists, so its ports are"
        )
        yield Finding(
            check="SERVICE-OPEN",
            path=entry.path,
            message=f"names Services of which none {what} open to everybody; correct the name, or "
            "select pods by toEndpoints",
            found=lookup(asked.review.object, entry.path),
            level="warn" if unknown else "deny",
        )
