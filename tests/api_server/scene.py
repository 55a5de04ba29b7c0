"""What the tables of cases need of an API server: the kinds of Istio, objects, and rights.

The tenant has every right that RBAC can give: what refuses him is admission alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rules.model import ISTIO, JSON, NAMESPACE, Kind
from tests.cases.table import Case, read_world
from tests.control_plane.cluster import ControlPlane

RIGHTS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "test-cases"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    },
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer"}],
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
_OLDER = {"v1": ["v1beta1"]}


@contextmanager
def staged(control_plane: ControlPlane, cases: Sequence[Case]) -> Iterator[None]:
    """The world of the cases, and what is stored before they change or delete it.

    Only what was not there before is taken away again.
    """
    stored = [case.old for case in cases if case.old is not None]
    objects = {_name(value): value for value in (*stored, *read_world(), RIGHTS, NODE)}
    definitions = [_define(kind) for kind in ISTIO]
    made = [*definitions, *_absent(control_plane, list(objects.values()))]
    try:
        control_plane.apply(_list(definitions))
        names = [f"crd/{value['metadata']['name']}" for value in definitions]
        control_plane.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
        for value in made:
            if value["kind"] == NAMESPACE.kind:
                metadata = value["metadata"]
                control_plane.create_namespace(metadata["name"], labels=metadata.get("labels"))
        control_plane.apply(_list([v for v in made if v["kind"] != NAMESPACE.kind]))
        yield
    finally:
        gone = ("delete", "-f", "-", "--ignore-not-found", "--wait=false")
        control_plane.kubectl(*gone, stdin=_list(made[::-1]), check=False)


def _absent(control_plane: ControlPlane, objects: Sequence[JSON]) -> list[JSON]:
    """Those of the objects that are not there; of a kind that is yet to be defined all are."""
    missing = []
    for value in objects:
        words = ("get", f"{value['kind']}/{value['metadata']['name']}")
        namespace = value["metadata"].get("namespace", "default")
        if control_plane.kubectl(*words, "--namespace", namespace, check=False).returncode:
            missing.append(value)
    return missing


def _name(value: JSON) -> tuple[str, str, str]:
    return value["kind"], value["metadata"].get("namespace", ""), value["metadata"]["name"]


def _list(objects: Sequence[JSON]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _define(kind: Kind) -> JSON:
    """Stands for the definition of Istio 1.28: its names and versions, and no schema at all."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == kind.version,
            "schema": {"openAPIV3Schema": schema},
        }
        for version in (kind.version, *_OLDER.get(kind.version, ()))
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.resource}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.resource},
            "versions": versions,
        },
    }
