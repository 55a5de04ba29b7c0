"""Kubernetes label selectors as immutable values, and how their faults are told.

A selector narrows: the empty one (`{}`) matches everything. An absent one is not a selector: what
it means is the caller's to say. Source: kubernetes/apimachinery, pkg/apis/meta/v1 (helpers.go and
validation/validation.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of an object, e.g. `("spec", "egress", 0)`."""

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

LABEL_KEY = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
"""`name` or `prefix/name`, as the API server accepts it on labels."""

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY_WANTED = "a label key such as app or example.com/app"
_VALUE_WANTED = "a label value: a string of at most 63 letters, digits, - _ ."
_LONGEST_TEXT = 60
_LONGEST_NUMBER = 1 << 64


@dataclass(frozen=True, slots=True)
class Fault:
    """What stands at `path`, and what must stand there. Both are short and printable."""

    path: Path
    found: str
    wanted: str

    @classmethod
    def at(cls, path: Path, value: Any, wanted: str) -> Fault:
        """The fault of a value that is not what is wanted."""
        return cls(path, describe(value), wanted)


class InvalidSelector(ValueError):
    """A label selector that the API server would refuse; `faults` are all of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"is {fault.found}, must be {fault.wanted}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition; an absent key meets NotIn and DoesNotExist."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. Sorted and without doubles: equal text order does not matter."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(
        cls, node: Any, path: Path = (), *, key: re.Pattern[str] = LABEL_KEY
    ) -> LabelSelector:
        """The selector of a decoded `{matchLabels, matchExpressions}` that stands at `path`.

        `key` is what label keys must look like, for dialects with keys of their own. Raises
        InvalidSelector with every fault. Null counts as absent, below the node itself.
        """
        requirements: list[Requirement] = []
        faults: list[Fault] = []
        for item in _requirements(node, path, key=key):
            if isinstance(item, Fault):
                faults.append(item)
            else:
                requirements.append(item)
        if faults:
            raise InvalidSelector(tuple(faults))
        if len(requirements) > 1:
            requirements = sorted(set(requirements), key=_order)
        return cls(tuple(requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        for requirement in self.requirements:  # noqa: SIM110  # in half of the time of `all`
            if not requirement.matches(labels):
                return False
        return True

    @property
    def keys(self) -> frozenset[str]:
        """The label keys on which the answer depends."""
        return frozenset(requirement.key for requirement in self.requirements)


EVERYTHING = LabelSelector()


def describe(value: Any) -> str:
    """The value in few printable characters: itself if it is a scalar, else what it is.

    A huge integer is not written out: past 4,300 digits Python refuses to.
    """
    if isinstance(value, int) and abs(value) >= _LONGEST_NUMBER:
        return "a huge number"
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        value = f"{value[:_LONGEST_TEXT]}..."
    if value is None or isinstance(value, str | int | float):
        return json.dumps(value)
    return "a map" if isinstance(value, dict) else f"a {type(value).__name__}"


def _order(requirement: Requirement) -> tuple[str, str, list[str]]:
    return requirement.key, requirement.operator, sorted(requirement.values)


def _requirements(node: Any, path: Path, *, key: re.Pattern[str]) -> Iterator[Requirement | Fault]:
    if not isinstance(node, dict):
        yield Fault.at(path, node, "a map with matchLabels or matchExpressions")
        return
    for field, value in node.items():
        if value is None:
            continue
        if field == "matchLabels":
            yield from _equalities(value, (*path, field), key=key)
        elif field == "matchExpressions":
            yield from _expressions(value, (*path, field), key=key)
        else:
            yield _stranger(field, path, "matchLabels or matchExpressions")


def _equalities(labels: Any, path: Path, *, key: re.Pattern[str]) -> Iterator[Requirement | Fault]:
    if not isinstance(labels, dict):
        yield Fault.at(path, labels, "a map of label keys to values")
        return
    for name, value in labels.items():
        if not (isinstance(name, str) and key.fullmatch(name)):
            yield Fault(path, f"with the key {describe(name)}", _KEY_WANTED)
        elif not _is_label_value(value):
            yield Fault.at((*path, name), value, _VALUE_WANTED)
        else:
            yield Requirement(name, "In", frozenset((value,)))


def _expressions(nodes: Any, path: Path, *, key: re.Pattern[str]) -> Iterator[Requirement | Fault]:
    if not isinstance(nodes, list):
        yield Fault.at(path, nodes, "a list of {key, operator, values}")
        return
    for index, node in enumerate(nodes):
        yield from _expression(node, (*path, index), key=key)


def _expression(node: Any, path: Path, *, key: re.Pattern[str]) -> Iterator[Requirement | Fault]:
    if not isinstance(node, dict):
        yield Fault.at(path, node, "a map with key, operator and values")
        return
    name: Any = node.get("key")
    operator: Any = node.get("operator")
    values: Any = node.get("values")
    faults = [
        _stranger(field, path, "key, operator or values")
        for field, value in node.items()
        if field not in {"key", "operator", "values"} and value is not None
    ]
    if not (isinstance(name, str) and key.fullmatch(name)):
        faults.append(Fault.at((*path, "key"), name, _KEY_WANTED))
    match operator:
        case "In" | "NotIn":
            faults.extend(_value_faults(values, (*path, "values")))
        case "Exists" | "DoesNotExist":
            if values not in (None, []):
                faults.append(Fault.at((*path, "values"), values, f"absent beside {operator}"))
        case _:
            wanted = "In, NotIn, Exists or DoesNotExist"
            faults.append(Fault.at((*path, "operator"), operator, wanted))
    if faults:
        yield from faults
    else:
        yield Requirement(name, operator, frozenset(values or ()))


def _value_faults(values: Any, path: Path) -> Iterator[Fault]:
    if not isinstance(values, list) or not values:
        found = "empty" if values == [] else describe(values)
        yield Fault(path, found, "a list of at least one label value")
        return
    for index, value in enumerate(values):
        if not _is_label_value(value):
            yield Fault.at((*path, index), value, _VALUE_WANTED)


def _is_label_value(value: Any) -> bool:
    return isinstance(value, str) and _LABEL_VALUE.fullmatch(value) is not None


def _stranger(field: Any, path: Path, wanted: str) -> Fault:
    name = field if isinstance(field, str) else describe(field)
    return Fault((*path, name), "an unknown field", wanted)
