"""The objects: where in the order they stand, and in which directions they apply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import Any

from rules.netpol.dialects.calico.ends import read_subject
from rules.netpol.dialects.calico.reader import Door, Reader
from rules.netpol.dialects.calico.rules import DIRECTIONS, RuleReader
from rules.netpol.fields import JSON, is_order, mapping, text
from rules.netpol.model import (
    DEFAULT,
    Direction,
    Isolation,
    Origin,
    Place,
    Policy,
    Subject,
)
from rules.netpol.parts import head_faults, origin_of
from rules.netpol.peers import Endpoints
from rules.selectors import Path, describe

API_GROUP, CRD_GROUP = "projectcalico.org", "crd.projectcalico.org"
GROUPS = (API_GROUP, CRD_GROUP)
_GLOBAL = ("GlobalNetworkPolicy", "StagedGlobalNetworkPolicy")
KINDS = ("NetworkPolicy", "StagedNetworkPolicy", *_GLOBAL)
_STAGED = "Staged"
STAGED_ACTIONS = ("Set", "Delete", "Learn", "Ignore")
_TYPES: dict[str, Direction] = {"Ingress": "ingress", "Egress": "egress"}
_FIELDS = (
    "tier",
    "order",
    "selector",
    "types",
    "ingress",
    "egress",
    "serviceAccountSelector",
    "performanceHints",
)
_GLOBAL_FIELDS = (
    *_FIELDS,
    "namespaceSelector",
    "doNotTrack",
    "preDNAT",
    "applyOnForward",
)


def translate(node: Any, *, namespace: str = "default", door: Door | None = None) -> Policy:
    """What a decoded object of one of KINDS means; one that states none is read as the first.

    `namespace` is where it lies if it does not say so itself. `door` is how it is stored: left out,
    objects of API_GROUP come through Calico's API server, and others are stored as written. The
    object may be malformed anywhere: nothing is raised, and nothing is left out unsaid.
    """
    stated = node if isinstance(node, dict) else {}
    kind = text(stated, "kind") if text(stated, "kind") in KINDS else KINDS[0]
    group = text(stated, "apiVersion").rpartition("/")[0] or API_GROUP
    origin = origin_of(node, group, kind, "" if kind in _GLOBAL else namespace)
    faults = list(head_faults(node, f"a {kind}"))
    for fault in faults:
        if fault.path in ((), ("spec",)):
            return Policy(origin, fault, unknowns=tuple(faults))
    reader = Reader(door or ("crd" if group == CRD_GROUP else "api"), faults)
    return _policy(reader, origin, mapping(node, "spec"))


def _policy(reader: Reader, origin: Origin, spec: JSON) -> Policy:
    path: Path = ("spec",)
    fields = _FIELDS if origin.namespace else _GLOBAL_FIELDS
    staged = origin.kind.startswith(_STAGED)
    reader.strangers(spec, (*fields, "stagedAction") if staged else fields, path)
    reader.choice(spec, "stagedAction", path, STAGED_ACTIONS)
    expression = read_subject(reader, spec, origin.namespace)
    subject: Subject = Endpoints(expression) if expression else reader.faults[-1]
    place = _place(reader, spec)
    rules = RuleReader(reader, origin, subject, place)
    grants = tuple(grant for each in DIRECTIONS for grant in rules.grants(spec, each))
    alive = dict(_types(reader, spec))
    if _not_for_pods(reader, spec, alive):
        alive = {}
    return Policy(
        origin,
        subject,
        isolations=tuple(
            Isolation(origin, at, direction, subject, place.tier) for direction, at in alive.items()
        ),
        grants=tuple(grant for grant in grants if grant.direction in alive),
        void=tuple(grant for grant in grants if grant.direction not in alive),
        unknowns=tuple(reader.faults),
        staged=staged,
    )


def _place(reader: Reader, spec: JSON) -> Place:
    order = spec.get("order")
    if order is not None and not is_order(order):
        reader.fault(("spec", "order"), describe(order), "a number")
        order = None
    return Place(reader.text(spec, "tier", ("spec",)) or DEFAULT, order)


def _types(reader: Reader, spec: JSON) -> Iterator[tuple[Direction, Path]]:
    """The directions in which the policy applies, and where it says so."""
    path: Path = ("spec", "types")
    types = reader.items(spec, "types", ("spec",))
    if not types:
        if isinstance(spec.get("types"), list) and reader.door != "api":
            reader.fault(path, "empty", "absent, or Ingress, Egress or both")
        for direction in _defaults(reader.door, spec):
            yield direction, path
    for index, name in enumerate(types):
        if not isinstance(name, str) or name not in _TYPES:
            reader.fault((*path, index), describe(name), "Ingress or Egress")
        elif name in types[:index]:
            reader.fault((*path, index), describe(name), "stated once")
        else:
            yield _TYPES[name], (*path, index)


def _defaults(door: Door, spec: JSON) -> tuple[Direction, ...]:
    """The directions of a policy that states none; without rules it is one for ingress."""
    if door == "crd":
        return DIRECTIONS
    stated = (spec.get(each) for each in DIRECTIONS)
    present = [bool(rules) if door == "api" else rules is not None for rules in stated]
    return tuple(compress(DIRECTIONS, present)) or ("ingress",)


def _not_for_pods(reader: Reader, spec: JSON, alive: dict[Direction, Path]) -> bool:
    """Whether it is about hosts only, before connections are tracked or addresses translated."""
    path: Path = ("spec",)
    untracked, early, forward = (
        reader.truth(spec, field, path) for field in ("doNotTrack", "preDNAT", "applyOnForward")
    )
    if untracked and early:
        reader.fault((*path, "preDNAT"), "beside doNotTrack", "one of them")
    if (untracked or early) and not forward:
        reader.fault((*path, "applyOnForward"), "not true", "true beside doNotTrack or preDNAT")
    if early and "egress" in alive:
        reader.fault((*path, "preDNAT"), "beside egress", "for ingress only")
    return untracked or early
