"""Pods, and the pods that workload templates would become.

Readers here are lenient: what is missing, null or of the wrong type reads as nothing. Wrong types
are the business of the rule `well-formed`, so no other rule has to look for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rules.model import CRON_JOB, JSON, POD, WORKLOADS, Path

TEMPLATE: Path = ("spec", "template")
JOB_TEMPLATE: Path = ("spec", "jobTemplate", "spec", "template")
_STRING = frozenset({str})
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")

TEMPLATES: Mapping[tuple[str, str], Path] = {
    (kind.group, kind.kind): JOB_TEMPLATE if kind is CRON_JOB else TEMPLATE for kind in WORKLOADS
}
"""Where each workload kind, by (group, kind), keeps its pod template."""


class Item(NamedTuple):
    """A map in a list, and its place."""

    path: Path
    value: Mapping[str, JSON]


Container = Item
"""A container and its place in the pod."""


class Pod(NamedTuple):
    """What rules ask of a pod, each read once."""

    spec: Mapping[str, JSON]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    """Init, ordinary and ephemeral ones, in that order."""

    @classmethod
    def of(cls, value: JSON) -> Pod:
        """The pod in a decoded object."""
        spec, metadata = mapping(value, "spec"), mapping(value, "metadata")
        return cls(
            spec,
            _strings(metadata.get("labels")),
            _strings(metadata.get("annotations")),
            tuple(c for key in CONTAINER_LISTS for c in items(spec, ("spec",), key)),
        )


def mapping(value: JSON, *steps: str) -> Mapping[str, JSON]:
    """The map at the end of the keys, or an empty one."""
    for step in steps:
        if not isinstance(value, dict):
            return {}
        value = value.get(step)
    return value if isinstance(value, dict) else {}


def labels_of(value: JSON) -> Mapping[str, str]:
    """The labels of an object or template."""
    return _strings(mapping(value, "metadata").get("labels"))


def annotations_of(value: JSON) -> Mapping[str, str]:
    """The annotations of an object or template."""
    return _strings(mapping(value, "metadata").get("annotations"))


def _strings(found: JSON) -> Mapping[str, str]:
    """The entries of a map that are strings."""
    if not isinstance(found, dict):
        return {}
    if _STRING.issuperset(map(type, found.values())):
        return found
    return {key: entry for key, entry in found.items() if isinstance(entry, str)}


def items(owner: Mapping[str, JSON], path: Path, key: str) -> list[Item]:
    """The maps in a list that is a field of `owner`, which stands at `path`."""
    found = owner.get(key)
    if not isinstance(found, list):
        return []
    return [
        Item((*path, key, index), value)
        for index, value in enumerate(found)
        if isinstance(value, dict)
    ]


def handlers(container: Container) -> Iterator[Item]:
    """The probes and lifecycle hooks of a container: what the kubelet does to it, and when."""
    path, value = container
    for key in PROBES:
        if key in value and (found := mapping(value, key)):
            yield Item((*path, key), found)
    if "lifecycle" in value:
        for key in HOOKS:
            if found := mapping(value, "lifecycle", key):
                yield Item((*path, "lifecycle", key), found)


def added(pod: JSON, former: JSON, key: str) -> Iterator[Item]:
    """The maps in a list of a pod's spec that are not in the former pod's; all, where none was."""
    known = mapping(former, "spec").get(key)
    for item in items(mapping(pod, "spec"), ("spec",), key):
        if not isinstance(known, list) or item.value not in known:
            yield item


def lift(workload: JSON, template: Path, namespace: str) -> tuple[JSON, Path]:
    """The pod that the template of a workload would become, and its place in the workload.

    It has the template's metadata and spec as they are; a template that is missing gives a pod
    that says nothing. Where a step of the way is of the wrong type, that value itself and its
    place are given, for `well-formed` to see.
    """
    value = workload
    for depth, step in enumerate(template):
        if not isinstance(value, dict):
            return value, template[:depth]
        value = value.get(str(step))
        if value is None:
            value = {}
    if not isinstance(value, dict):
        return value, template
    metadata = value.get("metadata")
    if metadata is None or isinstance(metadata, dict):
        metadata = (metadata or {}) | {"namespace": namespace}
    return value | {"apiVersion": "v1", "kind": POD.kind, "metadata": metadata}, template
