"""Where no mutating webhook may be installed: nothing is filled in, what is missing is denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.model import JSON
from tests.api_server.doors import called
from tests.api_server.injector import Injector
from tests.api_server.objects import KATA, deployment, pod
from tests.api_server.people import Person
from tests.api_server.serving import NO_MUTATE
from tests.api_server.world import injecting
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

SERVING = {"flags": [NO_MUTATE]}


def test_one_door_is_left(world: ControlPlane) -> None:
    assert called(world) == {"pods.validate.sallyport.dev"}


def test_a_missing_class_is_denied_and_the_fix_shown(developer: Person) -> None:
    answer = developer.apply(pod("silent"))

    assert answer.code == 1
    compare(answer.err, "api_server/pod-without-a-class-where-nothing-is-filled-in.txt")


def test_a_missing_revision_is_denied_and_the_fix_shown(developer: Person) -> None:
    answer = developer.apply(pod("lost", runtimeClassName=KATA), namespace="drifted")

    assert answer.code == 1
    compare(answer.err, "api_server/pod-without-a-revision-where-nothing-is-filled-in.txt")


def test_a_template_must_say_it_too(developer: Person) -> None:
    answer = developer.apply(deployment("silent"))

    assert answer.code == 1
    compare(answer.err, "api_server/deployment-where-nothing-is-filled-in.txt")


def test_what_says_all_by_itself_is_stored_as_it_is(developer: Person) -> None:
    answer = developer.apply(pod("complete", runtimeClassName=KATA))

    assert (answer.out, answer.err) == ("pod/complete created\n", "")


def test_forged_input_is_denied_at_the_door_that_is_left(developer: Person) -> None:
    forged = pod("forged", runtimeClassName=KATA)
    forged["metadata"]["annotations"] = {"traffic.sidecar.istio.io/excludeOutboundPorts": "443"}

    answer = developer.apply(forged)

    assert answer.code == 1
    assert (
        '"pods.validate.sallyport.dev" denied the request: [mesh-annotations-allowed]' in answer.err
    )


CONFIG = "proxy.istio.io/config"
TUNED: dict[str, JSON] = {
    "held": {CONFIG: "holdApplicationUntilProxyStarts: true"},
    "drained": {CONFIG: "concurrency: 1\nterminationDrainDuration: 20s"},
    "sized": {
        "sidecar.istio.io/proxyCPU": "100m",
        "sidecar.istio.io/proxyMemory": "128Mi",
        "sidecar.istio.io/proxyCPULimit": "500m",
        "sidecar.istio.io/proxyMemoryLimit": "256Mi",
    },
    "probed": {"sidecar.istio.io/rewriteAppHTTPProbers": "true"},
}


@pytest.fixture(params=[True, False], ids=["native", "classic"])
def injector(
    request: pytest.FixtureRequest, world: ControlPlane, tmp_path: Path
) -> Iterator[Injector]:
    """Each kind of sidecar in turn."""
    with injecting(world, tmp_path, native=request.param) as running:
        yield running


@pytest.mark.usefixtures("injector")
@pytest.mark.parametrize("tuning", TUNED)
def test_the_settings_of_a_genuine_sidecar_stay_allowed(developer: Person, tuning: str) -> None:
    """What the author may ask of the proxy, the injector puts in, and our door looks at it all."""
    value = pod("tuned", runtimeClassName=KATA)
    value["metadata"]["annotations"] = TUNED[tuning]

    answer = developer.apply(value, flags=("--dry-run=server",))

    assert (answer.code, answer.err) == (0, "")


OVERRIDDEN = {"initContainers": [{"name": "istio-init", "image": "registry.example/x:1"}]}
FORGED: dict[str, tuple[JSON, JSON]] = {
    "image": ({"name": "istio-proxy", "image": "registry.example/x:1"}, {}),
    "command": ({"name": "istio-proxy", "image": "auto", "command": ["sh"]}, {}),
    "variable": (
        {
            "name": "istio-proxy",
            "image": "auto",
            "env": [{"name": "DISABLE_ENVOY", "value": "true"}],
        },
        {},
    ),
    "ports": (  # row 70: what -d names is not captured
        {"name": "istio-init", "image": "auto", "args": ["istio-iptables", "-d", "15090,8080"]},
        {},
    ),
    "unseen": ({}, {"proxy.istio.io/overrides": json.dumps(OVERRIDDEN)}),
    "status": ({}, {"sidecar.istio.io/status": "{}", "sidecar.istio.io/inject": "false"}),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_sidecar_is_told_from_the_genuine_one(developer: Person, forgery: str) -> None:
    """Istio gives the author the last word on its containers; the door after it looks at them."""
    container, annotations = FORGED[forgery]
    value = pod("forged", runtimeClassName=KATA)
    value["metadata"]["annotations"] = annotations
    if container:
        at = "initContainers" if container["name"] == "istio-init" else "containers"
        value["spec"].setdefault(at, []).append(container)

    answer = developer.apply(value, flags=("--dry-run=server",))

    assert answer.code == 1
    compare(answer.err, f"api_server/sidecar-with-a-forged-{forgery}.txt")
