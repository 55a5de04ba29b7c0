"""The shape that an object must have where rules read it: types, not values.

A shape is written as the object looks: a map of fields, a list of one shape, `{str: str}` for maps
with free keys, or the type of a leaf. What a shape does not name may be anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rules.model import JSON, Path

Shape = Any

WORDS = {dict: "a map", list: "a list", str: "a string", bool: "true or false", int: "an integer"}


class Fault(NamedTuple):
    """A value of the wrong type: where, what is, what must be in words."""

    path: Path
    found: JSON
    wanted: str


def fits(value: JSON, shape: Shape) -> bool:  # noqa: PLR0911  # a case each
    """Whether the value is of the shape: the quick question, asked of every object."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        if str in shape:
            leaf = shape[str]
            for found in value.values():
                if type(found) is not leaf and found is not None:
                    return False
            return True
        for key, inner in shape.items():
            found = value.get(key)
            if found is not None and type(found) is not inner and not fits(found, inner):
                return False
        return True
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    return type(value) is shape


def faults(value: JSON, shape: Shape, path: Path = ()) -> Iterator[Fault]:
    """Every place where the value is not of the shape. Null counts as absent, but not in lists."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield Fault(path, value, WORDS[dict])
        elif str in shape:
            yield from _free_keys(value, shape[str], path)
        else:
            for key, inner in shape.items():
                found = value.get(key)
                if found is not None:
                    yield from faults(found, inner, (*path, key))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield Fault(path, value, WORDS[list])
        else:
            for index, item in enumerate(value):
                yield from faults(item, shape[0], (*path, index))
    elif type(value) is not shape:  # bool is an int to isinstance, and 1 is no boolean
        yield Fault(path, value, WORDS[shape])


def _free_keys(value: dict[str, JSON], inner: Shape, path: Path) -> Iterator[Fault]:
    for key, found in value.items():
        if found is not None and type(found) is not inner:
            yield Fault((*path, key), found, WORDS[inner])
