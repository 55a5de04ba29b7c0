"""Files to the view of what else exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.model import POD, RUNTIME_CLASS
from rules.review import STOCK_CLASSES
from rules.site import Mesh, Site
from webhook.cluster import BadView, load, read
from webhook.objects import Identity, Key, Kinds
from webhook.rulebook import catalogue

NAMESPACE = (
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {istio.io/rev: asm-1}}\n"
)
CLASS = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, handler: kata}\n"
INJECTOR = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: istio, labels: {app: sidecar-injector, istio.io/rev: asm-2}}
"""


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_view_is_made_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    folder = _write(tmp_path / "more", a=NAMESPACE, b=CLASS)
    file = _write(tmp_path, c=INJECTOR) / "c.yaml"
    cluster = load([folder, str(file)], Site())
    assert cluster.namespace("blue").labels == {"istio.io/rev": "asm-1"}
    assert cluster.runtime_classes == {"kata": "kata"}
    assert cluster.revisions == {"asm-2"}
    assert cluster.assumed == tuple(f"no {name} is given: there is none" for name in cluster.absent)


def test_what_is_not_given_is_assumed(tmp_path: Path) -> None:
    cluster = load([tmp_path], Site(mesh=Mesh(revision="asm-3")))
    assert cluster.runtime_classes == STOCK_CLASSES
    assert cluster.revisions == {"asm-3"}
    assert len(cluster.assumed) == 6


def test_all_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = _write(tmp_path, a="kind: [\n", b=NAMESPACE, c="{}")
    with pytest.raises(BadView) as bad:
        load([folder, tmp_path / "absent"], Site())
    names = [Path(mistake.file).name for mistake in bad.value.mistakes]
    assert names == ["a.yaml", "c.yaml", "absent"]
    assert f"{folder}/a.yaml:1:7: " in str(bad.value)


def test_of_two_with_one_identity_the_later_counts(tmp_path: Path) -> None:
    folder = _write(tmp_path, a=NAMESPACE, b=NAMESPACE.replace("asm-1", "asm-9"))
    assert load([folder], Site()).namespace("blue").labels == {"istio.io/rev": "asm-9"}


def test_objects_are_known_by_their_identity(tmp_path: Path) -> None:
    pods = (
        "{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n"
        "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: blue}}"
    )
    stored = read([_write(tmp_path, a=pods, b=NAMESPACE)], namespace="green")
    assert set(stored.objects) == {
        Key("", "Pod", "green", "a"),
        Key("", "Pod", "blue", "a"),
        Key("", "Namespace", "", "blue"),
    }


KINDS = Kinds(catalogue())


@pytest.mark.parametrize(
    ("api_version", "kind", "namespaced"),
    [
        ("v1", "Pod", True),
        ("v1", "Namespace", False),
        ("v1", "PersistentVolume", False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", False),
        ("rbac.authorization.k8s.io/v1", "Role", True),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", False),
        ("storage.k8s.io/v1", "StorageClass", False),
        ("node.k8s.io/v1", "RuntimeClass", False),
        ("projectcalico.org/v3", "GlobalNetworkPolicy", False),
        ("projectcalico.org/v3", "NetworkPolicy", True),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", False),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", False),
        ("cilium.io/v2", "CiliumNetworkPolicy", True),
        ("example.com/v1", "Namespace", True),
        ("example.com/v1", "Widget", True),
    ],
)
def test_only_what_is_known_to_live_in_no_namespace_lives_in_none(
    api_version: str, kind: str, *, namespaced: bool
) -> None:
    value = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": "x"}}
    namespace = "x" if namespaced else ""
    assert KINDS.identify(value) == Identity(api_version, kind, namespace, "a")


def test_a_kind_of_the_catalogue_brings_its_resource() -> None:
    assert KINDS.find("", "Pod") == POD
    assert KINDS.find("node.k8s.io", "RuntimeClass") == RUNTIME_CLASS
    assert KINDS.find("example.com", "Widget").resource == "widgets"


@pytest.mark.parametrize(
    ("metadata", "namespace", "name"),
    [
        ({"name": "a", "namespace": "b"}, "b", "a"),
        ({"name": "a"}, "default", "a"),
        ({"name": "a", "namespace": ""}, "default", "a"),
        ({"generateName": "a-"}, "default", "a-*"),
        ({"name": "a", "generateName": "b-"}, "default", "a"),
        ({"name": 5, "namespace": []}, "default", ""),
        ([], "default", ""),
        (None, "default", ""),
    ],
)
def test_an_object_is_named_even_where_its_metadata_is_odd(
    metadata: object, namespace: str, name: str
) -> None:
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    assert KINDS.identify(value) == Identity("v1", "Pod", namespace, name)
