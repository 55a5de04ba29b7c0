"""What the tables of cases need of an API server: the kinds of Istio, objects, and rights.

The tenant has every right that RBAC can give: what refuses him is admission alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from rules.model import ISTIO, JSON, NAMESPACE
from tests.api_server.definitions import define, install, listed
from tests.cases.table import TABLES, read_cases, read_world
from tests.control_plane.cluster import ControlPlane

SERVED = [case for name in TABLES for case in read_cases(name) if case.is_served]
RIGHTS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "test-cases"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    },
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "owners"}],
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
MESH_CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio-shared-configmap-asm-1-28", "namespace": "aks-istio-system"},
}


@contextmanager
def staged(control_plane: ControlPlane) -> Iterator[None]:
    """The world of the cases, and what is stored before they change or delete it.

    Only what was not there before is taken away again.
    """
    stored = [case.old for case in SERVED if case.old is not None]
    objects = {_name(value): value for value in (*stored, *read_world(), RIGHTS, NODE, MESH_CONFIG)}
    definitions = [define(kind) for kind in ISTIO]
    made = list(definitions)
    try:
        install(control_plane, definitions)
        present = control_plane.kubectl(
            *("get", "-f", "-", "--ignore-not-found", "-o", "json"), stdin=listed(objects.values())
        )
        there = {_name(value) for value in json.loads(present.stdout or '{"items": []}')["items"]}
        made += [value for name, value in objects.items() if name not in there]
        for value in made:
            if value["kind"] == NAMESPACE.kind:
                metadata = value["metadata"]
                control_plane.create_namespace(metadata["name"], labels=metadata.get("labels"))
        control_plane.apply(listed([v for v in made if v["kind"] != NAMESPACE.kind]))
        yield
    finally:
        gone = ("delete", "-f", "-", "--ignore-not-found", "--wait=false")
        control_plane.kubectl(*gone, stdin=listed(made[::-1]), check=False)


def _name(value: JSON) -> tuple[str, str, str]:
    return value["kind"], value["metadata"].get("namespace", ""), value["metadata"]["name"]
