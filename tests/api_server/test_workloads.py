"""Workloads: a mistake in a template shows when it is applied, and templates are never changed."""

from __future__ import annotations

import pytest

from rules.model import DEPLOYMENT, JOB, WORKLOADS, Kind
from tests.api_server.objects import KATA, NOT_MESHED, deployment, workload
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]


def test_a_deployment_with_a_wrong_class_is_denied_when_it_is_applied(developer: Person) -> None:
    answer = developer.apply(deployment("wrong", runtimeClassName="runc"))

    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, "api_server/deployment-on-runc.txt")
    assert developer.get("deployment/wrong") is None


def test_a_class_that_does_not_exist_is_told_to_the_author_at_once(developer: Person) -> None:
    """Of a bare pod the API server's own plugin says so; a template passes that plugin."""
    answer = developer.apply(deployment("absent", runtimeClassName="kata-vm-isolation"))

    assert answer.code == 1
    compare(answer.err, "api_server/deployment-on-a-class-that-is-absent.txt")


def test_two_mistakes_in_a_template_are_both_told(developer: Person) -> None:
    answer = developer.apply(deployment("two", NOT_MESHED, runtimeClassName="runc"))

    assert answer.code == 1
    compare(answer.err, "api_server/deployment-that-breaks-two-rules.txt")


@pytest.mark.parametrize("kind", WORKLOADS, ids=lambda kind: kind.kind)
def test_every_kind_of_workload_is_judged(developer: Person, kind: Kind) -> None:
    name = f"{kind.kind.lower()}/every"

    wrong = developer.apply(workload(kind, "every", runtimeClassName="runc"))
    assert wrong.code == 1
    assert 'runtimeClassName is "runc"; set it to' in wrong.err
    assert f"\n  in    {kind.kind} foo/every\n" in wrong.err

    assert developer.apply(workload(kind, "every")).code == 0
    update = developer.apply(workload(kind, "every", NOT_MESHED))
    refused = "field is immutable" if kind is JOB else "[sidecar-injected] spec."
    assert refused in update.err
    assert developer.kubectl("delete", name, "--wait=false").code == 0


def test_a_template_is_stored_as_it_was_written_and_its_pods_are_mended(developer: Person) -> None:
    written = deployment("normal")
    assert developer.apply(written).out == "deployment.apps/normal created\n"

    template = developer.get("deployment/normal")["spec"]["template"]
    assert "runtimeClassName" not in template["spec"]
    assert template["metadata"]["labels"] == written["spec"]["template"]["metadata"]["labels"]

    query = (
        "get",
        "pods",
        "--selector=app=normal",
        "-o",
        "jsonpath={.items[*].spec.runtimeClassName}",
    )
    await_that(lambda: developer.kubectl(*query).out == KATA, "its pod is stored, with the class")


def test_what_kubectl_edits_is_judged_as_an_update(developer: Person) -> None:
    developer.apply(deployment("edited"))
    change = '{"spec": {"template": {"spec": {"runtimeClassName": "runc"}}}}'

    answer = developer.kubectl("patch", "deployment/edited", "--patch", change)
    assert answer.code == 1
    compare(answer.err, "api_server/deployment-patched-onto-runc.txt")

    scaled = developer.kubectl("scale", "deployment/edited", "--replicas=0")
    assert scaled.out == "deployment.apps/edited scaled\n"


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_update_that_is_applied_is_judged(developer: Person, side: str) -> None:
    name, flags = f"of-the-{side}", (f"--server-side={side == 'server'}".lower(),)
    developer.apply(deployment(name), flags=flags)

    answer = developer.apply(deployment(name, runtimeClassName="runc"), flags=flags)

    assert answer.code == 1
    compare(answer.err, f"api_server/deployment-updated-by-apply-{side}-side.txt")
    assert "runtimeClassName" not in developer.get(f"deployment/{name}")["spec"]["template"]["spec"]


def test_a_server_dry_run_gives_the_same_answer(developer: Person) -> None:
    wrong = workload(DEPLOYMENT, "dry", runtimeClassName="runc")

    dry = developer.apply(wrong, flags=("--dry-run=server",))

    assert (dry.code, dry.err) == (1, developer.apply(wrong).err)
    assert developer.apply(deployment("dry"), flags=("--dry-run=server",)).code == 0
    assert developer.get("deployment/dry") is None
