"""Where no mutating webhook may be installed: nothing is filled in, what is missing is denied."""

from __future__ import annotations

import pytest

from tests.api_server.doors import called
from tests.api_server.objects import KATA, deployment, pod
from tests.api_server.people import Person
from tests.api_server.serving import NO_MUTATE
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
