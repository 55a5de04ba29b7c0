"""A pod that may reach names must be let to ask for their addresses.

Why: Cilium learns the addresses of a name from the DNS answers that its proxy sees; without a rule
for DNS the pod reaches nothing, and what its policies say is not what happens.
Source: specification egress 1.2 and 4 (FQDN-NO-DNS); AKS documentation, FQDN filtering.

All policies of a pod count together: the rule for DNS may stand in another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import (
    CILIUM_CLUSTERWIDE_POLICY,
    CILIUM_POLICY,
    CLUSTER_POLICY,
    NETWORK,
    PODS,
    Finding,
    rule,
)
from rules.netpol.index import Index
from rules.netpol.model import Grant
from rules.netpol.resolution import asks_names, unresolvable
from rules.proposal import grants, key_in, origin_shown, propose, shown, stand
from rules.review import Cluster, Review
from rules.words import place, printable

_POLICY = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: %s, "
    "namespace: default}, spec: {endpointSelector: {}, egress: [%s]}}"
)
_NAME = "{toFQDNs: [{matchName: a.example}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}"
_DNS = (
    "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system}}], "
    "toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '%s'}]}}]}"
)
_POD = "{kind: Pod, metadata: {name: web, namespace: default}}"
_STORED = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: default}}"
_BOTH = _POLICY % ("both", f"{_NAME}, {_DNS % '*.example'}")
_NAMES, _ASKS = _POLICY % ("names", _NAME), _POLICY % ("asks", _DNS % "*")
ALLOW = [
    f"{{object: {_POD}, cluster: [{_BOTH}]}}",
    f"{{object: {_POD}, cluster: [{_NAMES}, {_ASKS}]}}",
    _BOTH,
    f"{{object: {_ASKS}, cluster: [{_STORED}, {_NAMES}]}}",
]
WARN = [
    f"{{object: {_POD}, cluster: [{_NAMES}]}}",
    f"{{object: {_POD}, cluster: [{_NAMES}, {_POLICY % ('asks', _DNS % '*.org')}]}}",
]


@rule(
    kinds=(*PODS, CILIUM_POLICY, CILIUM_CLUSTERWIDE_POLICY, CLUSTER_POLICY),
    reads=NETWORK,
    shaped=True,
    by_group=True,
    severity="medium",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A policy is judged with all others, for each group of pods that it selects, or alone."""
    if review.kind == "Pod":
        about = grants(stand(review, cluster).sides["egress"])
        yield from _told(about, ("metadata", "labels"), "let the pod")
        return
    proposal = propose(review, cluster)
    own = _grants(proposal.after, review)
    if not (asks_names(own) or asks_names(_grants(proposal.before, review))):
        return
    path = ("spec",)
    for each in proposal.subjects:
        about = grants(each.future["egress"])
        said = list(_told(about, path, f"leaves {printable(shown(each.now))} to"))
        if said:
            yield said[0]
            return
    if not proposal.subjects and not proposal.left_out:
        yield from _told(own, path, "lets its pods")


def _grants(index: Index, review: Review) -> list[Grant]:
    return [g for policy in index.policies_at(key_in(review)) for g in policy.grants]


def _told(about: list[Grant], path: tuple[str, ...], who: str) -> Iterator[Finding]:
    found = next(unresolvable(about), None)
    if found is None:
        return
    grant, name = found
    yield Finding(
        check="FQDN-NO-DNS",
        path=path,
        message=printable(
            f"{who} reach {name}, by {origin_shown(grant.origin)} at {place(grant.path)}, and no "
            "rule lets them ask for its address; allow port 53 of kube-dns with rules.dns for it"
        ),
        found=name,
        level="warn",
    )
