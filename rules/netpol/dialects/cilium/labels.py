"""Endpoint selectors: labels that have a source, and the limits that the language itself adds.

A key is written `source:name`. `k8s`, `any` and no source at all mean the labels of pods here, and
those that Cilium gives them by itself; `reserved` means what is no pod. Any other source has no
labels in a cluster, so nothing matches it but the lack of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.netpol.fields import JSON, mapping
from rules.netpol.model import Consequence, Unknown
from rules.selectors import (
    LABEL_KEY,
    InvalidSelector,
    LabelSelector,
    Operator,
    Path,
    Requirement,
)

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
CLUSTER = "io.cilium.k8s.policy.cluster"
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
RESERVED = "reserved:"
LOCAL_CLUSTER = "default"
"""Cilium's own name for a cluster to which nobody gave one."""

_KEY = re.compile(rf"(?:\$|[a-z0-9-]*:)?{LABEL_KEY.pattern}")
_PODS = ("any", "k8s")
_NEGATIONS = frozenset({"NotIn", "DoesNotExist"})


@dataclass(frozen=True, slots=True)
class EndpointSelector:
    """Requirements on labels, keys without the sources that mean pods.

    `written` tells apart what means the same but is not written so: rules are merged by it.
    """

    requirements: LabelSelector
    written: str = field(default="", repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an end with these labels is selected."""
        return self.requirements.matches(labels)

    @property
    def keys(self) -> frozenset[str]:
        """The label keys on which the answer depends."""
        return self.requirements.keys

    @property
    def negative(self) -> bool:
        """Whether it asks for nothing but the lack of labels."""
        asked = self.requirements.requirements
        return bool(asked) and all(each.operator in _NEGATIONS for each in asked)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule lies: its namespace, "" if it is cluster-wide.

    `starting`: its subject is pods that have no labels yet, nor a namespace.
    """

    namespace: str
    starting: bool = False

    def subject(self, node: Any, path: Path) -> tuple[EndpointSelector | None, tuple[Unknown, ...]]:
        """To whom a rule applies: in a namespace always to pods of that namespace."""
        found, unknowns = read_labels(node, path)
        if found is None or not self.namespace:
            return found, unknowns
        stated = f"k8s:{NAMESPACE}"
        if stated in mapping(node, "matchLabels"):  # the agent writes its own over it
            kept = {key: value for key, value in node["matchLabels"].items() if key != stated}
            found, _ = read_labels({**node, "matchLabels": kept}, path)
        return found and _with(found, NAMESPACE, "In", self.namespace), unknowns

    def peer(self, node: Any, path: Path) -> tuple[EndpointSelector | None, tuple[Unknown, ...]]:
        """Other ends: those of the own namespace and cluster, unless the selector names others."""
        found, unknowns = read_labels(node, path)
        if found is None or any(key.startswith(RESERVED) for key in found.keys):
            return found, unknowns
        if NAMESPACE not in found.keys:
            if not self.namespace:
                if not self.starting:
                    found = _with(found, NAMESPACE, "Exists")
            elif not any(key.startswith(NAMESPACE_LABELS) for key in found.keys):
                found = _with(found, NAMESPACE, "In", self.namespace)
        if CLUSTER not in found.keys:
            found = _with(found, CLUSTER, "In", LOCAL_CLUSTER)
        return found, unknowns


def read_labels(node: Any, path: Path) -> tuple[EndpointSelector | None, tuple[Unknown, ...]]:
    """A selector as it is written, without limits; None where it cannot be read."""
    try:
        selector = LabelSelector.parse(node, path, key=_KEY)
    except InvalidSelector as error:
        return None, tuple(
            Unknown(each.path, each.found, each.wanted, _consequence(each.path, path))
            for each in error.faults
        )
    requirements = (
        Requirement(_pod_key(each.key), each.operator, each.values)
        for each in selector.requirements
    )
    return EndpointSelector(LabelSelector(tuple(requirements)), _written(node)), ()


def reserved(name: str) -> EndpointSelector:
    """The selector of what is no pod but has a name of its own, such as `host`."""
    return read_labels({"matchLabels": {f"{RESERVED}{name}": ""}}, ())[0] or EVERYTHING


EVERYTHING = EndpointSelector(LabelSelector())


def _consequence(path: Path, selector: Path) -> Consequence:
    """The schema looks at fields, operators and values of matchLabels; the rest is the agent's."""
    inner = path[len(selector) :]
    voids = inner[-1:] == ("key",) or "values" in inner or inner == ("matchLabels",)
    return "void" if voids else "refused"


def _pod_key(key: str) -> str:
    source, _, name = _split(key)
    return name if source in _PODS else f"{source}:{name}"


def _split(key: str) -> tuple[str, str, str]:
    if key.startswith("$"):
        return "reserved", ":", key[1:]
    source, colon, name = key.rpartition(":")
    return source or "any", colon, name


def _written(node: JSON) -> str:
    labels = sorted((*_split(key), value) for key, value in mapping(node, "matchLabels").items())
    expressions = [
        (*_split(each["key"]), each["operator"], each.get("values"))
        for each in node.get("matchExpressions") or ()
    ]
    return json.dumps([labels, expressions])


def _with(
    selector: EndpointSelector, key: str, operator: Operator, *values: str
) -> EndpointSelector:
    asked = Requirement(key, operator, frozenset(values))
    requirements = (*selector.requirements.requirements, asked)
    written = f"{selector.written} {key} {operator} {','.join(values)}"
    return EndpointSelector(LabelSelector(requirements), written)
