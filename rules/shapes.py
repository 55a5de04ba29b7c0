"""The shape that an object must have where rules read it: types, not values.

A shape is written as the object looks: a map of fields, a list of one shape, `{str: str}` for maps
with free keys, or the type of a leaf; `dict` is a map that is read whole, and `object` is anything.
What a shape does not name may be anything, too: no rule reads it that is declared as `shaped`, and
where all are, the server does not even decode it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from rules.model import (
    ADDRESS_SETS,
    BINDING,
    CALICO_STAGED,
    CILIUM_POLICIES,
    CONFIG_MAP,
    ISTIO,
    JSON,
    NAMESPACE,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME,
    POD,
    RUNTIME_CLASS,
    SECRET_PROVIDER_CLASS,
    SERVICE,
    STORAGE_CLASS,
    TIERS,
    WORKLOADS,
    Finding,
    Kind,
    Path,
)
from rules.pods import CONTAINER_LISTS, HOOKS, PROBES, TEMPLATES
from rules.words import kind_of, quote

Shape = Any
_Made = TypeVar("_Made")

_METADATA = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "labels": {str: str},
    "annotations": {str: str},
}
VOLUME_SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "csi",
    "downwardAPI", "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk",
    "gitRepo", "glusterfs", "hostPath", "image", "iscsi", "nfs", "persistentVolumeClaim",
    "photonPersistentDisk", "portworxVolume", "projected", "quobyte", "rbd", "scaleIO", "secret",
    "storageos", "vsphereVolume",
)  # fmt: skip
"""All that a volume of a pod can come from, as of Kubernetes 1.36."""

_USER = {
    "runAsUser": int,
    "runAsGroup": int,
    "runAsNonRoot": bool,
    "windowsOptions": {"hostProcess": bool},
}
_RESOURCES = {"limits": dict, "requests": dict}
_HANDLER = {"httpGet": {"host": str}, "tcpSocket": {"host": str}, "exec": {"command": [str]}}
_CONTAINER = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "envFrom": [dict],
    "env": [{"name": str, "value": str, "valueFrom": dict}],
    "restartPolicy": str,
    "ports": [{"name": str, "hostPort": int, "containerPort": int, "protocol": str}],
    "resources": _RESOURCES,
    "securityContext": {
        **_USER,
        "allowPrivilegeEscalation": bool,
        "privileged": bool,
        "procMount": str,
        "capabilities": {"add": [str], "drop": [str]},
    },
    **dict.fromkeys(PROBES, _HANDLER),
    "lifecycle": dict.fromkeys(HOOKS, _HANDLER),
    "volumeMounts": [{"name": str, "mountPath": str, "subPath": str, "subPathExpr": str}],
    "volumeDevices": [dict],
}
_POD = {
    "metadata": _METADATA,
    "spec": {
        "hostAliases": [{"ip": str, "hostnames": [str]}],
        "hostIPC": bool,
        "hostNetwork": bool,
        "hostPID": bool,
        "nodeName": str,
        "nodeSelector": {str: str},
        "os": {"name": str},
        "resourceClaims": [dict],
        "resources": _RESOURCES,
        "runtimeClassName": object,
        "serviceAccountName": str,
        "securityContext": {**_USER, "fsGroup": int, "supplementalGroups": [int]},
        "shareProcessNamespace": bool,
        "tolerations": [{"key": str, "operator": str}],
        "volumes": [
            {"name": str, **dict.fromkeys(VOLUME_SOURCES, dict), "csi": {"driver": str}},
        ],
        **{containers: [_CONTAINER] for containers in CONTAINER_LISTS},
    },
}


def _workload(kind: Kind) -> Shape:
    shape: Shape = _POD
    for step in reversed(TEMPLATES[kind.group, kind.kind]):
        shape = {step: shape}
    return {"metadata": _METADATA, **shape}


SHAPES: Mapping[str, Shape] = {
    POD.kind: _POD,
    **{kind.kind: _workload(kind) for kind in WORKLOADS},
    BINDING.kind: {"metadata": _METADATA},
    **{
        kind.kind: {"metadata": _METADATA, "spec": dict}
        for kind in (*NETWORK_POLICIES, *CALICO_STAGED)
    },
    **{
        kind.kind: {
            "metadata": _METADATA,
            "spec": {"nets": [str], "externalCIDRs": [str], "allowedEgressDomains": [str]},
        }
        for kind in ADDRESS_SETS
    },
    **{
        kind.kind: {"metadata": _METADATA, "spec": {"defaultAction": str, "order": object}}
        for kind in TIERS
    },
    **{
        kind.kind: {"metadata": _METADATA, "spec": dict, "specs": [dict]}
        for kind in CILIUM_POLICIES
    },
    NAMESPACE.kind: {"metadata": _METADATA},
    SERVICE.kind: {
        "metadata": _METADATA,
        "spec": {"externalIPs": [str]},
        "status": {"loadBalancer": dict},
    },
    RUNTIME_CLASS.kind: {"metadata": _METADATA, "handler": str},
    PERSISTENT_VOLUME.kind: {
        "metadata": _METADATA,
        "spec": {"hostPath": dict, "local": dict, "csi": {"driver": str}},
    },
    STORAGE_CLASS.kind: {"metadata": _METADATA, "provisioner": str},
    SECRET_PROVIDER_CLASS.kind: {"metadata": _METADATA, "spec": {"parameters": {str: str}}},
    **{kind.kind: {"metadata": _METADATA, "spec": dict} for kind in ISTIO},
    CONFIG_MAP.kind: {"metadata": _METADATA},
}
"""What `shaped` rules read of an object, by its kind."""

WORDS = {dict: "a map", list: "a list", str: "a string", bool: "true or false", int: "an integer"}


class Fault(NamedTuple):
    """A value of the wrong type: where, what is, what must be in words."""

    path: Path
    found: JSON
    wanted: str


def once_per_shape(make: Callable[[Shape], _Made]) -> Callable[[Shape], _Made]:
    """What is made of a shape is made once: workloads share the shape of their pods."""
    made: dict[int, tuple[Shape, _Made]] = {}

    def of(shape: Shape) -> _Made:
        known = made.get(id(shape))
        if known is None:
            known = made[id(shape)] = shape, make(shape)  # kept, so that the id stays its own
        return known[1]

    return of


@once_per_shape
def matcher(shape: Shape) -> Callable[[JSON], bool]:
    """Asks whether a value is of this shape: the quick question, put to every object."""
    if isinstance(shape, list):
        item = matcher(shape[0])
        return lambda value: type(value) is list and all(map(item, value))
    if not isinstance(shape, dict):
        return lambda value: shape is object or type(value) is shape
    if str in shape:
        allowed = frozenset({shape[str], type(None)})
        return lambda value: type(value) is dict and allowed.issuperset(map(type, value.values()))
    fields = [
        (key, inner if isinstance(inner, type) else None, matcher(inner))
        for key, inner in shape.items()
        if inner is not object
    ]
    return partial(_has_fields, fields)


def _has_fields(fields: list[tuple[str, type | None, Callable[[JSON], bool]]], value: JSON) -> bool:
    if not isinstance(value, dict):
        return False
    get = value.get
    for key, leaf, matches in fields:
        found = get(key)
        if found is not None and type(found) is not leaf and not matches(found):
            return False
    return True


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
    elif shape is not object and type(value) is not shape:  # to isinstance a bool is an int
        yield Fault(path, value, WORDS[shape])


def misshapen(value: JSON, shape: Shape, check: str, path: Path = ()) -> Iterator[Finding]:
    """A Finding for each wrong type, for rules that read more than the table of shapes names."""
    for where, found, wanted in faults(value, shape, path):
        shown = quote(found) if isinstance(found, str | int) else kind_of(found)
        message = f"is {shown}; it must be {wanted}"
        yield Finding(check=check, path=where, message=message, found=found)


def _free_keys(value: dict[str, JSON], inner: Shape, path: Path) -> Iterator[Fault]:
    for key, found in value.items():
        if found is not None and type(found) is not inner:
            yield Fault((*path, key), found, WORDS[inner])
