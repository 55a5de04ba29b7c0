"""Kinds that somebody installs, as small definitions of our own: names, versions, no schema."""

from __future__ import annotations

import json
from collections.abc import Collection

from rules.model import JSON, Kind
from tests.control_plane.cluster import ControlPlane

_OLDER = {"v1": ["v1beta1"]}  # as Istio serves them


def define(kind: Kind) -> JSON:
    """Stands for the definition of the kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    older = _OLDER.get(kind.version, []) if kind.group.endswith("istio.io") else []
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == kind.version,
            "schema": {"openAPIV3Schema": schema},
        }
        for version in (kind.version, *older)
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.resource}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.resource},
            "versions": versions,
        },
    }


def install(control_plane: ControlPlane, definitions: Collection[JSON]) -> None:
    """Return when the API server has the kinds."""
    control_plane.apply(listed(definitions))
    names = [f"crd/{value['metadata']['name']}" for value in definitions]
    control_plane.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")


def listed(objects: Collection[JSON]) -> str:
    """Several objects as one text."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
