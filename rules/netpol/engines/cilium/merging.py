"""Policies that Cilium cannot merge for a pod.

What several rules ask of the same ends on the same port is one order to the proxy. Where such
orders contradict each other, no policy of the pod can be computed any more, and the agent keeps the
old one. Source: cilium/cilium pkg/policy (l4.go, rule.go), specification egress 1.2.1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rules.netpol.engine import Conflict
from rules.netpol.engines.cilium.ends import selectors
from rules.netpol.model import (
    DEFAULT,
    NO_INSPECTION,
    Grant,
    Inspection,
    NamedPort,
    Origin,
    Parser,
    PeerEntry,
    PortEntry,
    Unknown,
)
from rules.netpol.peers import AnyOf, Anywhere, Entity, LabelExpression, Labelled, Peer
from rules.netpol.sets import FIRST_PORT, LAST_PORT
from rules.selectors import Path

Key: TypeAlias = tuple[object, ...]
_KINDS = ("CiliumClusterwideNetworkPolicy", "CiliumNetworkPolicy", "NetworkPolicy")
_EVERY_REQUEST = "*"
_NAMES = {"http": "HTTP rules", "dns": "DNS rules", "tls": "TLS or server names"}
_NAMESPACED_LISTENER = "CiliumEnvoyConfig/"


@dataclass(frozen=True, slots=True)
class _Order:
    """What has been asked so far of certain ends on one port, and by which rule first."""

    asked: Inspection
    grant: Grant
    denied: bool = False


def conflicts(grants: Sequence[Grant], *, any_order: bool = False) -> Iterator[Conflict]:
    """Each rule that cannot be merged with those before it, in Cilium's own order.

    `any_order`: then those of two objects that could not be merged the other way round. The own
    order is that of names, and an object may come by another name.
    """
    if all(grant.inspection == NO_INSPECTION for grant in grants):
        return
    orders: dict[Key, _Order] = {}
    for grant in sorted(grants, key=_turn):
        if grant.place.tier != DEFAULT:
            continue
        if not grant.origin.namespace and grant.inspection.listener.startswith(
            _NAMESPACED_LISTENER
        ):
            reason = "asks for a listener of a CiliumEnvoyConfig, which lies in a namespace"
            yield Conflict(grant.origin, grant.path, reason)
            continue
        for key, path in _keys(grant):
            before = orders.get(key)
            merged = _merged(before, grant) if before else _first(grant)
            if isinstance(merged, str):
                yield Conflict(grant.origin, path, merged)
                break
            orders[key] = merged
    if any_order:
        yield from _reversed(grants)


def _reversed(grants: Iterable[Grant]) -> Iterator[Conflict]:
    """The rules with which one of another object, asked before, cannot be merged."""
    asked: dict[Key, dict[Origin, dict[Inspection, _Order]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for grant in sorted(grants, key=_turn):
        if grant.place.tier == DEFAULT and grant.action != "deny":
            own = _first(grant)
            for key, _ in _keys(grant):
                for origin, before in asked[key].items():
                    if origin != grant.origin:
                        yield from _refused(own, before.values())
                asked[key][grant.origin].setdefault(grant.inspection, own)


def _refused(first: _Order, others: Iterable[_Order]) -> Iterator[Conflict]:
    for other in others:
        merged = _merged(first, other.grant)
        if isinstance(merged, str):
            yield Conflict(other.grant.origin, other.grant.path, merged)


def _turn(grant: Grant) -> tuple[int, str]:
    origin = grant.origin
    kind = _KINDS.index(origin.kind) if origin.kind in _KINDS else len(_KINDS)
    return kind, f"{origin.namespace}/{origin.name}"


def _keys(grant: Grant) -> Iterator[tuple[Key, Path]]:
    for entry in grant.ports:
        if isinstance(entry, Unknown):
            continue
        for protocol in entry.protocols:
            for peer in grant.peers:
                if isinstance(peer, PeerEntry):
                    for ends in _ends(peer.peer):
                        yield (grant.direction, ends, protocol, *_port(entry)), entry.path


def _ends(peer: Peer) -> Iterable[LabelExpression | Peer]:
    """Selectors as they are written; the same ends in other words are others."""
    match peer:
        case Anywhere():
            return selectors("all")
        case Entity(name):
            return selectors(name)
        case Labelled(labels):
            return (labels,)
        case AnyOf(peers) if peers:
            return _ends(peers[0])
    return (peer,)


def _port(entry: PortEntry | NamedPort) -> Key:
    if isinstance(entry, NamedPort):
        return entry.name, 0
    every = (entry.first, entry.last) == (FIRST_PORT, LAST_PORT)
    return 0 if every else entry.first, entry.end or 0


def _first(grant: Grant) -> _Order:
    return _Order(grant.inspection, grant, denied=grant.action == "deny")


def _merged(before: _Order, grant: Grant) -> _Order | str:
    """Both orders as one, or why they cannot be."""
    old, new = before.asked, grant.inspection
    if before.denied or (old == new and grant.action != "deny"):
        return before
    if grant.action == "deny":
        return _first(grant)
    merged = _same(old, new)
    if isinstance(merged, str):
        other = before.grant.origin
        where = f"{other.namespace}/{other.name}" if other.namespace else other.name
        return f"{merged} as {other.kind} {where} asks on the same ends and port"
    return replace(before, asked=merged)


def _same(old: Inspection, new: Inspection) -> Inspection | str:
    parser = _parser(old, new)
    if parser is None:
        return f"asks for {_said(new)}, which cannot be merged with {_said(old)}"
    for field in ("authentication", "terminating", "originating"):
        one, other = getattr(old, field), getattr(new, field)
        if one and other and one != other:
            return f"asks for {field} of {other}, which cannot be merged with {one}"
    listener = new.listener if parser == new.parser != old.parser else old.listener
    if new.listener and new.listener != listener:
        return f"asks for the listener {new.listener}, which cannot be merged with {old.listener}"
    names = old.server_names | new.server_names
    terminating = old.terminating or new.terminating
    if names and old.rules and not terminating:
        return (
            "asks for server names beside HTTP rules without terminatingTLS, "
            "which cannot be merged with HTTP rules"
        )
    rules = old.rules | new.rules
    if bool(old.rules) != bool(new.rules):
        rules |= {_EVERY_REQUEST}
    return Inspection(
        parser=parser,
        rules=rules,
        server_names=names,
        terminating=terminating,
        originating=old.originating or new.originating,
        listener=listener,
        authentication=old.authentication or new.authentication,
    )


def _parser(old: Inspection, new: Inspection) -> Parser | None:
    """The language that includes both; None if there is none."""
    if old.parser == new.parser or not new.parser:
        return old.parser
    if not old.parser or {old.parser, new.parser} == {"tls", "http"}:
        return new.parser if old.parser != "http" else old.parser
    return None


def _said(asked: Inspection) -> str:
    return _NAMES.get(asked.parser, f"the listener {asked.listener}")
