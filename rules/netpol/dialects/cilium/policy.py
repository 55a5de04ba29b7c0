"""The objects: `spec` and every item of `specs` is a rule set with a subject of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rules.netpol.dialects.cilium.labels import RESERVED, Scope, read_labels
from rules.netpol.dialects.cilium.rules import RuleReader
from rules.netpol.fields import JSON, name_of, text
from rules.netpol.model import (
    Action,
    Direction,
    Grant,
    Isolation,
    Origin,
    Policy,
    Subject,
    Unknown,
)
from rules.netpol.parts import nulls, origin_of, split, strangers
from rules.netpol.peers import Labelled, Nodes
from rules.selectors import Path, describe

GROUP = "cilium.io"
NAMESPACED, CLUSTERWIDE = "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"
KINDS = (NAMESPACED, CLUSTERWIDE)
_SECTIONS: dict[str, tuple[Direction, Action]] = {
    "ingress": ("ingress", "allow"),
    "ingressDeny": ("ingress", "deny"),
    "egress": ("egress", "allow"),
    "egressDeny": ("egress", "deny"),
}
_DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
_SELECTORS = ("endpointSelector", "nodeSelector")
_FIELDS = (*_SELECTORS, *_SECTIONS, "enableDefaultDeny", "labels", "description", "log")


def translate(node: Any, *, namespace: str = "default") -> tuple[Policy, ...]:
    """What a decoded object of one of KINDS means; one that states none lies in a namespace.

    The object may be malformed anywhere: nothing is raised, and nothing is left out unsaid.
    """
    kind = text(node, "kind") if isinstance(node, dict) else ""
    clusterwide = kind == CLUSTERWIDE
    origin = origin_of(
        node, GROUP, kind if clusterwide else NAMESPACED, "" if clusterwide else namespace
    )
    faults, specs = _specs(node)
    if isinstance(node, dict) and not name_of(node):
        wanted = "a name: without one the agent reads nothing"
        faults = (*faults, Unknown(("metadata", "name"), "missing", wanted, "void"))
    policies = tuple(_policy(spec, path, origin) for path, spec in specs)
    unknowns = (*faults, *(each for policy in policies for each in policy.unknowns))
    if not policies:
        return (Policy(origin, faults[0], unknowns=unknowns),)
    return tuple(replace(policy, unknowns=unknowns) for policy in policies)


def _specs(node: Any) -> tuple[tuple[Unknown, ...], list[tuple[Path, JSON]]]:
    """The rule sets and where they stand; at least a fault, where there is none."""
    if not isinstance(node, dict):
        return (Unknown((), describe(node), "a map with spec or specs"),), []
    stated: list[tuple[Path, Any]] = [(("spec",), node["spec"])] if "spec" in node else []
    faults: list[Unknown] = []
    several = node.get("specs", [])
    if isinstance(several, list):
        stated += ((("specs", index), each) for index, each in enumerate(several))
    else:
        faults.append(Unknown(("specs",), describe(several), "a list of rule sets"))
    found: list[tuple[Path, JSON]] = []
    for path, spec in stated:
        if isinstance(spec, dict):
            found.append((path, spec))
        else:
            faults.append(Unknown(path, describe(spec), f"a map with {', '.join(_FIELDS)}"))
    if not stated and not faults:
        faults.append(Unknown(("spec",), "missing", "spec, or specs with an item", "void"))
    return tuple(faults), found


def _policy(spec: JSON, path: Path, origin: Origin) -> Policy:
    faults = [*strangers(spec, _FIELDS, path), *nulls(spec, path, _FIELDS)]
    subject, scope, unread = _subject(spec, path, origin)
    faults += (*unread, *_section_faults(spec, path))
    grants: list[Grant] = []
    for section, (direction, action) in _SECTIONS.items():
        host = "nodeSelector" in spec
        reader = RuleReader(origin, subject, scope, direction, action, host)
        rules = spec.get(section)
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            read, unknowns = split(reader.grants(rule, (*path, section, index)))
            grants += read
            faults += unknowns
            # the items of one rule share its peers
            faults += (each for grant in read[:1] for each in _unread(grant.peers))
            faults += (each for grant in read for each in _unread(grant.ports))
    isolations = tuple(_isolations(spec, path, origin, subject))
    return Policy(origin, subject, isolations, tuple(grants), unknowns=tuple(faults))


def _unread(entries: tuple[Any, ...]) -> Iterator[Unknown]:
    return (entry for entry in entries if isinstance(entry, Unknown))


def _subject(spec: JSON, path: Path, origin: Origin) -> tuple[Subject, Scope, tuple[Unknown, ...]]:
    scope = Scope(origin.namespace)
    stated = [field for field in _SELECTORS if field in spec]
    if len(stated) != 1:
        found = " and ".join(stated) or f"without {' and '.join(_SELECTORS)}"
        fault = Unknown(path, found, f"with exactly one of {' and '.join(_SELECTORS)}")
        return fault, scope, (fault,)
    field = stated[0]
    place = (*path, field)
    if field == "nodeSelector":
        selector, unknowns = read_labels(spec[field], place)
        if origin.namespace:
            wanted = f"endpointSelector: only a {CLUSTERWIDE} is about nodes"
            unknowns = (*unknowns, Unknown(place, "a selector of nodes", wanted, "void"))
    else:
        selector, unknowns = scope.subject(spec[field], place)
    if selector is None:
        return unknowns[0], scope, unknowns
    starting = f"{RESERVED}init" in selector.keys
    subject = Nodes(selector) if field == "nodeSelector" else Labelled(selector)
    return subject, Scope(origin.namespace, starting), unknowns


def _section_faults(spec: JSON, path: Path) -> Iterator[Unknown]:
    for section in _SECTIONS:
        if not isinstance(spec.get(section), list | None):
            yield Unknown((*path, section), describe(spec[section]), "a list of rules")
    if not any(section in spec for section in _SECTIONS):
        yield Unknown(path, "without a section", f"with one of {', '.join(_SECTIONS)}")
    elif not any(spec.get(section) for section in _SECTIONS):
        yield Unknown(path, "without a rule in any section", "with at least one rule", "void")
    chosen = spec.get("enableDefaultDeny", {})
    place = (*path, "enableDefaultDeny")
    if not isinstance(chosen, dict):
        yield Unknown(place, describe(chosen), "a map with ingress and egress")
        return
    yield from strangers(chosen, _DIRECTIONS, place)
    for direction in _DIRECTIONS:
        if not isinstance(chosen.get(direction, True), bool):
            yield Unknown((*place, direction), describe(chosen[direction]), "true or false")


def _isolations(spec: JSON, path: Path, origin: Origin, subject: Subject) -> Iterator[Isolation]:
    chosen = spec.get("enableDefaultDeny")
    for direction in _DIRECTIONS:
        if isinstance(chosen, dict) and chosen.get(direction) is False:
            continue
        sections = [name for name, (towards, _) in _SECTIONS.items() if towards == direction]
        ruling = next((name for name in sections if spec.get(name)), None)
        if ruling:
            yield Isolation(origin, (*path, ruling), direction, subject)
