"""What Cilium knows an end by: labels of pods, or the reserved one of what is no pod."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from rules.netpol.dialects.cilium import (
    ACCOUNT,
    CLUSTER,
    LOCAL_CLUSTER,
    NAMESPACE,
    NAMESPACE_LABELS,
    RESERVED,
    EndpointSelector,
    reserved,
)
from rules.netpol.engine import View, homes_named
from rules.netpol.inventory import End, Inventory, Labels, Pod, PodEnd
from rules.netpol.model import Direction
from rules.netpol.peers import Entity, Fqdn, Labelled, NetworkGroup, Networks, Peer
from rules.netpol.sets import Family
from rules.selectors import EVERYTHING, LabelSelector, Requirement

NODES = ("host", "remote-node")
_HOST = Entity("host")
_WORLD: Mapping[Family | None, str] = {None: "world", 4: "world-ipv4", 6: "world-ipv6"}
_NOT_PODS = (*NODES, "init", "ingress", "health", "unmanaged", "kube-apiserver")
# Labels of pods that never become part of what a pod is known by: pkg/labelsfilter/filter.go
_NO_IDENTITY = re.compile(
    r"(?!io\.kubernetes\.pod\.namespace\Z)(?:.*beta\.kubernetes\.io|topology\.kubernetes\.io/|"
    r"(?:pod-template-hash|controller-revision-hash|pod-template-generation|controller-uid|"
    r"statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index|"
    r"batch\.kubernetes\.io/(?:job-completion-index|controller-uid))\Z|"
    r"kubernetes\.io|k8s\.io|io\.kubernetes|annotation|etcd_node)"
)


@lru_cache(maxsize=4096)
def _kept(key: str) -> bool:
    """Whether a label of a pod counts; those that Cilium gives are nobody else's to write."""
    given = key in {ACCOUNT, CLUSTER, NAMESPACE} or key.startswith(NAMESPACE_LABELS)
    return not given and not _NO_IDENTITY.match(key)


def views(end: End, inventory: Inventory) -> Iterable[View]:
    """The labels of an end; a name may stand for addresses of both families.

    A pod on the network of its node is known as a node: of which kind depends on who asks.
    """
    match end:
        case PodEnd(pod=pod) if pod.host_network:
            return [View({f"{RESERVED}{name}": ""}, certain=False) for name in NODES]
        case PodEnd(pod=pod):
            own = {key: value for key, value in pod.labels.items() if _kept(key)}
            return [View(_identity(pod, own), pod.namespace, own)]
        case Entity(name):
            return [View({f"{RESERVED}{name}": ""})]
        case Networks(addresses) if inventory.dual_stack:
            return [View({f"{RESERVED}{_WORLD[4 if addresses.v4 else 6]}": ""})]
        case Fqdn() if inventory.dual_stack:
            return [View({f"{RESERVED}{_WORLD[4]}": "", f"{RESERVED}{_WORLD[6]}": ""})]
        case _:
            return [View({f"{RESERVED}{_WORLD[None]}": ""})]


def _identity(pod: Pod, own: Labels) -> Labels:
    account = pod.service_account.name if pod.service_account else "default"
    inherited = {f"{NAMESPACE_LABELS}{key}": value for key, value in pod.namespace.labels.items()}
    given = {NAMESPACE: pod.namespace.name, CLUSTER: LOCAL_CLUSTER, ACCOUNT: account}
    return {**own, **inherited, **given}


def selectors(name: str) -> Iterator[EndpointSelector]:
    """What the name of an entity stands for, in labels."""
    match name:
        case "all":
            yield EndpointSelector(EVERYTHING)
        case "world":
            yield from (reserved(each) for each in _WORLD.values())
        case "cluster" | "cluster-mesh":
            yield from (reserved(each) for each in _NOT_PODS)
            local = Requirement(CLUSTER, "In", frozenset({LOCAL_CLUSTER}))
            mesh = Requirement(CLUSTER, "Exists")
            asked = local if name == "cluster" else mesh
            yield EndpointSelector(LabelSelector((asked,)))
        case _:
            yield reserved(name)


def homes(peer: Peer) -> frozenset[str] | None:
    """The namespaces that a peer names; addresses and names are never pods."""
    match peer:
        case Labelled(labels=EndpointSelector(requirements=asked)):
            named = (
                each.values
                for each in asked.requirements
                if each.key == NAMESPACE and each.operator == "In"
            )
            return next(named, None)
        case Networks() | NetworkGroup():
            return frozenset()
    return homes_named(peer)


def spares(direction: Direction, end: End) -> bool:
    """A pod's own node reaches it, whatever isolates the pod."""
    return direction == "ingress" and end == _HOST
