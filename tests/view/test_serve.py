"""A server that follows a real API server, which is killed, restarted, and far away."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rules.model import DESTINATION_RULE, JSON, NETWORK_POLICY, PEER_AUTHENTICATION
from tests.control_plane.binaries import Binaries
from tests.control_plane.cluster import ControlPlane
from tests.control_plane.process import free_ports
from tests.faults.serving import (
    HOST,
    JSON_MEDIA,
    PATIENCE,
    Answer,
    Serving,
    command,
    issue,
    read_answer,
    request,
    send_all,
    start,
    trusting,
    wait_for,
)
from tests.reviews import CLASS, REVISION, SPACE, ask, ask_stored, pod, reasons, written, wrong_pod
from webhook.configuration import webhooks
from webhook.followed import FOLLOWED
from webhook.rulebook import load

pytestmark = pytest.mark.control_plane

WORLD = f"""\
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {{name: {CLASS}}}
handler: kata
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: injector, labels: {{app: sidecar-injector, istio.io/rev: {REVISION}}}}}
"""
ROOT = "aks-istio-system"
OPEN_POLICY: JSON = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "own", "namespace": SPACE},
    "spec": {"mtls": {"mode": "UNSET"}},
}
STRICT = f"""\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: strict, namespace: {ROOT}}}
spec: {{mtls: {{mode: STRICT}}}}
"""
MANAGED = f"""\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: managed, namespace: {SPACE}, labels: {{sallyport.dev/managed: "true"}}}}
spec: {{mtls: {{mode: STRICT}}}}
"""
DEFINITIONS = "---".join(
    f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {kind.resource}.{kind.group}}}
spec:
  group: {kind.group}
  scope: Namespaced
  names: {{plural: {kind.resource}, kind: {kind.kind}}}
  versions:
    - name: {kind.version}
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {{spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
    for kind in (PEER_AUTHENTICATION, DESTINATION_RULE)
)
RULEBOOK = """\
version: 1
trusted: {label: true}
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for our address."""
    return issue(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def cluster(
    control_plane_programs: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane of our own, since we stop its API server."""
    folder = tmp_path_factory.mktemp("followed")
    with ControlPlane(control_plane_programs, folder, controller_manager=False) as running:
        running.apply(WORLD)
        running.create_namespace(SPACE)
        yield running


@pytest.fixture(scope="module")
def server(
    cluster: ControlPlane, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A server that follows it."""
    rulebook = tmp_path_factory.mktemp("rulebook") / "rulebook.yaml"
    rulebook.write_text(RULEBOOK, encoding="utf-8")
    with following(cluster, keys, "--rulebook", rulebook) as serving:
        yield serving
        assert serving.process.poll() is None
        assert "Traceback" not in serving.errors


def following(cluster: ControlPlane, keys: Path, *flags: str | Path) -> Serving:
    """A server that follows a control plane."""
    return Serving(keys, *flags, environment={"KUBECONFIG": str(cluster.kubeconfig())})


def within(namespace: str, value: JSON = None) -> JSON:
    """The review of a pod in a namespace."""
    found = value or pod()
    found["metadata"]["namespace"] = namespace
    return ask_stored(found, namespace=namespace)


def send(server: Serving, review: JSON) -> Answer:
    """The answer, whatever its status."""
    return server.send(written(review))


def test_it_knows_the_cluster_when_it_says_that_it_is_ready(server: Serving) -> None:
    assert server.ask(ask_stored(pod()))["allowed"]
    assert reasons(server.ask(ask_stored(wrong_pod()))) == {"sandboxed-runtime-class"}
    assert server.probe("/readyz") == (200, "ok\n")
    for kind in ("Namespace", "RuntimeClass", "MutatingWebhookConfiguration"):
        assert server.metric("view_lists_total", kind=kind) == 1
        assert 0 <= server.metric("view_age_seconds", kind=kind) < 120


def test_a_namespace_can_be_used_as_soon_as_it_is_made(
    cluster: ControlPlane, server: Serving
) -> None:
    for number in range(5):
        cluster.create_namespace(f"new-{number}")
        assert server.ask(within(f"new-{number}"))["allowed"]


def test_a_namespace_that_does_not_exist_is_not_decided_about(server: Serving) -> None:
    before = server.metric("view_misses_total", result="absent")
    answer = send(server, within("nowhere"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    server.counts(before + 1, "view_misses_total", result="absent")
    assert send(server, within("../secrets")).status == 503
    assert server.metric("view_misses_total", result="absent") == before + 1


def test_what_is_pipelined_behind_a_question_is_answered_in_order(server: Serving) -> None:
    first, second = within("nowhere"), ask_stored(wrong_pod())
    requests = [request(written(review)) for review in (first, second, first)]
    with server.connect() as connection:
        send_all(connection, b"".join(requests[:2]), requests[2])
        with connection.makefile("rb") as stream:
            answers = [read_answer(stream) for _ in requests]
    assert [answer.status for answer in answers if answer] == [503, 200, 503]


def test_labels_that_change_are_followed(cluster: ControlPlane, server: Serving) -> None:
    cluster.create_namespace("changing")
    assert not server.ask(within("changing", wrong_pod()))["allowed"]
    label = "sallyport.dev/trust"
    cluster.kubectl("label", "namespace", "changing", f"{label}=trusted")
    wait_for(lambda: server.ask(within("changing", wrong_pod()))["allowed"], "trust is given")
    cluster.kubectl("label", "namespace", "changing", f"{label}-")
    wait_for(lambda: not server.ask(within("changing", wrong_pod()))["allowed"], "and taken")


def test_a_namespace_deleted_and_made_again_is_another(
    cluster: ControlPlane, server: Serving
) -> None:
    cluster.create_namespace("phoenix", labels={"sallyport.dev/trust": "trusted"})
    wait_for(lambda: server.ask(within("phoenix", wrong_pod()))["allowed"], "it is trusted")
    cluster.kubectl("delete", "namespace", "phoenix", "--wait=false")
    _finalize(cluster, "phoenix")
    wait_for(lambda: send(server, within("phoenix")).status == 503, "it is gone")
    cluster.create_namespace("phoenix")
    assert not server.ask(within("phoenix", wrong_pod()))["allowed"]


def test_classes_and_revisions_are_followed(cluster: ControlPlane, server: Serving) -> None:
    cluster.kubectl("delete", "runtimeclass", CLASS)
    wait_for(lambda: not server.ask(ask_stored(pod()))["allowed"], "no class is assumed")
    wait_for(lambda: server.metric("preflight", rule="sandboxed-runtime-class"), "a metric says so")
    cluster.kubectl("delete", "mutatingwebhookconfiguration", "injector")
    wait_for(lambda: server.metric("preflight", rule="sidecar-injected"), "a metric says so")
    assert server.probe("/readyz")[0] == 200
    cluster.apply(WORLD)
    wait_for(lambda: server.ask(ask_stored(pod()))["allowed"], "both are back")
    wait_for(lambda: not server.metric("preflight"), "no metric says otherwise")


def test_kinds_of_istio_are_followed_once_they_are_installed(
    cluster: ControlPlane, server: Serving
) -> None:
    kind = "PeerAuthentication"
    assert server.metric("view_served", kind=kind) == 0
    assert server.metric("ground", check="MESH-PeerAuthentication") == 1
    assert server.probe("/readyz")[0] == 200
    cluster.apply(DEFINITIONS)
    cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
    wait_for(lambda: server.metric("view_served", kind=kind) == 1, "it is found", seconds=60)
    tenants = ask(OPEN_POLICY, PEER_AUTHENTICATION)
    assert server.ask(tenants)["warnings"]
    cluster.create_namespace(ROOT)
    cluster.apply(STRICT)
    wait_for(lambda: not server.metric("ground"), "the mesh is strict")
    assert "warnings" not in server.ask(tenants)
    cluster.kubectl("label", "-n", ROOT, kind, "strict", "sallyport.dev/managed=true")
    cluster.kubectl("delete", "-n", ROOT, kind, "strict")
    wait_for(lambda: server.metric("ground", check="MESH-PeerAuthentication"), "it is not")


def test_a_managed_policy_is_not_displaced_while_the_api_server_starts_again(
    cluster: ControlPlane, server: Serving
) -> None:
    review = ask(OPEN_POLICY, PEER_AUTHENTICATION)
    cluster.apply(MANAGED)
    wait_for(lambda: not server.ask(review)["allowed"], "it is known")
    cluster.restart_apiserver()
    errors = server.metric("view_errors_total", kind="PeerAuthentication", reason="absent")
    assert errors == 0
    assert not server.ask(review)["allowed"]
    wait_for(lambda: server.metric("view_age_seconds", kind="PeerAuthentication") < 3, "followed")
    assert not server.ask(review)["allowed"]
    cluster.kubectl("delete", "-n", SPACE, "peerauthentication", "managed")
    wait_for(lambda: server.ask(review)["allowed"], "it is gone")


def test_a_foreign_term_in_our_configuration_is_told(
    cluster: ControlPlane, server: Serving
) -> None:
    found = webhooks(load(None), url="https://127.0.0.1:1", failure_policy="Ignore")
    cluster.apply("\n---\n".join(map(json.dumps, found)))
    cluster.apply(MANAGED.replace(SPACE, ROOT))  # the one gap that is left
    wait_for(lambda: not server.metric("ground"), "as we print them they have none")
    selector = {
        "matchExpressions": [{"key": "control-plane", "operator": "NotIn", "values": ["true"]}]
    }
    patch = [{"op": "add", "path": "/webhooks/0/namespaceSelector", "value": selector}]
    name = ("validatingwebhookconfiguration", "sallyport-validate")
    cluster.kubectl("patch", *name, "--type=json", f"--patch={json.dumps(patch)}")
    wait_for(lambda: server.metric("ground", check="ADMISSION-SELECTOR"), "a metric says so")
    wait_for(lambda: "control-plane NotIn true" in server.errors, "and a line of the log")
    cluster.kubectl("delete", *name)
    wait_for(lambda: not server.metric("ground", check="ADMISSION-SELECTOR"), "it is gone")


def test_what_is_known_is_decided_while_the_api_server_is_away(
    cluster: ControlPlane, server: Serving
) -> None:
    cluster.processes["kube-apiserver"].stop()
    assert server.ask(ask_stored(pod()))["allowed"]
    assert reasons(server.ask(ask_stored(wrong_pod()))) == {"sandboxed-runtime-class"}
    assert send(server, within("brand-new")).status == 503
    assert server.probe("/readyz") == (200, "ok\n")
    wait_for(lambda: server.metric("view_errors_total", kind="Namespace") >= 2, "it is missed")
    cluster.restart_apiserver()
    cluster.create_namespace("brand-new")
    assert server.ask(within("brand-new"))["allowed"]
    wait_for(lambda: server.metric("view_age_seconds", kind="Namespace") < 3, "it follows again")


def test_what_isolates_pods_is_known_over_a_restart(cluster: ControlPlane, server: Serving) -> None:
    def closed(name: str) -> JSON:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "guarded"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
        }

    def goes(name: str) -> set[str]:
        asked = ask(None, NETWORK_POLICY, operation="DELETE", old=closed(name), namespace="guarded")
        return reasons(server.ask(asked))

    cluster.create_namespace("guarded")
    cluster.apply(json.dumps(pod(namespace="guarded")))
    cluster.apply(json.dumps(closed("first")))
    wait_for(lambda: goes("first") == {"last-isolation-kept"}, "it is the last")
    cluster.restart_apiserver()
    assert goes("first") == {"last-isolation-kept"}
    cluster.apply(json.dumps(closed("second")))
    wait_for(lambda: not goes("first"), "there is another")
    cluster.kubectl("delete", "networkpolicy/second", "-n", "guarded")
    wait_for(lambda: goes("first") == {"last-isolation-kept"}, "it is the last again")
    cluster.kubectl("delete", "pod/web", "-n", "guarded", "--force", "--grace-period=0")
    wait_for(lambda: not goes("first"), "no pod is left")


def test_a_server_that_starts_alone_is_not_ready_until_it_knows_the_cluster(
    cluster: ControlPlane, keys: Path
) -> None:
    port, probe_port = free_ports(2)
    words = [*command(keys), "--port", str(port), "--probe-port", str(probe_port)]
    cluster.processes["kube-apiserver"].stop()
    try:
        process = start(*words, environment={"KUBECONFIG": str(cluster.kubeconfig())})
        with ended(process):
            wait_for(lambda: _readiness(probe_port)[0], "it answers")
            resources = ", ".join(kept.kind.resource for kept in FOLLOWED)
            assert _readiness(probe_port) == (503, f"not listed yet: {resources}\n")
            assert _ask(keys, port).status == 503
            cluster.restart_apiserver()
            wait_for(lambda: _readiness(probe_port)[0] == 200, "it knows the cluster", seconds=60)
            assert _ask(keys, port).response["allowed"]
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"]
    finally:
        if not cluster.processes["kube-apiserver"].is_running:
            cluster.restart_apiserver()


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill it in the end, and close its pipes."""
    with process:
        try:
            yield
        finally:
            process.kill()


def _readiness(port: int) -> tuple[int, str]:
    """What /readyz says; 0 where nobody does."""
    client = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        client.request("GET", "/readyz")
        answer = Answer.read(client.getresponse())
    except OSError:
        return 0, ""
    finally:
        client.close()
    return answer.status, answer.body.decode()


def _ask(keys: Path, port: int) -> Answer:
    """The answer to a good pod."""
    context = trusting(keys / "ca.crt")
    client = http.client.HTTPSConnection(HOST, port, timeout=PATIENCE, context=context)
    try:
        client.request("POST", "/validate", written(ask_stored(pod())), JSON_MEDIA)
        return Answer.read(client.getresponse())
    finally:
        client.close()


def test_a_server_that_cannot_know_a_cluster_does_not_start(keys: Path, tmp_path: Path) -> None:
    for kubeconfig in ("", str(tmp_path / "absent")):
        process = start(*command(keys), environment={"KUBECONFIG": kubeconfig})
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        assert b"--cluster PATH" in errors
        assert b"Traceback" not in errors


def _finalize(cluster: ControlPlane, name: str) -> None:
    """What the namespace controller does when a namespace is empty."""
    found = json.loads(cluster.kubectl("get", "namespace", name, "-o", "json").stdout)
    found["spec"]["finalizers"] = []
    path = f"/api/v1/namespaces/{name}/finalize"
    cluster.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(found))
