"""The control plane is what it says: Kubernetes of one version, with admission as clusters have it.

What it is made of is tested beside it, in tests/control_plane/test_*.py.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from tests.control_plane import cluster
from tests.control_plane.binaries import Binaries
from tests.control_plane.cluster import ControlPlane
from tests.control_plane.process import StartFailed, free_ports

pytestmark = pytest.mark.control_plane

POD = dedent("""
    apiVersion: v1
    kind: Pod
    metadata: {name: lone, namespace: NAMESPACE}
    spec: {containers: [{name: main, image: "registry.example/app:1"}]}
""")


def test_it_is_the_version_that_is_pinned(control_plane: ControlPlane) -> None:
    version = json.loads(control_plane.kubectl("get", "--raw", "/version").stdout)

    assert (version["gitVersion"], version["major"], version["minor"]) == ("v1.36.3", "1", "36")


def test_a_deployment_becomes_a_replicaset_and_pods(control_plane: ControlPlane) -> None:
    control_plane.create_namespace("grows")
    control_plane.kubectl(
        *("create", "deployment", "web", "--image=registry.example/app:1", "--replicas=2"),
        *("--namespace", "grows"),
        user="developer",
    )

    control_plane.kubectl(
        *("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=60s"),
        *("--namespace", "grows"),
    )

    pods = control_plane.kubectl("get", "pods", "--namespace", "grows", "-o", "json").stdout
    owners = [pod["metadata"]["ownerReferences"][0] for pod in json.loads(pods)["items"]]
    assert [owner["kind"] for owner in owners] == ["ReplicaSet", "ReplicaSet"]


def test_a_refused_pod_of_a_deployment_leaves_an_event(control_plane: ControlPlane) -> None:
    """Pod Security refuses what the ReplicaSet asks for, and the author sees it in the status."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.create_namespace("guarded", labels=labels)
    control_plane.kubectl(
        *("create", "deployment", "web", "--image=registry.example/app:1"),
        *("--namespace", "guarded"),
        user="developer",
    )

    control_plane.kubectl(
        *("wait", "deployment/web", "--for=condition=ReplicaFailure", "--timeout=60s"),
        *("--namespace", "guarded"),
    )

    status = control_plane.kubectl(
        *("get", "deployment/web", "--namespace", "guarded", "-o", "jsonpath={.status.conditions}"),
    )
    assert 'violates PodSecurity \\"restricted' in status.stdout


def test_the_runtimeclass_plugin_answers_for_a_missing_class(control_plane: ControlPlane) -> None:
    control_plane.create_namespace("classes")
    pod = POD.replace("NAMESPACE", "classes").replace("spec: {", "spec: {runtimeClassName: kata, ")

    done = control_plane.kubectl("create", "-f", "-", stdin=pod, user="developer", check=False)

    assert done.returncode == 1
    assert 'pod rejected: RuntimeClass "kata" not found' in done.stderr


def test_tenants_rule_in_namespaces_and_nowhere_else(control_plane: ControlPlane) -> None:
    def can(user: str, *args: str) -> bool:
        done = control_plane.kubectl("auth", "can-i", *args, user=user, check=False)
        return done.stdout.strip() == "yes"

    namespaced = ("pods", "deployments.apps", "networkpolicies.networking.k8s.io", "roles")
    assert all(can("developer", "create", kind, "--namespace", "default") for kind in namespaced)
    assert can("neighbour", "create", "pods", "--namespace", "default")
    assert not can("developer", "create", "namespaces")
    assert not can("developer", "patch", "namespaces", "--namespace", "default")
    assert not can("stranger", "get", "pods", "--namespace", "default")


def test_a_failed_kubectl_says_why(control_plane: ControlPlane) -> None:
    with pytest.raises(subprocess.CalledProcessError) as fault:
        control_plane.kubectl("get", "pods", user="stranger")

    assert 'User "stranger" cannot list' in "".join(fault.value.__notes__)


def test_a_restart_keeps_data_and_address(control_plane: ControlPlane) -> None:
    control_plane.create_namespace("lasting")
    address, before = control_plane.url, control_plane.processes["kube-apiserver"].pid

    control_plane.restart_apiserver()

    assert control_plane.kubectl("get", "namespace", "lasting", "-o", "name").stdout == (
        "namespace/lasting\n"
    )
    assert control_plane.url == address
    assert control_plane.processes["kube-apiserver"].pid != before
    control_plane.create_namespace("after-the-restart")  # the controllers found their way back


def test_without_controllers_a_pod_is_admitted_all_the_same(
    control_plane_programs: Binaries,
    tmp_path: Path,
) -> None:
    with ControlPlane(control_plane_programs, tmp_path / "own", controller_manager=False) as own:
        own.create_namespace("bare")
        own.apply(POD.replace("NAMESPACE", "bare"), user="developer")

    assert not any(process.is_running for process in own.processes.values())


def test_a_port_lost_to_somebody_else_costs_another_start(
    control_plane_programs: Binaries,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody_else:
        taken = somebody_else.getsockname()[1]
        given = [free_ports(3) for _ in ("etcd", "kube-apiserver", "controllers", "nobody")]
        for loser in range(3):
            given[loser][loser] = taken
        turns = iter(given)
        monkeypatch.setattr(cluster, "free_ports", lambda _: next(turns))

        with ControlPlane(control_plane_programs, tmp_path / "own") as own:
            assert own.url == f"https://127.0.0.1:{given[-1][1]}"

    assert next(turns, None) is None


def test_a_failed_start_shows_the_end_of_the_log(
    control_plane_programs: Binaries,
    tmp_path: Path,
) -> None:
    wrong = ("--no-such-flag",)
    own = ControlPlane(control_plane_programs, tmp_path / "own", apiserver_flags=wrong)

    with pytest.raises(StartFailed, match="unknown flag: --no-such-flag"):
        own.start()

    assert not any(process.is_running for process in own.processes.values())
