"""The ends of connections, by which policies name them.

A `Peer` is a set of ends; what it holds in a given cluster is the engine's to say (`matching`).
`AllOf`, `AnyOf` and `Not` combine them, so that a dialect whose rule asks several things of one end
(Calico's nets, notSelector, ipVersion ...) says all of them in one peer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol as Interface

from rules.netpol.sets import Addresses


class LabelExpression(Interface):
    """Any condition on labels; immutable and hashable. `LabelSelector` is one."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition."""

    @property
    def keys(self) -> frozenset[str]:
        """The label keys on which the answer depends."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods by label, in the one namespace named, or in all whose own labels match.

    Both conditions see labels as objects carry them, less those that the engine does not keep.
    """

    namespaces: str | LabelExpression
    pods: LabelExpression

    def covers(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the namespace of that name, with these labels of its own, is among them."""
        if isinstance(self.namespaces, str):
            return namespace == self.namespaces
        return self.namespaces.matches(labels)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """All pods of the namespaces by whose labels it goes.

    It stands apart from `Pods` because an engine may read it so that it holds more than pods.
    """

    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class Labelled:
    """Whatever the engine knows under labels that match: pods, sets of networks, entities.

    The labels are the engine's own (`views` of its module under `engines`): namespace, service
    account and labels of both are keys among those of the pod.
    """

    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Pods that the engine knows themselves under labels that match.

    A `Labelled` peer holds a pod, too, whose address lies in a set of networks with such labels.
    """

    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class Networks:
    """Addresses. Whether those of pods and nodes count depends on the engine."""

    addresses: Addresses


@dataclass(frozen=True, slots=True)
class NetworkGroup:
    """Addresses that stand in objects of their own, by name or by label (CiliumCIDRGroup)."""

    name: str = ""
    labels: LabelExpression | None = None


@dataclass(frozen=True, slots=True)
class Fqdn:
    """Names: a pattern as `names` writes them."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A group of ends that an engine knows by itself: `world`, `host`, `kube-apiserver` ..."""

    name: str


ENTITIES = ("host", "remote-node", "kube-apiserver", "ingress")
"""Those that are ends of their own in answers: no address and no pod stands for them."""


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """What stands behind Services: that name, or those labels; namespace None means any.

    It is met on the ports that the Services lead to, or on every port.
    """

    namespace: str | None
    name: str = ""
    labels: LabelExpression | None = None
    every_port: bool = False

    def means(self, namespace: str, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it means the Service of that namespace and name, with these labels."""
        if self.namespace not in (None, namespace):
            return False
        return self.labels.matches(labels) if self.labels else self.name == name


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind any of several Services; behind none at all: everybody, if `open`."""

    refs: tuple[ServiceRef, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes by label."""

    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Every pod, every node, every address."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """The ends that are in each of the peers; with none of them, every end."""

    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The ends that are in some of the peers; with none of them, no end."""

    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The ends that are not in the peer."""

    peer: Peer


Peer = (
    Pods
    | Namespaces
    | Labelled
    | Endpoints
    | Networks
    | NetworkGroup
    | Fqdn
    | Entity
    | ServiceRef
    | Services
    | Nodes
    | Anywhere
    | AllOf
    | AnyOf
    | Not
)
NOBODY = AnyOf(())


def leaves(peer: Peer) -> Iterator[Peer]:
    """The peers that a peer is combined of; itself if it is not."""
    match peer:
        case AllOf(peers) | AnyOf(peers):
            for each in peers:
                yield from leaves(each)
        case Not(inner):
            yield from leaves(inner)
        case _:
            yield peer
