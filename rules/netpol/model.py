"""The one model into which every policy language is translated.

A `Policy` is what one object means: whom it is about (`subject`), in which directions it drops what
nobody allows (`isolations`), what it allows or denies (`grants`), and what could not be read
(`unknowns`). It keeps what its author wrote apart from what an engine makes of it: nothing here is
resolved against a cluster.

Everything that comes from a place in the author's object carries that place as `path`, from the
root of the object. What is granted by leaving something out carries the path that it would have.
So "which entry grants port 80, and to whom" is answered by walking a grant:

    for grant in policy.grants:
        for entry in grant.ports:        # spec.egress[0].ports[1], or spec.egress[0].ports
            for peer in grant.peers:     # spec.egress[0].to[2], or spec.egress[0].to

An `Unknown` stands in these lists like any other entry: a grant with one may reach more than its
other entries say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from typing import Protocol as Interface

from rules.netpol.sets import FIRST_PORT, LAST_PORT, Addresses, Ports, Protocol
from rules.selectors import Path

Direction = Literal["ingress", "egress"]
"""Seen from the subject."""

Action = Literal["allow", "deny", "pass"]
"""What becomes of traffic that a grant matches; pass leaves it to the next tier."""


class L7(StrEnum):
    """What must hold above the port for traffic to pass."""

    NONE = "none"
    HTTP_CLEAR = "http-clear"
    """Parsed as HTTP, hence not encrypted."""
    TLS_SNI = "tls-sni"
    """TLS, to one of certain server names."""
    TLS_BRIDGED = "tls-bridged"
    """TLS to the proxy, and TLS from there."""
    TLS_TERMINATED = "tls-terminated"
    """TLS to the proxy only."""
    DNS = "dns"
    KAFKA = "kafka"
    OPAQUE = "opaque"
    """Whatever a listener of the author's choice does with it."""


class LabelExpression(Interface):
    """Any condition on labels; immutable and hashable. `LabelSelector` is one."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition."""

    @property
    def keys(self) -> frozenset[str]:
        """The label keys on which the answer depends."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that a statement comes from. `namespace` is empty if it is cluster-scoped."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part that could not be read or resolved: what stands at `path`, and what must be."""

    path: Path
    found: str
    wanted: str

    @property
    def reason(self) -> str:
        """Both in words, to stand behind the path."""
        return f"is {self.found}, must be {self.wanted}"


# Peers: with whom. Each is a set of ends of connections.


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods by label, in the one namespace named, or in all whose own labels match."""

    namespaces: str | LabelExpression
    pods: LabelExpression

    def covers(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the namespace of that name, with these labels of its own, is among them."""
        if isinstance(self.namespaces, str):
            return namespace == self.namespaces
        return self.namespaces.matches(labels)


@dataclass(frozen=True, slots=True)
class Networks:
    """Addresses. Whether those of pods and nodes count depends on the engine."""

    addresses: Addresses


@dataclass(frozen=True, slots=True)
class Fqdn:
    """Names, in lower case, without a final dot.

    `*` is any run inside one label; a leading `**.` is one label or more.
    """

    pattern: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A group of ends that an engine knows by itself: `world`, `host`, `kube-apiserver` ..."""

    name: str


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """What stands behind Services: that name, or those labels; namespace None means any."""

    namespace: str | None
    name: str = ""
    labels: LabelExpression | None = None


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes by label."""

    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class NetworkSetRef:
    """Sets of networks that are objects of their own, by label; namespace None: the global ones."""

    namespaces: str | LabelExpression | None
    labels: LabelExpression


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Every pod, every node, every address."""


Peer = Pods | Networks | Fqdn | Entity | ServiceRef | Nodes | NetworkSetRef | Anywhere
Subject = Pods | Nodes | Unknown
"""To whom a policy applies. Nobody knows whom an unknown one isolates: count nobody as isolated."""


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A peer and the place that names it."""

    path: Path
    peer: Peer


@dataclass(frozen=True, slots=True)
class PortEntry:
    """Numbered ports, first to last, of some protocols, and the place that names them."""

    path: Path
    protocols: tuple[Protocol, ...]
    first: int = FIRST_PORT
    last: int = LAST_PORT

    @property
    def ports(self) -> Ports:
        """The ports as a set: built when asked for, since it may take 8 KiB."""
        ports = Ports.empty()
        for protocol in self.protocols:
            ports |= Ports.of(protocol, self.first, last=self.last)
        return ports


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port by name: its number is the destination pod's to say. Addresses have no names."""

    path: Path
    protocols: tuple[Protocol, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule: for traffic of `subject` with any of the peers on any of the ports, the action.

    `peers` and `ports` are never empty by omission: "anyone" and "every port" are entries, too. An
    empty list grants nothing.
    """

    origin: Origin
    path: Path
    direction: Direction
    action: Action
    subject: Subject
    peers: tuple[PeerEntry | Unknown, ...]
    ports: tuple[PortEntry | NamedPort | Unknown, ...]
    l7: L7 = L7.NONE

    def unknowns(self) -> Iterator[Unknown]:
        """What could not be read of it."""
        return (entry for entry in (*self.peers, *self.ports) if isinstance(entry, Unknown))


@dataclass(frozen=True, slots=True)
class Isolation:
    """The subject's traffic in this direction is dropped unless something allows it."""

    origin: Origin
    path: Path
    direction: Direction
    subject: Subject


@dataclass(frozen=True, slots=True)
class Policy:
    """What one object means.

    `void` are rules that have no effect by the API's own text, kept because some engines enforce
    them all the same. `unknowns` are all there are, those in the subject and in grants included:
    where there are any, the object means more or less than the rest says, or is refused.
    """

    origin: Origin
    subject: Subject
    isolations: tuple[Isolation, ...] = ()
    grants: tuple[Grant, ...] = ()
    void: tuple[Grant, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
