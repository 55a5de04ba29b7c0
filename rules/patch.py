"""JSON patches (RFC 6902) as values: apply, write, move into a template.

Operations are built by hand, never by comparing two objects: a diff of lists is correct and
unreadable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.model import JSON, Operation, Path
from rules.words import place


class Inapplicable(ValueError):
    """An operation has no place in the object it was made for."""


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901): `~` and `/` in keys are escaped."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def encode(operations: Iterable[Operation]) -> list[JSON]:
    """The operations as RFC 6902 JSON."""
    return [
        {"op": operation.op, "path": pointer(operation.path)}
        | ({} if operation.op == "remove" else {"value": operation.value})
        for operation in operations
    ]


def prefix(operations: Iterable[Operation], root: Path) -> tuple[Operation, ...]:
    """The operations on a part of an object, as operations on the whole."""
    return tuple(Operation(o.op, root + o.path, o.value) for o in operations)


def lookup(value: JSON, path: Path) -> JSON:
    """What stands at the path; None where nothing does or a step is of the wrong type."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def set_field(value: JSON, path: Path, new: JSON) -> tuple[Operation, ...]:
    """The smallest operations that set the field at `path`, its parents made where missing.

    Steps that are missing are taken as map keys. What is null or an empty text is left open, so
    setting it is an `add`.
    """
    for depth in range(1, len(path)):
        if lookup(value, path[:depth]) is None:
            for step in reversed(path[depth:]):
                new = {step: new}
            return (Operation("add", path[:depth], new),)
    return (Operation("add" if is_open(value, path) else "replace", path, new),)


def compose(value: JSON, operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations as one patch, where several may add to a parent that was missing.

    Each was made for the value as it is. A map added where an earlier one already put a map is
    added key by key.
    """
    composed: list[Operation] = []
    for operation in operations:
        for step in _spread(value, operation):
            value = apply(value, (step,))
            composed.append(step)
    return tuple(composed)


def _spread(value: JSON, operation: Operation) -> Iterator[Operation]:
    present = lookup(value, operation.path)
    if operation.op == "add" and isinstance(present, dict) and isinstance(operation.value, dict):
        for key, inner in operation.value.items():
            yield from _spread(value, Operation("add", (*operation.path, key), inner))
    else:
        yield operation


def is_open(value: JSON, path: Path) -> bool:
    """Whether the author left the field open: absent, null or an empty text."""
    stated = lookup(value, path)
    return stated is None or stated == ""


def apply(value: JSON, operations: Iterable[Operation]) -> JSON:
    """The patched value; what is not on the way to a change is shared with the old one.

    Raises Inapplicable where a parent is missing or of the wrong type.
    """
    for operation in operations:
        value = _step(value, operation, 0)
    return value


def _step(value: JSON, operation: Operation, depth: int) -> JSON:
    path = operation.path
    if depth == len(path):
        return operation.value
    step = path[depth]
    last = depth == len(path) - 1
    if isinstance(value, dict) and isinstance(step, str):
        if not last or operation.op != "add":
            _require(step in value, operation)
        changed = dict(value)
        if last and operation.op == "remove":
            del changed[step]
        else:
            changed[step] = _step(value.get(step), operation, depth + 1)
        return changed
    if isinstance(value, list) and isinstance(step, int):
        growing = last and operation.op == "add"
        _require(0 <= step < len(value) + growing, operation)
        if growing:
            return [*value[:step], operation.value, *value[step:]]
        if last and operation.op == "remove":
            return [*value[:step], *value[step + 1 :]]
        return [*value[:step], _step(value[step], operation, depth + 1), *value[step + 1 :]]
    raise Inapplicable(f"{operation.op} {place(path)}: no map or list stands at its parent")


def _require(condition: bool, operation: Operation) -> None:  # noqa: FBT001  # an assertion
    if not condition:
        raise Inapplicable(f"{operation.op} {place(operation.path)}: nothing stands there")
