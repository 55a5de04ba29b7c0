"""The parts that policy languages have in common, read off decoded objects.

What cannot be read is an Unknown in its place; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, TypeGuard, TypeVar

from rules.netpol.fields import name_of, namespace_of
from rules.netpol.model import Consequence, Origin, Unknown
from rules.netpol.sets import FIRST_PORT, LAST_PORT, Addresses, InvalidSet
from rules.selectors import EVERYTHING, InvalidSelector, LabelSelector, Path, describe

_Read = TypeVar("_Read")
UNKNOWN_FIELD = "an unknown field"


def split(read: Iterable[_Read | Unknown]) -> tuple[tuple[_Read, ...], tuple[Unknown, ...]]:
    """What could be read, and what could not."""
    items: list[_Read] = []
    unknowns: list[Unknown] = []
    for item in read:
        if isinstance(item, Unknown):
            unknowns.append(item)
        else:
            items.append(item)
    return tuple(items), tuple(unknowns)


def origin_of(node: Any, group: str, kind: str, namespace: str) -> Origin:
    """Which object it is; `namespace` is where it lies if it does not say, "" if in none."""
    return Origin(group, kind, namespace and namespace_of(node, namespace), name_of(node))


def head_faults(node: Any, what: str) -> Iterator[Unknown]:
    """What keeps an object from being looked into at all, and names that are no names."""
    if not isinstance(node, dict):
        yield Unknown((), describe(node), what)
        return
    for field in ("metadata", "spec"):
        value = node.get(field)
        if value is not None and not isinstance(value, dict):
            yield Unknown((field,), describe(value), "a map")
    metadata = node.get("metadata")
    for field in ("namespace", "name"):
        value = metadata.get(field) if isinstance(metadata, dict) else None
        if value is not None and not isinstance(value, str):
            yield Unknown(("metadata", field), describe(value), "a string")


def strangers(node: Mapping[Any, Any], known: tuple[str, ...], path: Path) -> Iterator[Unknown]:
    """Fields that the API does not have. kubectl refuses them, the API server cuts them off."""
    for field, value in node.items():
        if field not in known and value is not None:
            name = field if isinstance(field, str) else describe(field)
            wanted = f"one of {', '.join(known)}"
            yield Unknown((*path, name), UNKNOWN_FIELD, wanted, "as-read")


def nulls(node: Mapping[Any, Any], path: Path, known: tuple[str, ...]) -> Iterator[Unknown]:
    """Fields that are null, where a schema knows no null: the API server refuses the object."""
    for field in known:
        if field in node and node[field] is None:
            yield Unknown((*path, field), "null", "absent, or not null")


def only_field(
    node: Any, path: Path, fields: tuple[str, ...]
) -> Generator[Unknown, None, str | None]:
    """Which one of the fields a map has; None, said as an Unknown, where it is not exactly one."""
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), f"a map with one of {', '.join(fields)}")
        return None
    yield from strangers(node, fields, path)
    stated = [field for field in fields if node.get(field) is not None]
    if len(stated) != 1:
        found = " and ".join(stated) or "empty"
        yield Unknown(path, found, f"a map with exactly one of {', '.join(fields)}")
        return None
    return stated[0]


def read_selector(
    node: Any, path: Path, consequence: Consequence = "refused"
) -> tuple[LabelSelector, tuple[Unknown, ...]]:
    """A label selector; an absent or unreadable one is read as the one that matches everything."""
    if node is None:
        return EVERYTHING, ()
    try:
        return LabelSelector.parse(node, path), ()
    except InvalidSelector as error:
        faults = error.faults
        return EVERYTHING, tuple(
            Unknown(each.path, each.found, each.wanted, consequence) for each in faults
        )


def read_network(node: Any, path: Path) -> Addresses | Unknown:
    """A network in CIDR notation."""
    try:
        return Addresses.cidr(node if isinstance(node, str) else "")
    except InvalidSet as error:
        return Unknown(path, describe(node), error.wanted)


def is_port(value: Any) -> TypeGuard[int]:
    """Whether it is the number of a port; a boolean is an int to Python, not to Kubernetes."""
    return type(value) is int and FIRST_PORT <= value <= LAST_PORT


def size(node: Any) -> int:
    """How many values it holds: what is too much to be judged while somebody waits."""
    found, seen = 0, [node]
    for value in seen:  # which grows on the way
        if isinstance(value, dict | list):
            found += len(value)
            seen += value.values() if isinstance(value, dict) else value
    return found
