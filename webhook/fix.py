"""Fix to YAML: the smallest manifest, from the root, that shows what to change.

Maps show only what changes. An item of a list with a name shows its name beside that; any other
item is shown whole, since pasted in part it could allow more than before.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from rules.model import JSON, Fix, Operation, Path
from rules.patch import apply, lookup
from rules.words import place, quote
from webhook.yaml_writer import write_block

SECRETIVE = frozenset({"env", "data", "stringData"})
"""Keys below which values may be secret."""

MOST_VALUES = 200


def sketch(value: JSON, fix: Fix) -> list[str]:
    """The lines that show the fix of an object: YAML, and a comment for what is replaced.

    What would fill pages is left out. Raises Inapplicable where the fix has no place in the object.
    """
    patched = apply(value, fix.patch)
    removed = [f"# remove {place(o.path)}" for o in fix.patch if o.op == "remove"]
    kept = [operation for operation in fix.patch if operation.op != "remove"]
    if not kept:
        return removed
    notes: list[str] = []
    mark = f"was-{secrets.token_hex(8)}-"  # a tenant must not be able to write it
    for operation in kept:
        scalar = not isinstance(operation.value, dict | list)
        if operation.op == "replace" and scalar:
            secret = not SECRETIVE.isdisjoint(operation.path)
            was = "..." if secret else quote(lookup(value, operation.path))
            marked = Operation("replace", operation.path, f"{mark}{len(notes)}")
            notes.append(f"{quote(operation.value)}   # was {was}")
            patched = apply(patched, [marked])
    needed = _needed(patched, [operation.path for operation in kept])
    if _count(needed) > MOST_VALUES:
        return removed
    text = write_block(needed)
    text = re.sub(rf"{mark}(\d+)", lambda found: notes[int(found[1])], text)
    return [*text.rstrip("\n").split("\n"), *removed]


def _count(value: JSON) -> int:
    """How many values it holds."""
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def _needed(value: JSON, paths: list[Path]) -> JSON:
    """The part of the value that holds the paths."""
    if any(not path for path in paths):
        return value
    inner: dict[Any, list[Path]] = {}
    for path in paths:
        inner.setdefault(path[0], []).append(path[1:])
    if isinstance(value, dict):
        return {key: _needed(value[key], rest) for key, rest in inner.items()}
    return [_item(value[index], rest) for index, rest in sorted(inner.items())]


def _item(value: JSON, paths: list[Path]) -> JSON:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return {"name": value["name"]} | _needed(value, paths)
    return _hide(value)


def _hide(value: JSON, *, secret: bool = False) -> JSON:
    """The value without what may be a secret in it: the values of variables and data."""
    if isinstance(value, dict):
        return {
            key: _hide(inner, secret=secret or key in SECRETIVE) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, secret=secret) for item in value]
    return "..." if secret else value
