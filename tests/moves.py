"""Examples asked for elsewhere: in another kind, operation, subresource or list of containers.

What a rule refuses in one place must not pass in another, so its examples are carried there: by
the laws, by the coverage page and by the search for bypasses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from rules.model import BINDING, JSON, POD, PODS, WORKLOADS, Kind, OperationName, Path, Rule
from rules.patch import lookup
from rules.pods import TEMPLATES, Pod, mapping
from tests.examples import Example, kind_of

Seat = Literal["initContainers", "sidecars", "containers", "ephemeralContainers"]
SEATS: tuple[Seat, ...] = ("initContainers", "sidecars", "containers", "ephemeralContainers")
"""Where a container can be in a pod; a sidecar is an init container that keeps running."""
DEBUGGING = "ephemeralcontainers"
REFUSED: frozenset[str | int] = frozenset(
    {"lifecycle", "livenessProbe", "ports", "readinessProbe", "resources", "startupProbe"}
)
"""Fields that the API server refuses in an ephemeral container."""
REFUSED_IN_MOUNTS: frozenset[str | int] = frozenset({"subPath", "subPathExpr"})
_POD_KINDS = frozenset(kind.kind for kind in (*PODS, BINDING))


def is_liftable(rule: Rule, example: Example) -> bool:
    """Whether the example holds in templates, too: a bare pod that is created."""
    return (
        rule.lift is True
        and isinstance(example.object, dict)
        and example.object.get("kind") == POD.kind
        and example.operation == "CREATE"
        and not example.subresource
        and "ephemeralContainers" not in (example.object.get("spec") or {})
    )


def lifted(example: Example, kind: Kind) -> Example:
    """The same pod as the template of a workload."""
    pod = {key: value for key, value in example.object.items() if key in {"metadata", "spec"}}
    workload: JSON = pod
    for step in reversed(TEMPLATES[kind.group, kind.kind]):
        workload = {step: workload}
    return replace(example, object={"kind": kind.kind, **workload})


def carried(
    rule: Rule, example: Example, kind: Kind, subresource: str, operation: OperationName
) -> Iterator[Example]:
    """The example in this kind and subresource, by this operation; nothing where it cannot be."""
    if subresource == DEBUGGING and not example.subresource:
        yield from _debugging(example, operation)
        return
    for there in _of_kind(rule, example, kind):
        through = replace(there, subresource=subresource)
        if operation == there.operation:
            yield through
        elif there.operation == "CREATE" and operation == "UPDATE":
            yield replace(through, operation=operation, old=_bare(there.object))
        elif there.operation != "DELETE" and operation == "DELETE":
            yield replace(through, operation=operation, object=None, old=there.object)


def _of_kind(rule: Rule, example: Example, kind: Kind) -> Iterator[Example]:
    stated = (example.object or example.old)["kind"]
    if kind_of(example.object or example.old) is kind or (stated == BINDING.kind and kind is POD):
        yield example
    elif kind in WORKLOADS and is_liftable(rule, example):
        yield lifted(example, kind)
    elif kind not in PODS and stated not in _POD_KINDS:
        named = {"kind": kind.kind, "apiVersion": kind.api_version}
        old, new = (found and {**found, **named} for found in (example.old, example.object))
        yield replace(example, object=new, old=old)


def _debugging(example: Example, operation: OperationName) -> Iterator[Example]:
    """The first container of a new pod, added to debug a running one."""
    first = next(iter(Pod.of(example.object).containers), None)
    if first is not None and operation == "UPDATE" and example.operation == "CREATE":
        yield seated(example, first.path, "ephemeralContainers")[0]


def _bare(value: JSON) -> JSON:
    """An object of the same kind and name that says nothing."""
    metadata = mapping(value, "metadata")
    named = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    kept = {key: value[key] for key in ("apiVersion", "kind") if key in value}
    return {**kept, "metadata": named}


def seated(example: Example, container: Path, seat: Seat) -> tuple[Example, Path]:
    """The example with this container of its pod somewhere else, and its place there.

    Of a change the stored pod has it there, too. An ephemeral container is not part of a new pod:
    it is added to one that stands.
    """
    if seat == "ephemeralContainers":
        standing, _ = _without(example.object, container)
        pod, place = _moved(example.object, container, seat)
        added = replace(example, object=pod, operation="UPDATE", subresource=DEBUGGING)
        return replace(added, old=standing), place
    pod, place = _moved(example.object, container, seat)
    if example.operation == "UPDATE":
        return replace(example, object=pod, old=_moved(example.old, container, seat)[0]), place
    return replace(example, object=pod), place


def _moved(pod: JSON, container: Path, seat: Seat) -> tuple[JSON, Path]:
    target = "initContainers" if seat == "sidecars" else seat
    left, moved = _without(pod, container)
    moved.pop("restartPolicy", None)
    if seat == "sidecars":
        moved["restartPolicy"] = "Always"
    if seat == "ephemeralContainers":
        moved.setdefault("name", "debugger")
    listed = left["spec"].setdefault(target, [])
    listed.append(moved)
    return left, ("spec", target, len(listed) - 1)


def _without(pod: JSON, container: Path) -> tuple[JSON, JSON]:
    """A copy of the pod without this container, and that."""
    _, among, index = container
    left = copy.deepcopy(pod)
    return left, left["spec"][among].pop(index)


def seat_of(pod: JSON, container: Path) -> Seat:
    """Where the container at this place is."""
    among = container[1]
    if among == "initContainers" and lookup(pod, (*container, "restartPolicy")) == "Always":
        return "sidecars"
    return next(seat for seat in SEATS if seat == among)


def is_refused(field: Path, seat: Seat) -> bool:
    """Whether the API server refuses this field, below the container, in such a container."""
    refused = not REFUSED.isdisjoint(field[:1]) or not REFUSED_IN_MOUNTS.isdisjoint(field[-1:])
    return seat == "ephemeralContainers" and refused
