"""What owners of namespaces type: new namespaces, debugging a node, shared settings."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from rules.model import JSON
from tests.api_server.people import Answer, Person
from tests.cases.table import PEOPLE
from tests.control_plane.cluster import ControlPlane

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

OWNER = ("--as=developer", *(f"--as-group={group}" for group in PEOPLE["developer"]["groups"]))


@pytest.fixture
def fresh(admin: Person) -> Iterator[str]:
    """The name of a namespace that is yet to be made, and is gone afterwards."""
    name = f"fresh-{secrets.token_hex(4)}"
    yield name
    admin.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def _create(admin: Person, name: str, *flags: str, **metadata: JSON) -> Answer:
    """A namespace, made by its owner, or by whom the flags say."""
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
    return admin.create(value, flags=flags or OWNER)


def test_a_new_namespace_joins_the_mesh(admin: Person, fresh: str) -> None:
    answer = admin.kubectl("create", "namespace", fresh, *OWNER)

    assert (answer.out, answer.err) == (f"namespace/{fresh} created\n", "")
    labels = admin.get(f"namespace/{fresh}")["metadata"]["labels"]
    assert labels == {"istio.io/rev": "asm-1-28", "kubernetes.io/metadata.name": fresh}


def test_a_new_namespace_keeps_its_labels(admin: Person, fresh: str) -> None:
    assert _create(admin, fresh, labels={"team": "a"}).code == 0

    labels = admin.get(f"namespace/{fresh}")["metadata"]["labels"]
    assert (labels["team"], labels["istio.io/rev"]) == ("a", "asm-1-28")


def test_only_the_platform_makes_one_that_stays_out_of_the_mesh(admin: Person, fresh: str) -> None:
    apart = {"sallyport.dev/mesh": "off"}

    answer = _create(admin, fresh, labels=apart)
    assert answer.code == 1
    assert '[namespace-keys-guarded] metadata.labels[sallyport.dev/mesh] is "off"' in answer.err

    assert _create(admin, fresh, "--validate=true", labels=apart).code == 0
    assert "istio.io/rev" not in admin.get(f"namespace/{fresh}")["metadata"]["labels"]


def test_a_namespace_of_the_platform_is_neither_made_nor_deleted(admin: Person) -> None:
    made = _create(admin, "gatekeeper-system")
    gone = admin.kubectl("delete", "namespace", "aks-istio-system", *OWNER)

    for answer in (made, gone):
        assert answer.code == 1
        assert "[namespace-names-reserved] metadata.name is" in answer.err


def test_nobody_debugs_a_node_from_a_namespace_of_his_own(admin: Person) -> None:
    image = ("--image=registry.example/tools:1", "--attach=false", "--quiet")
    answer = admin.kubectl("debug", "node/n1", *image, *OWNER, namespace="t")

    assert answer.code == 1
    for place in ("spec.nodeName", "spec.hostNetwork", "spec.hostPID", "spec.hostIPC"):
        assert place in answer.err
    assert admin.kubectl("get", "pods", "--namespace=t", "-o", "name").out.find("debugger") < 0


def test_a_service_does_not_take_addresses(admin: Person) -> None:
    spec = {"ports": [{"port": 80}]}
    value = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    dry = (*OWNER, "--dry-run=server")

    assert admin.create(value, flags=dry, namespace="t").code == 0
    value["spec"] = spec | {"externalIPs": ["192.0.2.1"]}
    answer = admin.create(value, flags=dry, namespace="t")
    assert "[service-addresses-granted] spec.externalIPs" in answer.err


def test_storage_stays_off_the_nodes(admin: Person) -> None:
    value = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "local"},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    answer = admin.create(value, flags=(*OWNER, "--dry-run=server"))

    assert answer.code == 1
    assert "[storage-off-the-nodes] provisioner" in answer.err


def test_the_configuration_of_the_mesh_is_the_platforms(world: ControlPlane, admin: Person) -> None:
    name, change = "istio-shared-configmap-asm-1-28", '{"data": {"mesh": "{}"}}'
    words = ("patch", "configmap", name, "--dry-run=server", "--patch", change)

    answer = admin.kubectl(*words, *OWNER, namespace="aks-istio-system")
    assert answer.code == 1
    assert "[platform-mesh-objects-untouched] metadata.name" in answer.err
    assert admin.kubectl(*words, namespace="aks-istio-system").code == 0
