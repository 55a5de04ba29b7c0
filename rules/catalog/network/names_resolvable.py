"""A pod that may reach names must be let to ask for their addresses.

Why: Cilium learns the addresses of a name from the DNS answers that its proxy sees, Calico
Enterprise from those that pass; without a rule for DNS the pod reaches nothing, and what its
policies say is not what happens.
Source: specification egress 1.2 and 4 (FQDN-NO-DNS); AKS documentation, FQDN filtering.

All policies of a pod count together: the rule for DNS may stand in another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rules.frames import calico, enterprise
from rules.model import (
    CALICO_POLICIES,
    CILIUM_POLICIES,
    CLUSTER_POLICY,
    NETWORK,
    PODS,
    Finding,
    Fix,
    Operation,
    Path,
    rule,
)
from rules.netpol.engine import Engine
from rules.netpol.index import Index
from rules.netpol.model import L7, Grant, PortEntry
from rules.netpol.resolution import DNS, asks_names, unresolvable
from rules.policies import Asked
from rules.proposal import grants, origin_shown, propose, shown, stand
from rules.review import Cluster, Review
from rules.statement import key_in
from rules.words import printable

_HEARD = {"proxy": " with rules.dns for the name", "traffic": ""}
_OUT = ("egress", "allow")
_POLICY = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: %s, "
    "namespace: default}, spec: {endpointSelector: {}, egress: [%s]}}"
)
_NAME = "{toFQDNs: [{matchName: a.example}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}"
_DNS = (
    "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system}}], "
    "toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '%s'}]}}]}"
)
_DOMAIN = "{action: Allow, protocol: TCP, destination: {domains: [a.example], ports: [443]}}"
_ENTERPRISE = "{engine: calico, calico: enterprise, enforced: [projectcalico.org/*]}"
_OPENS = (
    "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: a}, spec: "
    f"{{types: [Egress], egress: [{_DOMAIN}]}}}}"
)
_POD = "{kind: Pod, metadata: {name: web, namespace: default}}"
_STORED = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: default}}"
_BOTH = _POLICY % ("both", f"{_NAME}, {_DNS % '*.example'}")
_NAMES, _ASKS = _POLICY % ("names", _NAME), _POLICY % ("asks", _DNS % "*")
_PLAIN = _DNS.replace(", rules: {dns: [{matchPattern: '%s'}]}", "")
ALLOW = [
    f"{{object: {_POD}, cluster: [{_BOTH}]}}",
    f"{{object: {_POD}, cluster: [{_NAMES}, {_ASKS}]}}",
    _BOTH,
    f"{{object: {_ASKS}, cluster: [{_STORED}, {_NAMES}]}}",
    f"{{object: {_POLICY % ('names', f'{_NAME}, {_PLAIN}')}, cluster: [{_ASKS}]}}",
    f"{{network: {{acns: {{fqdn: false}}}}, object: {_NAMES}}}",
    calico(_DOMAIN),
    enterprise(
        calico(f"{_DOMAIN}, {{action: Allow, protocol: UDP, destination: {{ports: [53]}}}}")
    ),
]
WARN = [
    f"{{object: {_POD}, cluster: [{_NAMES}]}}",
    f"{{object: {_POD}, cluster: [{_NAMES}, {_POLICY % ('asks', _DNS % '*.org')}]}}",
    _POLICY % ("names", f"{_NAME}, {_PLAIN}"),
    f"{{object: {_POD}, cluster: [{_OPENS}], network: {_ENTERPRISE}}}",
]


@rule(
    kinds=(*PODS, *CILIUM_POLICIES, CLUSTER_POLICY, *CALICO_POLICIES),
    reads=NETWORK,
    shaped=True,
    by_group=True,
    severity="medium",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A policy is judged with all others, for each group of pods that it selects.

    Where there are none yet, with those that are about all whom it is about. Where it opens DNS
    without listening to it, the fix lets every name be asked, so nothing that works stops working.
    """
    network, engine = cluster.site.network, cluster.network.engine
    if engine.name == "cilium" and not network.acns.fqdn:
        return
    if review.kind == "Pod":
        about = grants(stand(review, cluster).sides["egress"])
        yield from _told(about, ("metadata", "labels"), "let the pod", engine)
        return
    proposal = propose(review, cluster)
    own = _grants(proposal.after, review)
    if not (asks_names(own) or asks_names(_grants(proposal.before, review))):
        return
    for each in proposal.subjects:
        about = grants(each.future["egress"])
        who = f"leaves {printable(shown(each.now))} to"
        said = list(_of_policy(own, about, who, engine))
        if said:
            yield said[0]
            return
    if not proposal.subjects and not proposal.left_out:
        beside = Asked(review, cluster).beside(proposal.after, own)
        yield from _of_policy(own, [*own, *beside], "lets its pods", engine)


def _grants(index: Index, review: Review) -> list[Grant]:
    return [g for policy in index.policies_at(key_in(review)) for g in policy.grants]


def _of_policy(own: list[Grant], about: list[Grant], who: str, engine: Engine) -> Iterator[Finding]:
    """At the rule that opens DNS and does not listen, where the object has such a one."""
    deaf = next((entry for grant in own for entry in grant.ports if _is_deaf(grant, entry)), None)
    for finding in _told(about, ("spec",), who, engine):
        if deaf is None:
            yield finding
            return
        path = (*deaf.path[:-2], "rules")
        yield replace(
            finding,
            path=path,
            message=printable(
                f"is missing, so Cilium never learns the addresses of {finding.found}; add "
                'dns: [{matchPattern: "*"}], or the names alone'
            ),
            fix=Fix((Operation("add", path, {"dns": [{"matchPattern": "*"}]}),), safe=True),
        )


def _is_deaf(grant: Grant, entry: object) -> bool:
    opens_dns = isinstance(entry, PortEntry) and entry.first == entry.last == DNS
    return opens_dns and grant.l7 == L7.NONE and (grant.direction, grant.action) == _OUT


def _told(about: list[Grant], path: Path, who: str, engine: Engine) -> Iterator[Finding]:
    found = next(unresolvable(about, engine), None)
    if found is None:
        return
    grant, name = found
    yield Finding(
        check="FQDN-NO-DNS",
        path=path,
        message=printable(
            f"{who} reach {name} (by {origin_shown(grant.origin)}) and not ask for its address; "
            f"allow port 53 of kube-dns{_HEARD[engine.learns]}"
        ),
        found=name,
        level="warn",
    )
