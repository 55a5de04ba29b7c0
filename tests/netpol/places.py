"""Every place of a decoded object, and the object with something else at one of them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from rules.selectors import Path


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Where something stands."""
    yield path
    items = node.items() if isinstance(node, dict) else ()
    for key, value in enumerate(node) if isinstance(node, list) else items:
        yield from places(value, (*path, key))


def with_value(node: Any, path: Path, value: Any) -> Any:
    """The object with another value at the place."""
    if not path:
        return value
    changed = deepcopy(node)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed
