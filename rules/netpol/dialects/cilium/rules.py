"""One rule of one direction: the peers and ports that it names, or means by naming none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rules.netpol.dialects.cilium import inspection
from rules.netpol.dialects.cilium.labels import Scope
from rules.netpol.dialects.cilium.peers import READERS, Entry, services
from rules.netpol.dialects.cilium.ports import MOST_PORTS, read_ports
from rules.netpol.fields import JSON, listed, mapping
from rules.netpol.model import (
    Action,
    Direction,
    Grant,
    Origin,
    PeerEntry,
    PortEntry,
    Subject,
    Unknown,
)
from rules.netpol.parts import nulls, strangers
from rules.netpol.peers import Anywhere
from rules.netpol.sets import PROTOCOLS
from rules.selectors import Path, describe

_MEMBERS: dict[tuple[Direction, Action], tuple[str, ...]] = {
    ("ingress", "allow"): ("Endpoints", "CIDR", "CIDRSet", "Entities", "Groups", "Nodes"),
    ("egress", "deny"): (
        *("Endpoints", "CIDR", "CIDRSet", "Entities", "Groups", "Nodes"),
        "Services",
    ),
}
_MEMBERS["ingress", "deny"] = _MEMBERS["ingress", "allow"]
_MEMBERS["egress", "allow"] = (*_MEMBERS["egress", "deny"], "FQDNs")
_PREFIX: dict[Direction, str] = {"ingress": "from", "egress": "to"}
_AS_ABSENT = ("Services", "Groups", "FQDNs")
REQUIRES = "Requires"
"""Labels that peers must have by all rules of the pods. Older agents heed them, newer refuse them:
cilium/cilium#42615, #43167."""
_REQUIREMENT = "a requirement that narrows all rules of these pods"
_SELECTED = "absent: Cilium refuses it from 1.19 on; select the peers by labels"
_MODES = ("disabled", "required", "test-always-fail")


@dataclass(frozen=True, slots=True)
class RuleReader:
    """All rules of one list. `host`: they are about nodes."""

    origin: Origin
    subject: Subject
    scope: Scope
    direction: Direction
    action: Action
    host: bool = False

    def grants(self, node: Any, path: Path) -> Iterator[Grant | Unknown]:
        """What one rule grants or denies: a Grant for each item of toPorts."""
        members = [_PREFIX[self.direction] + each for each in _MEMBERS[self.direction, self.action]]
        required = f"{_PREFIX[self.direction]}{REQUIRES}"
        asking = ("authentication",) if self.action == "allow" else ()
        known = (*members, "toPorts", "icmps", required, *asking)
        if not isinstance(node, dict):
            yield Unknown(path, describe(node), f"a map with {', '.join(known)}")
            return
        yield from strangers(node, known, path)
        yield from nulls(node, path, known)
        for field in (*members, "toPorts", "icmps", required):
            if not isinstance(node.get(field, []), list | None):
                yield Unknown((*path, field), describe(node[field]), "a list")
        yield from _icmp_faults(node, path)
        mode = mapping(node, "authentication").get("mode")
        if "authentication" in node and mode not in _MODES:
            place = (*path, "authentication", "mode")
            yield Unknown(place, describe(mode), f"one of {', '.join(_MODES)}")
        grant = Grant(
            self.origin,
            path,
            self.direction,
            self.action,
            self.subject,
            tuple(self._peers(node, path, members)),
            (),
        )
        if node.get(required):
            unknown = Unknown((*path, required), _REQUIREMENT, _SELECTED, "undecided")
            if self.action == "allow":  # of which nothing is lost where it is narrowed
                yield unknown
            else:
                grant = replace(grant, peers=(unknown,))
        for each in self._ported(grant, node, path):
            if isinstance(each, Grant) and isinstance(mode, str):
                asked = replace(each.inspection, authentication=mode)
                yield replace(each, inspection=asked)
            else:
                yield each

    def _peers(self, node: JSON, path: Path, members: list[str]) -> Iterator[Entry]:
        prefix = _PREFIX[self.direction]
        listed = {each: node[each] for each in members if isinstance(node.get(each), list)}
        named = [each for each in listed if listed[each]]
        empty = set(listed) - set(named) - {prefix + each for each in _AS_ABSENT}
        if len(named) > 1:
            found, wanted = " and ".join(named), "only one of them in a rule"
            yield Unknown((*path, named[1]), found, wanted, "void")
        ported = bool(node.get("toPorts"))
        if not named and not empty and (ported or node.get("icmps")):
            yield PeerEntry(path, Anywhere())
        # an empty list beside another member leaves nothing of it
        for member in () if empty else named:
            place, kind = (*path, member), member.removeprefix(prefix)
            if kind == "Services":
                yield from services(listed[member], place, ported=ported)
                continue
            for index, item in enumerate(listed[member]):
                yield from READERS[kind](item, (*place, index), self.scope)

    def _ported(self, grant: Grant, node: JSON, path: Path) -> Iterator[Grant | Unknown]:
        items = node.get("toPorts")
        if not isinstance(items, list) or not items:
            everything = () if node.get("icmps") else (PortEntry((*path, "toPorts"), PROTOCOLS),)
            yield replace(grant, ports=everything)
            return
        if node.get("icmps"):
            found, wanted = "beside icmps", "in a rule of its own"
            yield Unknown((*path, "toPorts"), found, wanted, "void")
        for index, item in enumerate(items):
            yield from self._item(grant, item, (*path, "toPorts", index))

    def _item(self, grant: Grant, item: Any, path: Path) -> Iterator[Grant | Unknown]:
        allows = self.action == "allow"
        known = ("ports", *(inspection.FIELDS if allows else ()))
        if not isinstance(item, dict):
            yield Unknown(path, describe(item), f"a map with {', '.join(known)}")
            return
        yield from strangers(item, known, path)
        yield from nulls(item, path, known)
        ports = tuple(read_ports(item.get("ports", []), (*path, "ports")))
        if allows:
            yield from inspection.faults(item, path, self.direction, host=self.host)
            asked = inspection.read_inspection(item)
            yield replace(grant, ports=ports, inspection=asked, l7=inspection.layer7(asked))
        else:
            yield replace(grant, ports=ports)


def _icmp_faults(node: JSON, path: Path) -> Iterator[Unknown]:
    for index, rule in enumerate(listed(node, "icmps")):
        if not isinstance(rule, dict):
            yield Unknown((*path, "icmps", index), describe(rule), "a map with fields")
            continue
        fields = rule.get("fields", [])
        if not isinstance(fields, list) or len(fields) > MOST_PORTS:
            wanted = f"a list of at most {MOST_PORTS} types"
            yield Unknown((*path, "icmps", index, "fields"), describe(fields), wanted, "void")
