"""The objects and their rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rules.netpol.dialects.admin.peers import FROM, SUBJECT, TO, no_list, read_peer
from rules.netpol.dialects.admin.ports import Entry, read_port, read_protocol
from rules.netpol.fields import JSON, mapping, name_of, text
from rules.netpol.model import (
    ADMIN,
    BASELINE,
    Action,
    Direction,
    Grant,
    NamedPort,
    Origin,
    PeerEntry,
    Place,
    Policy,
    PortEntry,
    Subject,
    Unknown,
)
from rules.netpol.parts import head_faults, origin_of, split, strangers
from rules.netpol.peers import Namespaces, Pods
from rules.netpol.sets import PROTOCOLS
from rules.selectors import Path, describe

GROUP = "policy.networking.k8s.io"
HIGHEST_PRIORITY = 1000
ONLY_BASELINE = "default"
_TIERS = {"Admin": ADMIN, "Baseline": BASELINE}
_PEERS: Mapping[Direction, tuple[str, tuple[str, ...]]] = {
    "ingress": ("from", FROM),
    "egress": ("to", TO),
}


@dataclass(frozen=True, slots=True)
class _Language:
    """What differs between the kinds; `most` rules, peers and ports fit in a list."""

    fields: tuple[str, ...]
    actions: Mapping[str, Action]
    most: int
    ports: str
    read_port: Callable[[Any, Path], Iterator[Entry]]
    strict: bool = False


_FIELDS = ("subject", "ingress", "egress")
_ACTIONS: Mapping[str, Action] = {"Allow": "allow", "Deny": "deny"}
_LANGUAGES = {
    "AdminNetworkPolicy": _Language(
        ("priority", *_FIELDS), {**_ACTIONS, "Pass": "pass"}, 100, "ports", read_port
    ),
    "BaselineAdminNetworkPolicy": _Language(_FIELDS, _ACTIONS, 100, "ports", read_port),
    "ClusterNetworkPolicy": _Language(
        ("tier", "priority", *_FIELDS),
        {"Accept": "allow", "Deny": "deny", "Pass": "pass"},
        25,
        "protocols",
        read_protocol,
        strict=True,
    ),
}
KINDS = tuple(_LANGUAGES)


def translate(node: Any, *, namespace: str = "") -> Policy:  # noqa: ARG001  # they live in none
    """What a decoded object of one of KINDS means; one that states none is read as the last.

    The object may be malformed anywhere: nothing is raised, and nothing is left out unsaid.
    """
    stated = text(node, "kind") if isinstance(node, dict) else ""
    kind = stated if stated in KINDS else KINDS[-1]
    origin, language = origin_of(node, GROUP, kind, ""), _LANGUAGES[kind]
    faults = tuple(head_faults(node, f"a {kind}"))
    for fault in faults:
        if fault.path in ((), ("spec",)):
            return Policy(origin, fault, unknowns=faults)
    spec = mapping(node, "spec")
    places, misplaced = split(_place(node, spec, language))
    subject, unreadable = _subject(spec.get("subject"), strict=language.strict)
    reader = _Reader(origin, language, places[0] if places else Place(), subject)
    grants, unread = split(reader.grants(spec))
    inside = (unknown for grant in grants for unknown in grant.unknowns())
    cut = strangers(spec, language.fields, ("spec",))
    unknowns = (*faults, *cut, *misplaced, *unreadable, *unread, *inside)
    return Policy(origin, subject, grants=grants, unknowns=unknowns)


def _place(node: JSON, spec: JSON, language: _Language) -> Iterator[Place | Unknown]:
    tier, priority = ADMIN, spec.get("priority")
    if "tier" in language.fields:
        stated = spec.get("tier")
        if not isinstance(stated, str) or stated not in _TIERS:
            yield Unknown(("spec", "tier"), describe(stated), "Admin or Baseline")
            return
        tier = _TIERS[stated]
    if "priority" not in language.fields:
        if name_of(node) != ONLY_BASELINE:
            found = describe(name_of(node))
            yield Unknown(("metadata", "name"), found, f"{ONLY_BASELINE}: there is but one")
        yield Place(BASELINE, 0)
    elif type(priority) is int and 0 <= priority <= HIGHEST_PRIORITY:
        yield Place(tier, priority)
    else:
        wanted = f"a number from 0 to {HIGHEST_PRIORITY}"
        yield Unknown(("spec", "priority"), describe(priority), wanted)


def _subject(node: Any, *, strict: bool) -> tuple[Subject, tuple[Unknown, ...]]:
    entries, unknowns = split(read_peer(node, ("spec", "subject"), SUBJECT, strict=strict))
    if entries:
        return entries[0].peer, unknowns
    return next(each for each in unknowns if each.consequence != "as-read"), unknowns


@dataclass(frozen=True, slots=True)
class _Reader:
    """Rules of one object."""

    origin: Origin
    language: _Language
    place: Place
    subject: Subject

    def grants(self, spec: JSON) -> Iterator[Grant | Unknown]:
        for direction in _PEERS:
            rules, path = spec.get(direction), ("spec", direction)
            if rules is None:
                continue
            if not isinstance(rules, list) or len(rules) > self.language.most:
                yield no_list(rules, path, self.language.most, "rules")
                continue
            for index, rule in enumerate(rules):
                yield from self._rule(rule, (*path, index), direction)

    def _rule(self, node: Any, path: Path, direction: Direction) -> Iterator[Grant | Unknown]:
        field, peers = _PEERS[direction]
        known = ("name", "action", field, self.language.ports)
        if not isinstance(node, dict):
            yield Unknown(path, describe(node), f"a map with {', '.join(known[1:])}")
            return
        yield from strangers(node, known, path)
        stated = node.get("action")
        action = self.language.actions.get(stated) if isinstance(stated, str) else None
        if action is None:
            wanted = " or ".join(self.language.actions)
            yield Unknown((*path, "action"), describe(stated), wanted)
            return
        place = Place(self.place.tier, self.place.order, int(path[-1]))
        ports = self.language.ports
        grant = Grant(
            self.origin,
            path,
            direction,
            action,
            self.subject,
            tuple(self._peers(node.get(field), (*path, field), peers)),
            tuple(self._ports(node.get(ports), (*path, ports))),
            place=place,
        )
        yield grant
        yield from _nameless(grant)

    def _peers(
        self, nodes: Any, path: Path, fields: tuple[str, ...]
    ) -> Iterator[PeerEntry | Unknown]:
        if not isinstance(nodes, list) or not 1 <= len(nodes) <= self.language.most:
            yield no_list(nodes, path, self.language.most, "peers")
            return
        for index, node in enumerate(nodes):
            yield from read_peer(node, (*path, index), fields, strict=self.language.strict)

    def _ports(self, nodes: Any, path: Path) -> Iterator[Entry]:
        if nodes is None:
            yield PortEntry(path, PROTOCOLS)
        elif not isinstance(nodes, list) or not 1 <= len(nodes) <= self.language.most:
            yield no_list(nodes, path, self.language.most, self.language.ports)
        else:
            for index, node in enumerate(nodes):
                yield from self.language.read_port(node, (*path, index))


def _nameless(grant: Grant) -> Iterator[Unknown]:
    """Names of ports beside peers that have none.

    Only the definitions of the experimental channel refuse them: elsewhere they are stored, and
    match the pods that have the name.
    """
    pods = all(
        isinstance(entry, Unknown) or isinstance(entry.peer, Pods | Namespaces)
        for entry in grant.peers
    )
    for entry in grant.ports if not pods else ():
        if isinstance(entry, NamedPort):
            wanted = "a number, for networks, nodes and domains have no named ports"
            yield Unknown(entry.path, describe(entry.name), wanted, "as-read")
