"""A pod of the mesh that policies isolate must still reach istiod and DNS.

Why: the sidecar gets its certificate and its configuration of istiod; cut off from it the pod does
not start, or runs until its certificate expires.
Source: contracts 11 (MESH-CUT); istio/istio, ports used by Istio.

Istiod is met at 15012/TCP in the root namespace of the mesh, DNS at port 53 of kube-dns, of the
node, or of its local cache. Where none of their pods is known, pods with their usual labels stand
for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import Injection
from rules.model import MUTATING_WEBHOOKS, NETWORK, PODS, Finding, rule
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.peers import Entity, Networks
from rules.netpol.sets import Addresses, Ports
from rules.proposal import Standing, stand
from rules.review import Cluster, Review

ISTIOD = Ports.of("TCP", 15012)
DNS = Ports.of("UDP", 53)
LOCAL_DNS = Networks(Addresses.cidr("169.254.10.0/24"))
_MESHED = "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/rev: r}}}"
_POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"


def _beside(egress: str, *cluster: str) -> str:
    policy = (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: own, "
        "namespace: default}, spec: {podSelector: {}, policyTypes: [Egress], "
        f"egress: {egress}}}}}"
    )
    return f"{{object: {_POD}, cluster: [{', '.join([policy, *cluster])}]}}"


def _to(namespace: str, port: str) -> str:
    label = f"matchLabels: {{kubernetes.io/metadata.name: {namespace}}}"
    return f"{{to: [{{namespaceSelector: {{{label}}}}}], ports: [{port}]}}"


_ISTIOD = _to("aks-istio-system", "{port: 15012}")
_KUBE_DNS = _to("kube-system", "{port: 53, protocol: UDP}")
ALLOW = [
    _POD,
    _beside("[]"),
    _beside(f"[{_ISTIOD}, {_KUBE_DNS}]", _MESHED),
    _beside(f"[{_ISTIOD}, {{ports: [{{port: 53, protocol: UDP}}]}}]", _MESHED),
]
WARN = [
    _beside("[]", _MESHED),
    _beside(f"[{_ISTIOD}]", _MESHED),
    _beside(f"[{_KUBE_DNS}]", _MESHED),
]


@rule(
    kinds=PODS, reads=(*NETWORK, MUTATING_WEBHOOKS), shaped=True, by_group=True, severity="medium"
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding names all that is cut off."""
    space = cluster.namespace(review.namespace)
    if Injection.of(review.pod, space, cluster.revisions).obstacles():
        return
    standing = stand(review, cluster)
    if not standing.isolated("egress"):
        return
    root = cluster.site.mesh.root
    cut = []
    if not _reaches(standing, _pods(standing.index, root, "app", "istiod"), ISTIOD):
        cut.append(f"istiod (15012/TCP in namespace {root})")
    if not _reaches_dns(standing):
        cut.append("DNS (53/UDP of kube-dns in namespace kube-system)")
    if cut:
        yield Finding(
            check="MESH-CUT",
            path=("metadata", "labels"),
            message=f"are selected by policies that cut the sidecar off from {' and '.join(cut)}; "
            "add an egress rule to it",
            found=cut,
            level="warn",
        )


def _reaches(standing: Standing, pods: tuple[Pod, ...], ports: Ports) -> bool:
    index = standing.index
    return any(
        side.verdict(end).allowed & ports
        for side in standing.sides["egress"]
        for pod in pods
        for end in index.ends(pod)
    )


def _reaches_dns(standing: Standing) -> bool:
    others = (LOCAL_DNS, Entity("host"))
    return _reaches(
        standing, _pods(standing.index, "kube-system", "k8s-app", "kube-dns"), DNS
    ) or any(side.verdict(end).allowed & DNS for side in standing.sides["egress"] for end in others)


def _pods(index: Index, namespace: str, key: str, value: str) -> tuple[Pod, ...]:
    """Those of that label; where there are none, one that has no more than that."""
    found = (pod for pod, _ in index.pods(namespace) if pod.labels.get(key) == value)
    return tuple(found) or (Pod(index.home(namespace), "", labels={key: value}),)
