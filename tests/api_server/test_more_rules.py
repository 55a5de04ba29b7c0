"""What no shipped rule does yet: subresources, deletions, and denials by the first door.

The server has the rules of `more_rules` besides; its configurations follow from them.
"""

from __future__ import annotations

import pytest

from tests.api_server.objects import KATA, pod
from tests.api_server.people import Person
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

SERVING = {"program": "tests.api_server.serve_more_rules"}
DEBUG = ("debug", "--image=registry.example/tools:1", "--attach=false", "--quiet")


def test_a_debugging_container_is_judged_when_it_is_added(developer: Person) -> None:
    developer.apply(pod("debugged"))

    answer = developer.kubectl(*DEBUG, "pod/debugged", "--container=root", "--profile=sysadmin")
    assert answer.code == 1
    compare(answer.err, "api_server/debugging-container-that-is-privileged.txt")

    answer = developer.kubectl(*DEBUG, "pod/debugged", "--container=plain", "--profile=general")
    assert (answer.code, answer.err) == (0, "")
    added = developer.get("pod/debugged")["spec"]["ephemeralContainers"]
    assert [container["name"] for container in added] == ["plain"]


def test_forged_input_is_denied_at_the_first_door(developer: Person) -> None:
    forged = pod("forged", runtimeClassName="runc")
    forged["metadata"]["annotations"] = {"sidecar.istio.io/status": "injected"}

    answer = developer.apply(forged)

    assert answer.code == 1
    compare(answer.err, "api_server/pod-with-a-forged-status.txt")


def test_beside_other_rules_a_pod_is_still_mended(developer: Person) -> None:
    assert developer.apply(pod("mended")).code == 0
    assert developer.get("pod/mended")["spec"]["runtimeClassName"] == KATA


def test_deletions_are_judged_by_what_is_stored(developer: Person) -> None:
    developer.apply(pod("kept", {"keep": "true", "app": "a"}), pod("loose", {"app": "a"}))

    answer = developer.kubectl("delete", "pod/kept")
    assert answer.code == 1
    compare(answer.err, "api_server/deletion-of-a-kept-pod.txt")
    assert developer.kubectl("delete", "pod/loose", "--wait=false").code == 0


def test_each_object_of_a_collection_is_judged_by_its_own_name(developer: Person) -> None:
    developer.apply(pod("collected", {"keep": "true", "app": "collected"}))
    collection = "/api/v1/namespaces/foo/pods?labelSelector=app%3Dcollected"

    answer = developer.kubectl("delete", "--raw", collection)

    assert answer.code == 1
    assert '[kept-pod-stays] metadata.labels[keep] is "true"' in answer.err
    assert "\n  in    Pod foo/collected\n" in answer.err
    assert developer.get("pod/collected") is not None


def test_a_namespace_takes_even_kept_pods_along(developer: Person, admin: Person) -> None:
    developer.apply(pod("captain", {"keep": "true"}), namespace="sunken")

    gone = admin.kubectl("delete", "namespace", "sunken", "--timeout=60s")

    assert (gone.code, gone.out) == (0, 'namespace "sunken" deleted\n')
