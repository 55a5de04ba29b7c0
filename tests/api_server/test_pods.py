"""Pods at the enforcing door: what is stored, and what kubectl prints where nothing is."""

from __future__ import annotations

import pytest

from rules.model import JSON
from tests.api_server.doors import called
from tests.api_server.objects import KATA, NOT_MESHED, pod
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.serving import Serving
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

DEBUG = ("debug", "--image=registry.example/tools:1", "--attach=false", "--quiet")


def test_a_pod_without_a_class_is_stored_with_it(developer: Person) -> None:
    assert developer.apply(pod("silent")).out == "pod/silent created\n"

    spec = developer.get("pod/silent")["spec"]
    assert spec["runtimeClassName"] == KATA
    # What the API server's own plugin copies from the class, since it is run again after us.
    assert spec["nodeSelector"] == {"kubernetes.azure.com/kata-mshv-vm-isolation": "true"}
    assert spec["overhead"] == {"memory": "600Mi"}


def test_applying_the_same_pod_again_changes_nothing(developer: Person) -> None:
    developer.apply(pod("again"))
    before = developer.get("pod/again")

    assert developer.apply(pod("again")).out == "pod/again unchanged\n"
    assert developer.get("pod/again") == before


def test_the_right_class_is_left_alone(developer: Person) -> None:
    answer = developer.apply(pod("isolated", runtimeClassName=KATA))

    assert (answer.out, answer.err) == ("pod/isolated created\n", "")


@pytest.mark.parametrize("name", ["runc", "gvisor"])
def test_a_wrong_class_is_denied_and_the_right_one_shown(developer: Person, name: str) -> None:
    answer = developer.apply(pod("wrong", runtimeClassName=name))

    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, f"api_server/pod-on-{name}.txt")
    assert developer.get("pod/wrong") is None


def test_two_broken_rules_are_both_told(developer: Person) -> None:
    answer = developer.apply(pod("two", runtimeClassName="runc", hostIPC=True))

    assert answer.code == 1
    compare(answer.err, "api_server/pod-that-breaks-two-rules.txt")


def test_several_objects_of_one_file_are_told_apart(developer: Person) -> None:
    wrong = [pod(name, runtimeClassName="runc") for name in ("one", "other")]

    answer = developer.apply(wrong[0], pod("good"), wrong[1])

    assert (answer.code, answer.out) == (1, "pod/good created\n")
    compare(answer.err, "api_server/pods-of-one-file.txt")


def test_a_name_that_is_yet_to_be_made_is_told_by_its_prefix(developer: Person) -> None:
    answer = developer.create(pod("web-", NOT_MESHED))

    assert answer.code == 1
    compare(answer.err, "api_server/pod-with-generated-name.txt")


def test_the_sidecar_cannot_be_refused(developer: Person) -> None:
    answer = developer.apply(pod("bare", NOT_MESHED))

    assert answer.code == 1
    compare(answer.err, "api_server/pod-without-sidecar.txt")


def test_where_the_namespace_lost_its_mesh_label_the_pod_gets_one(developer: Person) -> None:
    answer = developer.apply(pod("lost", {"app": "lost"}), namespace="drifted")

    assert answer.out == "pod/lost created\n"
    stored = developer.get("pod/lost", "drifted")
    wanted = {"app": "lost", "istio.io/rev": "asm-1-28"}
    assert wanted.items() <= stored["metadata"]["labels"].items()
    assert stored["spec"]["runtimeClassName"] == KATA


def test_labels_are_made_where_a_pod_has_none(developer: Person) -> None:
    developer.apply(pod("unlabelled"), namespace="drifted")

    stored = developer.get("pod/unlabelled", "drifted")
    assert stored["metadata"]["labels"]["istio.io/rev"] == "asm-1-28"


def test_a_trusted_namespace_is_not_asked_about(
    world: ControlPlane, developer: Person, sallyport: Serving
) -> None:
    assert called(world, "platform-tools") == set()

    developer.apply(pod("tool", NOT_MESHED, runtimeClassName="runc"), namespace="platform-tools")

    assert developer.get("pod/tool", "platform-tools")["spec"]["runtimeClassName"] == "runc"
    assert not sallyport.decisions(namespace="platform-tools")


def test_forged_input_is_denied_at_the_first_door(developer: Person) -> None:
    forged = pod("forged", runtimeClassName="runc")
    forged["metadata"]["annotations"] = {"sidecar.istio.io/status": "injected"}

    answer = developer.apply(forged)

    assert answer.code == 1
    compare(answer.err, "api_server/pod-with-a-forged-status.txt")


def test_a_debugging_container_is_judged_when_it_is_added(developer: Person) -> None:
    developer.apply(pod("debugged"))

    answer = developer.kubectl(*DEBUG, "pod/debugged", "--container=root", "--profile=sysadmin")
    assert answer.code == 1
    compare(answer.err, "api_server/debugging-container-that-is-privileged.txt")

    answer = developer.kubectl(*DEBUG, "pod/debugged", "--container=plain", "--profile=restricted")
    assert answer.code == 0, answer.err
    assert "is open; set runAsUser 1000, runAsGroup 1000\n" in answer.err, "a warning"
    added = developer.get("pod/debugged")["spec"]["ephemeralContainers"]
    assert [container["name"] for container in added] == ["plain"]


def test_a_server_dry_run_gives_the_same_answers_and_stores_nothing(developer: Person) -> None:
    dry = ("--dry-run=server",)
    good, wrong = pod("dry"), pod("wrong", runtimeClassName="runc")

    assert developer.apply(good, flags=dry).out == "pod/dry created (server dry run)\n"
    shown = developer.apply(good, flags=(*dry, "-o", "jsonpath={.spec.runtimeClassName}"))
    assert shown.out == KATA
    assert developer.apply(wrong, flags=dry).err == developer.apply(wrong).err

    assert developer.get("pod/dry") is None


def test_server_side_apply_is_mended_and_denied_alike(developer: Person) -> None:
    way = ("--server-side",)

    assert developer.apply(pod("ssa"), flags=way).out == "pod/ssa serverside-applied\n"
    assert developer.get("pod/ssa")["spec"]["runtimeClassName"] == KATA
    assert developer.apply(pod("ssa"), flags=way).out == "pod/ssa serverside-applied\n"

    answer = developer.apply(pod("wrong", runtimeClassName="runc"), flags=way)
    compare(answer.err, "api_server/pod-applied-by-the-server.txt")


def test_a_stored_pod_can_be_changed_and_deleted(developer: Person) -> None:
    developer.apply(pod("lively"))

    assert developer.kubectl("label", "pod/lively", "app=a").out == "pod/lively labeled\n"
    image = ("set", "image", "pod/lively", "main=registry.example/app:2")
    assert developer.kubectl(*image).out == "pod/lively image updated\n"
    gone = developer.kubectl("delete", "pod/lively", "--wait=false")
    assert (gone.out, gone.err) == ('pod "lively" deleted from foo namespace\n', "")


def test_a_namespace_is_deleted_with_its_pods(developer: Person, admin: Person) -> None:
    developer.apply(pod("passenger"), namespace="doomed")

    gone = admin.kubectl("delete", "namespace", "doomed", "--timeout=60s")

    assert (gone.code, gone.out) == (0, 'namespace "doomed" deleted\n')


def test_both_doors_write_down_what_they_were_asked(developer: Person, sallyport: Serving) -> None:
    developer.create(pod("noted-", runtimeClassName="runc"))

    def noted(endpoint: str) -> list[JSON]:
        lines = sallyport.decisions(endpoint=endpoint, kind="Pod", user="developer")
        return [line for line in lines if line["name"].startswith("noted-")]

    await_that(lambda: bool(noted("validate")), "the decision is in the log")
    (mutated,), (validated,) = noted("mutate"), noted("validate")
    assert (mutated["name"], mutated["allowed"]) == ("noted-*", True)
    assert (validated["operation"], validated["allowed"]) == ("CREATE", False)
    assert validated["findings"] == [
        {
            "rule": "sandboxed-runtime-class",
            "check": "RUNTIME-CLASS",
            "effect": "deny",
            "path": "spec.runtimeClassName",
        }
    ]
