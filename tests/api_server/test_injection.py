"""Istio's injector between our doors: what it makes passes; what keeps it away or forges it, never.

The rows are those of the specification's table of cases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rules.model import JSON
from tests.api_server.doors import NAMES, called, put_in, renamed
from tests.api_server.injector import CONFIGURATION, NOBODY, Injector, registered
from tests.api_server.objects import KATA, deployment, pod
from tests.api_server.patience import await_that
from tests.api_server.people import Answer, Person
from tests.api_server.serving import Serving
from tests.api_server.world import injecting
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare
from tests.reviews import RESTRICTED

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

INJECT = "sidecar.istio.io/inject"
TRAFFIC = "traffic.sidecar.istio.io/"
CONFIG = "proxy.istio.io/config"
NOTES, LABELS, PLACES = "mesh-annotations-allowed", "mesh-labels-allowed", "sidecar-not-bypassed"
HOST_PATH = '{"v":{"hostPath":{"path":"/"}}}'
DRY = ("--dry-run=server",)


@pytest.fixture(scope="module", params=[True, False], ids=["native", "classic"])
def injector(
    request: Any, world: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Injector]:
    """Each kind of sidecar in turn."""
    with injecting(world, tmp_path_factory.mktemp("istio"), native=request.param) as running:
        yield running


def annotated(name: str, annotations: JSON, **spec: JSON) -> JSON:
    value = pod(name, **spec)
    value["metadata"]["annotations"] = annotations
    return value


def named(value: JSON) -> JSON:
    """The names of the containers, by list."""
    lists = ("containers", "initContainers")
    return {at: [one["name"] for one in value["spec"].get(at, ())] for at in lists}


def test_row_45_the_sidecar_that_istio_puts_in_passes(
    developer: Person, injector: Injector
) -> None:
    answer = developer.apply(pod("meshed"))

    assert (answer.out, answer.err) == ("pod/meshed created\n", "")
    stored = developer.get("pod/meshed")
    developer.kubectl("delete", "pod/meshed", "--wait=false")
    assert stored["spec"]["runtimeClassName"] == KATA
    assert named(stored) == (
        {"containers": ["main"], "initContainers": ["istio-init", "istio-proxy"]}
        if injector.native
        else {"containers": ["main", "istio-proxy"], "initContainers": ["istio-init"]}
    )


def test_the_label_that_we_add_brings_the_sidecar(developer: Person, injector: Injector) -> None:
    shown = developer.apply(pod("lost"), flags=(*DRY, "-o", "json"), namespace="drifted")

    stored = json.loads(shown.out)
    assert stored["metadata"]["labels"]["istio.io/rev"] == "asm-1-28"
    assert "istio-proxy" in [name for names in named(stored).values() for name in names]


def test_the_pods_of_a_workload_get_it_too(developer: Person, injector: Injector) -> None:
    name = f"grown-{'native' if injector.native else 'classic'}"
    assert developer.apply(deployment(name)).code == 0

    place = ".spec.initContainers[*]" if injector.native else ".spec.containers[*]"
    query = ("get", "pods", f"--selector=app={name}", "-o", f"jsonpath={{.items[*]{place}.name}}")
    await_that(lambda: "istio-proxy" in developer.kubectl(*query).out, "its pod has the sidecar")


def test_the_probes_and_limits_of_ones_own_stay_allowed(
    developer: Person, injector: Injector
) -> None:
    allowed = {
        CONFIG: "holdApplicationUntilProxyStarts: true",  # row 62
        "sidecar.istio.io/proxyCPU": "100m",
        "sidecar.istio.io/proxyMemory": "128Mi",
        "sidecar.istio.io/proxyCPULimit": "500m",
        "sidecar.istio.io/proxyMemoryLimit": "256Mi",
        "sidecar.istio.io/logLevel": "info",
        "prometheus.istio.io/merge-metrics": "true",
    }

    answer = developer.apply(annotated("tuned", allowed), flags=DRY)

    assert (answer.code, answer.err) == (0, "")


BYPASSES = [
    ("13", pod("a", hostNetwork=True), "host-namespaces-not-shared"),
    ("47", pod("a", {INJECT: "false"}), LABELS),
    ("47", annotated("a", {INJECT: "false"}), NOTES),
    ("49", pod("a", {INJECT: "true"}) | {"annotated": {INJECT: "false"}}, NOTES),
    ("50", pod("a", {INJECT: "0"}), LABELS),
    ("50", pod("a", {INJECT: "False"}), LABELS),
    ("53", pod("a", {"istio.io/rev": "other"}), LABELS),
    ("54", annotated("a", {f"{TRAFFIC}excludeOutboundIPRanges": "0.0.0.0/0"}), NOTES),
    ("54", annotated("a", {f"{TRAFFIC}excludeInboundPorts": "8080"}), NOTES),
    ("54", annotated("a", {f"{TRAFFIC}includeInboundPorts": ""}), NOTES),
    ("55", annotated("a", {f"{TRAFFIC}excludeInterfaces": "eth0"}), NOTES),
    ("58", annotated("a", {"proxy.istio.io/overrides": "{}"}), NOTES),
    ("59", annotated("a", {"sidecar.istio.io/status": "{}"}), NOTES),
    ("61", annotated("a", {CONFIG: "interceptionMode: NONE"}), NOTES),
    ("61", annotated("a", {CONFIG: "interception_mode: NONE"}), NOTES),
    ("61", annotated("a", {CONFIG: "proxyMetadata: {IPTABLES_TRACE_LOGGING: 'true'}"}), NOTES),
    ("63", annotated("a", {"sidecar.istio.io/userVolume": HOST_PATH}), NOTES),
    ("65", annotated("a", {"sidecar.istio.io/proxyImage": "evil/x"}), NOTES),
    ("65", annotated("a", {"sidecar.istio.io/bootstrapOverride": "cm"}), NOTES),
    ("65", annotated("a", {"sidecar.istio.io/nativeSidecar": "false"}), NOTES),
    ("65", annotated("a", {"inject.istio.io/templates": "grpc-simple"}), NOTES),
    ("66", pod("a", securityContext={"runAsUser": 1337}), PLACES),
    ("66", pod("a", securityContext={"runAsGroup": 1337}), PLACES),
    ("66", pod("a", securityContext={"fsGroup": 1337}), PLACES),
]


@pytest.mark.parametrize(("row", "value", "rule"), BYPASSES)
def test_what_keeps_the_sidecar_away_or_turns_it_is_denied(
    developer: Person, injector: Injector, row: str, value: JSON, rule: str
) -> None:
    annotations = value.pop("annotated", None)
    if annotations:
        value["metadata"]["annotations"] = annotations

    answer = developer.apply(value, flags=DRY)

    assert answer.code == 1
    assert f"[{rule}] " in answer.err, row
    assert developer.get("pod/a") is None


@pytest.mark.parametrize("name", ["istio-proxy", "istio-init", "istio-validation"])
@pytest.mark.parametrize("at", ["containers", "initContainers"])
def test_row_57_a_container_under_a_name_of_istio_is_denied(
    developer: Person, injector: Injector, name: str, at: str
) -> None:
    value = pod("forged")
    value["spec"].setdefault(at, []).append({"name": name, "image": "auto"})

    answer = developer.apply(value, flags=DRY)

    door = '"pods.mutate.sallyport.dev" denied the request: '
    assert answer.code == 1
    assert f"{door}[mesh-containers-not-forged] spec.{at}" in answer.err


def with_security(**stated: JSON) -> JSON:
    value = pod("capable")
    value["spec"]["containers"][0]["securityContext"] = RESTRICTED | stated
    return value


def test_row_67_capabilities_that_pass_the_sidecar_by(
    developer: Person, injector: Injector
) -> None:
    raw = developer.apply(with_security(capabilities={"add": ["NET_RAW"]}), flags=DRY)
    assert (raw.code, f"[{PLACES}] " in raw.err) == (1, True)

    kept = developer.apply(with_security(capabilities={}), flags=DRY)
    assert (kept.code, kept.err.startswith(f"Warning: [{PLACES}] spec.")) == (0, True)


def test_row_69_the_sidecar_keeps_its_image(developer: Person, injector: Injector) -> None:
    developer.apply(pod("settled"))

    def adopt(image: str) -> Answer:
        return developer.kubectl("set", "image", "pod/settled", image)

    forged, own = adopt("istio-proxy=registry.example/proxyv2:1"), adopt("main=web:2")
    developer.kubectl("delete", "pod/settled", "--wait=false")
    assert (forged.code, "[mesh-identity-unchanged] " in forged.err) == (1, True)
    assert (own.code, own.err) == (0, "")


@pytest.mark.parametrize("namespace", ["switched-off", "stale"])
def test_row_51_a_namespace_that_selects_no_mesh_takes_no_pods(
    developer: Person, namespace: str
) -> None:
    answer = developer.apply(pod("bare"), namespace=namespace)

    assert answer.code == 1
    compare(answer.err, f"api_server/pod-in-a-namespace-that-is-{namespace}.txt")


def test_where_the_platform_wants_no_mesh_a_pod_needs_no_sidecar(developer: Person) -> None:
    answer = developer.apply(pod("alone"), namespace="unmeshed")

    assert (answer.out, answer.err) == ("pod/alone created\n", "")
    assert named(developer.get("pod/alone", "unmeshed"))["initContainers"] == []


def test_row_46_a_pod_that_the_injector_missed_is_denied(
    world: ControlPlane, developer: Person
) -> None:
    with registered(world, NOBODY):
        answer = developer.apply(pod("missed"))

    assert answer.code == 1
    compare(answer.err, "api_server/pod-that-the-injector-missed.txt")


def test_ours_is_called_first_for_its_name(
    world: ControlPlane, developer: Person, sallyport: Serving
) -> None:
    ours = NAMES[0].partition("/")[2]
    assert ours < "istio-revision-tag-default" < CONFIGURATION

    late = renamed(sallyport.configurations(), "late").replace(ours, "z-too-late")
    world.kubectl("delete", NAMES[0])
    try:
        world.apply(late)
        doors = {"pods-late.mutate.sallyport.dev", "pods-late.validate.sallyport.dev"}
        await_that(lambda: called(world, "drifted") == doors, "ours is called late")
        answer = developer.apply(pod("late"), namespace="drifted", flags=DRY)
    finally:
        world.kubectl("delete", "mutatingwebhookconfiguration/z-too-late")
        put_in(world, sallyport.configurations())

    assert answer.code == 1, "our label comes after Istio was passed"
    assert "[sidecar-genuine] spec.containers have no istio-proxy" in answer.err
