"""Lenient readers of decoded objects: what is missing, or of the wrong type, reads as nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any, TypeGuard

JSON = Mapping[str, Any]


def mapping(value: Any, *keys: str) -> JSON:
    """The map at the end of the keys."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: JSON, key: str) -> str:
    """The string in a field."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def listed(value: JSON, key: str) -> list[Any]:
    """The list in a field."""
    found = value.get(key)
    return found if isinstance(found, list) else []


def maps(value: JSON, key: str) -> Iterator[JSON]:
    """The maps in the list in a field."""
    return (each for each in listed(value, key) if isinstance(each, dict))


def strings(value: Any) -> Mapping[str, str]:
    """The entries of a map that are strings."""
    entries = value.items() if isinstance(value, dict) else ()
    return {key: each for key, each in entries if isinstance(key, str) and isinstance(each, str)}


def name_of(value: Any) -> str:
    """The name of an object."""
    return text(mapping(value, "metadata"), "name")


def namespace_of(value: Any, default: str) -> str:
    """The namespace that an object states, else the default."""
    return text(mapping(value, "metadata"), "namespace") or default


def labels_of(value: Any) -> Mapping[str, str]:
    """The labels of an object or template."""
    return strings(mapping(value, "metadata").get("labels"))


def is_order(value: Any) -> TypeGuard[float]:
    """Whether something can be put in order by it: a number, and neither a boolean nor NaN."""
    return type(value) is int or (isinstance(value, float) and not isnan(value))
