"""A pod of the mesh that policies isolate must still reach istiod and DNS.

Why: the sidecar gets its certificate and its configuration of istiod; cut off from it the pod does
not start, or runs until its certificate expires.
Source: contracts 11 (MESH-CUT); istio/istio, ports used by Istio.

Istiod is met at 15012/TCP in the root namespace of the mesh, DNS at port 53 of kube-dns, of the
node, or of its local cache. Where none of their pods is known, pods with their usual labels stand
for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from rules.frames import cilium
from rules.injection import Injection
from rules.model import (
    MUTATING_WEBHOOKS,
    NETWORK,
    NETWORK_POLICIES,
    POD,
    PODS,
    Finding,
    Path,
    rule,
)
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.masking import pins
from rules.netpol.model import Policy
from rules.netpol.peers import Entity, Networks
from rules.netpol.sets import Addresses, Ports
from rules.netpol.sides import Side
from rules.proposal import propose, shown, stand
from rules.review import Cluster, Review
from rules.statement import key_in
from rules.words import printable

ISTIOD = Ports.of("TCP", 15012)
DNS = Ports.of("UDP", 53)
MOST_GROUPS = 200
"""So many groups of pods are looked at while somebody waits."""
LOCAL_DNS = Networks(Addresses.cidr("169.254.10.0/24"))
_MESHED = "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/rev: r}}}"
_POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"


def _policy(egress: str) -> str:
    return (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: own, "
        "namespace: default}, spec: {podSelector: {}, policyTypes: [Egress], "
        f"egress: {egress}}}}}"
    )


def _beside(egress: str, *cluster: str) -> str:
    return f"{{object: {_POD}, cluster: [{', '.join([_policy(egress), *cluster])}]}}"


def _to(namespace: str, port: str) -> str:
    label = f"matchLabels: {{kubernetes.io/metadata.name: {namespace}}}"
    return f"{{to: [{{namespaceSelector: {{{label}}}}}], ports: [{port}]}}"


_ISTIOD = _to("aks-istio-system", "{port: 15012}")
_CILIUM = "[{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system}}]}]"
_KUBE_DNS = _to("kube-system", "{port: 53, protocol: UDP}")
ALLOW = [
    _policy("[]"),
    f"{{object: {_policy(f'[{_ISTIOD}, {_KUBE_DNS}]')}, cluster: [{_MESHED}]}}",
    _POD,
    _beside("[]"),
    _beside(f"[{_ISTIOD}, {_KUBE_DNS}]", _MESHED),
    _beside(f"[{_ISTIOD}, {{ports: [{{port: 53, protocol: UDP}}]}}]", _MESHED),
]
WARN = [
    _beside("[]", _MESHED),
    _beside(f"[{_ISTIOD}]", _MESHED),
    _beside(f"[{_KUBE_DNS}]", _MESHED),
    f"{{object: {cilium(_CILIUM)}, cluster: [{_MESHED}]}}",
]


@rule(
    kinds=(*PODS, *NETWORK_POLICIES),
    reads=(*NETWORK, MUTATING_WEBHOOKS),
    shaped=True,
    by_group=True,
    severity="medium",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding names all that is cut off, of a pod, or of some pods that a policy isolates."""
    if review.kind != POD.kind:
        yield from _judge_policy(review, cluster)
        return
    space = cluster.namespace(review.namespace)
    if Injection.of(review.pod, space, cluster.revisions).obstacles():
        return
    standing = stand(review, cluster)
    if not standing.isolated("egress"):
        return
    cut = _cut(standing.index, standing.sides["egress"], cluster.site.mesh.root)
    if cut:
        said = "are selected by policies that cut the sidecar off from"
        yield _finding(("metadata", "labels"), said, cut)


def _judge_policy(review: Review, cluster: Cluster) -> Iterator[Finding]:
    index = propose(review, cluster).after
    own = index.policies_at(key_in(review))
    closing = [p for p in own if any(each.direction == "egress" for each in p.isolations)]
    there = propose(review, cluster).subjects
    for pod, sides in _subjects(review, cluster, closing):
        space = cluster.namespace(pod.namespace.name)
        seen = Injection(space, pod.labels, {}, pod.host_network, cluster.revisions)
        cut = [] if seen.obstacles() else _cut(index, sides(), cluster.site.mesh.root)
        if cut:
            whose = printable(shown(pod)) if there else "the pods that it selects"
            yield _finding(("spec",), f"isolates {whose}, and cuts their sidecars off from", cut)
            return


def _subjects(
    review: Review, cluster: Cluster, closing: Iterable[Policy]
) -> Iterator[tuple[Pod, Callable[[], tuple[Side, ...]]]]:
    """Some pods that the policies isolate; where there are none yet, such as they ask for.

    Each with its sides, to be asked for: many pods are none of the mesh.
    """
    proposal = propose(review, cluster)
    index, policies = proposal.after, tuple(closing)
    if proposal.subjects and policies:
        for each in proposal.subjects[:MOST_GROUPS]:
            yield each.now, partial(each.sides, "egress")
    elif review.namespace and not proposal.left_out:
        for policy in policies:
            pod = Pod(index.home(review.namespace), "", labels=pins(policy.subject))
            yield pod, partial(index.sides, pod, "egress")


def _finding(path: Path, said: str, cut: list[str]) -> Finding:
    return Finding(
        check="MESH-CUT",
        path=path,
        message=f"{said} {' and '.join(cut)}; add an egress rule for it",
        found=cut,
        level="warn",
    )


def _cut(index: Index, sides: tuple[Side, ...], root: str) -> list[str]:
    """What a sidecar needs and does not reach, in words."""
    cut = []
    if not _reaches(index, sides, _pods(index, root, "app", "istiod"), ISTIOD):
        cut.append(f"istiod (15012/TCP in {root})")
    dns = _pods(index, "kube-system", "k8s-app", "kube-dns")
    others = (LOCAL_DNS, Entity("host"))
    nearer = any(side.verdict(end).allowed & DNS for side in sides for end in others)
    if not nearer and not _reaches(index, sides, dns, DNS):
        cut.append("DNS (53/UDP of kube-dns)")
    return cut


def _reaches(index: Index, sides: tuple[Side, ...], pods: Iterable[Pod], ports: Ports) -> bool:
    return any(
        side.verdict(end).allowed & ports
        for side in sides
        for pod in pods
        for end in index.ends(pod)
    )


def _pods(index: Index, namespace: str, key: str, value: str) -> tuple[Pod, ...]:
    """Those of that label; where there are none, one that has no more than that."""
    found = (pod for pod, _ in index.pods(namespace) if pod.labels.get(key) == value)
    return tuple(found) or (Pod(index.home(namespace), "", labels={key: value}),)
