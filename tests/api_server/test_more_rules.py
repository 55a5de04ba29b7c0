"""A rule of a site's own: the server is started with it, its configurations follow from it.

It judges deletions of pods, which no shipped rule does.
"""

from __future__ import annotations

import pytest

from tests.api_server.objects import pod
from tests.api_server.people import Person
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

SERVING = {"program": "tests.api_server.serve_more_rules"}


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
