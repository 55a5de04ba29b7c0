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

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from rules.netpol.fields import JSON, listed, mapping, maps, strings, text
from rules.netpol.peers import Peer
from rules.netpol.sets import FIRST_PORT, LAST_PORT, Ports, Protocol
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


Parser = Literal["", "http", "dns", "tls", "listener"]
"""What reads traffic above the port."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a proxy is to do with traffic, as its author states it; engines merge such orders.

    parser: the language that it reads (`listener`: whatever that does; "": none). rules: the
    requests that it lets pass, each as a text that tells them apart. server_names: those that TLS
    must be for. terminating, originating: the secrets with which it ends and begins TLS. listener:
    kind, name and listener. authentication: how both ends must prove who they are.
    """

    parser: Parser = ""
    rules: frozenset[str] = frozenset()
    server_names: frozenset[str] = frozenset()
    terminating: str = ""
    originating: str = ""
    listener: str = ""
    authentication: str = ""


NO_INSPECTION = Inspection()


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that a statement comes from. `namespace` is empty if it is cluster-scoped."""

    group: str
    kind: str
    namespace: str
    name: str


ADMIN, DEFAULT, BASELINE = "kube-admin", "default", "kube-baseline"
"""The tiers that every engine has, by the names that Calico gives them; Calico has others, too."""


@dataclass(frozen=True, slots=True)
class Place:
    """When a grant is asked, as its author states it: which tier, and where in it.

    `order` is the priority or order of the object, lower first (None: not stated), `index` the
    number of the rule in the object. What follows from it (first match or pool, what breaks a
    tie) is the engine's to say. Policies without any order of their own leave it as it is.
    """

    tier: str = DEFAULT
    order: float | None = None
    index: int = 0


Consequence = Literal["refused", "void", "as-read", "undecided"]
"""What becomes of an object with such a part.

refused: the API server does not store it. void: it is stored, and the engine throws all of it away.
as-read: it counts, with the meaning that the rest of the Policy states, which may be more than its
author meant (an unknown field is cut off, an operator that the engine does not know makes the peer
anyone). undecided: nobody can say from the object what the part means; the entry in its place may
match anything or nothing.
"""


@dataclass(frozen=True, slots=True)
class Stated:
    """A label selector as it stands: its labels, and key, operator and values of its expressions.

    What of it is no string is left out.
    """

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, node: Any) -> Stated:
        """That of a decoded object."""
        return cls(
            tuple(sorted(strings(mapping(node, "matchLabels")).items())),
            tuple(
                (text(each, "key"), text(each, "operator"), tuple(_strings(each)))
                for each in maps(mapping(node), "matchExpressions")
            ),
        )


def _strings(expression: JSON) -> Iterator[str]:
    return (each for each in listed(expression, "values") if isinstance(each, str))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part that means not what it says: what stands at `path`, and what must be.

    `selectors` is for an engine that reads on: the label selectors of the peer for which the part
    stands; that of namespaces, then that of pods if the peer has one.
    """

    path: Path
    found: str
    wanted: str
    consequence: Consequence = "refused"
    selectors: tuple[Stated, ...] = ()

    @property
    def reason(self) -> str:
        """Both in words, to stand behind the path."""
        return f"is {self.found}, must be {self.wanted}"


Subject = Peer | Unknown
"""To whom a policy applies. Nobody knows whom an unknown one isolates: count nobody as isolated."""


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A peer and the place that names it."""

    path: Path
    peer: Peer


@dataclass(frozen=True, slots=True)
class PortEntry:
    """Numbered ports, first to last, of some protocols, and the place that names them.

    `end` is where the range ends as its author states it, if they do: to an engine that merges
    rules, 80 and 80 to 80 may be two things.
    """

    path: Path
    protocols: tuple[Protocol, ...]
    first: int = FIRST_PORT
    last: int = LAST_PORT
    end: int | None = None

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
    empty list grants nothing. `excluded` are ports that do not count (Calico's notPorts); a name
    there excludes only the ports of pods that have it. A rule whose items ask
    different things above the port (Cilium's toPorts) is one grant for each item: `l7` is what
    they come to, `inspection` the letter of it. A rule that only logs is none.
    """

    origin: Origin
    path: Path
    direction: Direction
    action: Action
    subject: Subject
    peers: tuple[PeerEntry | Unknown, ...]
    ports: tuple[PortEntry | NamedPort | Unknown, ...]
    l7: L7 = L7.NONE
    place: Place = Place()
    inspection: Inspection = NO_INSPECTION
    excluded: tuple[PortEntry | NamedPort | Unknown, ...] = ()

    def unknowns(self) -> Iterator[Unknown]:
        """What could not be read of it."""
        entries = (*self.peers, *self.ports, *self.excluded)
        return (entry for entry in entries if isinstance(entry, Unknown))


@dataclass(frozen=True, slots=True)
class Isolation:
    """The subject's traffic in this direction is dropped unless something allows it.

    When it is dropped, at the end of `tier` or after the last one, and whether the tier is one that
    drops at all, is the engine's to say.
    """

    origin: Origin
    path: Path
    direction: Direction
    subject: Subject
    tier: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Policy:
    """What one object means; an object with several subjects (Cilium's `specs`) is several of them.

    `void` are rules that have no effect by the API's own text, kept because some engines enforce
    them all the same. `unknowns` are all there are, those in the subject and in grants included:
    their `consequence` says what becomes of the object; each Policy of an object has those of all.
    `staged` ones are there to be looked at: no engine enforces them.
    """

    origin: Origin
    subject: Subject
    isolations: tuple[Isolation, ...] = ()
    grants: tuple[Grant, ...] = ()
    void: tuple[Grant, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    staged: bool = False

    @property
    def counts(self) -> bool:
        """Whether the object is stored and read at all: of a policy as its engine reads it."""
        return not any(each.consequence in {"refused", "void"} for each in self.unknowns)
