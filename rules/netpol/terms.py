"""What cannot be read of objects that policies name or stand in: sets, groups of CIDRs, tiers.

What policies mean by such an object is what `census` reads off it; what is said here did not count
there, or the object as a whole is not stored. Source: projectcalico/calico api/pkg/apis (networkset
and tier), cilium/cilium pkg/k8s/apis/cilium.io (cidrgroups_types.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rules.netpol.census import addresses_of
from rules.netpol.dialects import calico
from rules.netpol.engine import Engine
from rules.netpol.fields import JSON, is_order
from rules.netpol.keys import key_of
from rules.netpol.model import Consequence, Unknown
from rules.netpol.naming import GROUP, KINDS, TIER
from rules.netpol.parts import head_faults, strangers
from rules.selectors import Path, describe

_ACTIONS = ("Deny", "Pass")
_NETS = {GROUP: "externalCIDRs"}
NAMES = "allowedEgressDomains"
_SPEC: Path = ("spec",)
_WANTED = "a network in CIDR notation such as 10.0.0.0/8, or one address"


def faults(node: Any, *, enterprise: bool = False) -> Iterator[Unknown]:
    """All of an object of naming.KINDS that means not what it says; nothing of other objects.

    `enterprise`: Calico knows names of domains.
    """
    key = key_of(node)
    if key.api.kind not in KINDS:
        return
    yield from head_faults(node, f"a {key.api.kind}")
    spec = node.get("spec")
    if not isinstance(spec, dict):
        return
    if key.api.kind == TIER:
        yield from _of_tier(spec)
        return
    nets = _NETS.get(key.api.kind, "nets")
    names = (NAMES,) if enterprise and key.api.kind != GROUP else ()
    yield from strangers(spec, (nets, *names), _SPEC)
    dropped = key.api.group == calico.CRD_GROUP
    yield from _of_list(spec, nets, "as-read" if dropped else "refused")
    for name in names:
        yield from _of_names(spec, name)


def is_read(kind: str, engine: Engine) -> bool:
    """Whether the engine looks at objects of the kind."""
    return kind in KINDS and engine.name == ("cilium" if kind == GROUP else "calico")


def _of_tier(spec: JSON) -> Iterator[Unknown]:
    yield from strangers(spec, ("order", "defaultAction"), _SPEC)
    order, action = spec.get("order"), spec.get("defaultAction")
    if order is not None and not is_order(order):
        yield Unknown((*_SPEC, "order"), describe(order), "a number")
    if action is not None and action not in _ACTIONS:
        yield Unknown((*_SPEC, "defaultAction"), describe(action), " or ".join(_ACTIONS))


def _of_list(spec: JSON, field: str, consequence: Consequence) -> Iterator[Unknown]:
    for path, item in _items(spec, field):
        if not isinstance(item, str):
            yield Unknown(path, describe(item), _WANTED)
        elif not addresses_of(item):
            yield Unknown(path, describe(item), _WANTED, consequence)


def _of_names(spec: JSON, field: str) -> Iterator[Unknown]:
    for path, item in _items(spec, field):
        if not calico.is_supported(item):
            yield Unknown(path, describe(item), calico.DOMAIN_WANTED)


def _items(spec: JSON, field: str) -> Iterator[tuple[Path, Any]]:
    stated = spec.get(field)
    if not isinstance(stated, list | None):
        yield (*_SPEC, field), stated
    for index, item in enumerate(stated if isinstance(stated, list) else ()):
        yield (*_SPEC, field, index), item
