"""Which requests the API server sends us: match rules, selectors and match conditions, for real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from rules.model import (
    BINDING,
    CONFIG_MAP,
    JSON,
    NAMESPACE,
    PEER_AUTHENTICATION,
    POD,
    RUNTIME_CLASS,
    SERVICE,
    STORAGE_CLASS,
    Kind,
)
from tests.api_server.cases.requests import Place, send, stored
from tests.api_server.doors import calls_during
from tests.cases.table import PEOPLE, merge
from tests.control_plane.cluster import ControlPlane

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

SECRET = Kind("", "Secret", "secrets")
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "resized"}}
ROOT, SHARED = "aks-istio-system", "istio-shared-configmap-asm-1-28"
SCHEDULER = {"username": "system:kube-scheduler", "groups": ["system:authenticated"]}
_RESIZED = Place(POD, "resized", "t")
_STATUS = Place(POD, "resized", "t", "status")
_TENANT = Place(NAMESPACE, "t")
_LABELLED: JSON = {"metadata": {"labels": {"team": "a"}}}
_ANNOTATED: JSON = {"metadata": {"annotations": {"team": "a"}}}


class Case(NamedTuple):
    """A request, and the entries of our configurations that are called for it.

    `change`: of what is stored at the place; without it, `value` is created, and without both the
    object (or the collection) is deleted.
    """

    about: str
    place: Place
    sent: set[str]
    value: JSON = None
    change: JSON = None
    asker: JSON = PEOPLE["developer"]


def _new(kind: Kind, name: str, namespace: str = "", **fields: JSON) -> tuple[Place, JSON]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    named = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return Place(kind, "", namespace), named | fields


def _create(about: str, made: tuple[Place, JSON], *sent: str) -> Case:
    return Case(about, made[0], set(sent), made[1])


_BOUND = _new(BINDING, "resized", "t", target={"kind": "Node", "name": "n1"})
_BARE = {"containers": [{"name": "a", "image": "registry.example/app:1"}]}
_PORT = {"ports": [{"port": 80}]}
CASES = [
    Case("a kubelet reports", _STATUS, set(), change={"status": {"phase": "Running"}}),
    Case("labels by the status", _STATUS, {"pod-status.validate"}, change=_LABELLED),
    Case("annotations by the status", _STATUS, {"pod-status.validate"}, change=_ANNOTATED),
    Case("a label of a pod", _RESIZED, {"pods.validate"}, change=_LABELLED),
    Case("a pod is deleted", _RESIZED, set()),
    Case("a pod is evicted", Place(POD, "resized", "t", "eviction"), set(), EVICTION),
    _create("a pod", _new(POD, "a", "t", spec=_BARE), "pods.mutate", "pods.validate"),
    _create("a pod of the platform", _new(POD, "a", "kube-system", spec=_BARE)),
    Case(
        "the scheduler binds a pod",
        Place(POD, "resized", "t", "binding"), set(), _BOUND[1], asker=SCHEDULER,
    ),
    Case(
        "somebody binds a pod",
        Place(POD, "resized", "t", "binding"), {"bindings.validate"}, _BOUND[1],
    ),
    _create("the old way to bind", _BOUND, "bindings.validate"),
    Case(
        "the namespace controller finalizes",
        Place(NAMESPACE, "t", "", "finalize"), set(), change={"spec": {"finalizers": []}},
    ),
    Case(
        "the namespace controller reports",
        Place(NAMESPACE, "t", "", "status"), set(), change={"status": {"phase": "Active"}},
    ),
    Case("a label of a namespace", _TENANT, {"namespaces.validate"}, change=_LABELLED),
    Case("an annotation of a namespace", _TENANT, {"namespaces.validate"}, change=_ANNOTATED),
    Case(
        "a label by finalize",
        Place(NAMESPACE, "t", "", "finalize"), {"namespaces.validate"}, change=_LABELLED,
    ),
    Case("a namespace is deleted", _TENANT, {"namespaces.validate"}),
    _create("a namespace", _new(NAMESPACE, "new"), "namespaces.mutate", "namespaces.validate"),
    _create("the mesh configuration", _new(CONFIG_MAP, SHARED, ROOT), "mesh-config.validate"),
    Case("all of that namespace go", Place(CONFIG_MAP, "", ROOT), {"mesh-config.validate"}),
    _create("a lock of istiod", _new(CONFIG_MAP, "istio-leader", ROOT)),
    _create("a name like the mesh configuration's", _new(CONFIG_MAP, SHARED, "t")),
    _create("a policy in the root of the mesh", _new(PEER_AUTHENTICATION, "a", ROOT),
            "istio.validate"),
    Case(
        "a policy of the platform goes",
        Place(PEER_AUTHENTICATION, "strict-mtls", ROOT), {"istio.validate"},
    ),
    _create("a service", _new(SERVICE, "a", "t", spec=_PORT), "services.validate"),
    _create("a service of the platform", _new(SERVICE, "a", "kube-system", spec=_PORT)),
    Case("a runtime class is deleted", Place(RUNTIME_CLASS, "runc"), {"runtimeclasses.validate"}),
    _create(
        "a storage class",
        _new(STORAGE_CLASS, "a", provisioner="kubernetes.io/no-provisioner"),
        "storageclasses.validate",
    ),
    _create("a secret", _new(SECRET, "a", "t")),
]  # fmt: skip


def test_what_no_rule_reads_is_not_sent(world: ControlPlane) -> None:
    silent = [case for case in CASES if not case.sent]
    assert calls_during(world, lambda: _send_all(world, silent)) == Counter()


def test_what_a_rule_reads_is_sent_once(world: ControlPlane) -> None:
    """No request calls an entry twice, so that sums which agree agree for each."""
    wanted = Counter(f"{name}.sallyport.dev" for case in CASES for name in case.sent)
    asked = [case for case in CASES if case.sent]
    assert calls_during(world, lambda: _send_all(world, asked)) == wanted


def _send_all(world: ControlPlane, cases: Iterable[Case]) -> None:
    for case in cases:
        path = case.place.path
        if case.change is not None:
            old = stored(world, case.place._replace(subresource=""))
            send(world, "replace", path, merge(old, case.change), asker=case.asker)
        elif case.value is not None:
            send(world, "create", path, case.value, asker=case.asker)
        else:
            send(world, "delete", path, asker=case.asker)
