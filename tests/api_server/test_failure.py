"""The server is gone: what fails closed, what fails open, and what never depended on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api_server.doors import opened
from tests.api_server.objects import pod, policy
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.serving import Serving
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def crashed(world: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that was called, and is gone."""
    with Serving(tmp_path_factory.mktemp("crashed")) as server, opened(world, server):
        Person(world).apply(pod("older"))
        server.stop()
        yield server


@pytest.fixture
def failing_open(world: ControlPlane, crashed: Serving, developer: Person) -> Iterator[None]:
    """The same, where the configurations say Ignore."""
    world.apply(crashed.configurations(failure_policy="Ignore"))
    dry = ("--dry-run=server",)
    await_that(lambda: developer.apply(pod("a"), flags=dry).code == 0, "failures are ignored")
    yield
    world.apply(crashed.configurations(failure_policy="Fail"))
    await_that(lambda: developer.apply(pod("a"), flags=dry).code == 1, "failures count again")


def test_what_nobody_judged_is_refused(developer: Person, crashed: Serving) -> None:
    answer = developer.apply(pod("unjudged"))
    assert answer.code == 1
    compare(answer.err, "api_server/pod-while-the-server-is-down.txt")

    answer = developer.apply(policy("unjudged", 443))
    assert answer.code == 1
    compare(answer.err, "api_server/policy-while-the-server-is-down.txt")


def test_the_platform_and_other_kinds_go_on(developer: Person, crashed: Serving) -> None:
    assert developer.apply(pod("tool"), namespace="platform-tools").code == 0
    assert (
        developer.apply(pod("dns"), namespace="kube-system", flags=("--dry-run=server",)).code == 0
    )
    assert developer.kubectl("create", "configmap", "settings").code == 0
    assert developer.kubectl("delete", "configmap", "settings").code == 0


def test_deleting_and_scaling_go_on(developer: Person, crashed: Serving) -> None:
    gone = developer.kubectl("delete", "pod/older", "--wait=false")

    assert (gone.code, gone.err) == (0, "")


def test_with_ignore_everything_passes_as_it_was_written(
    developer: Person, failing_open: None
) -> None:
    answer = developer.apply(pod("unjudged", runtimeClassName="runc"), policy("unjudged", 80))

    assert (answer.code, answer.err) == (0, "")
    assert developer.get("pod/unjudged")["spec"]["runtimeClassName"] == "runc"


def test_a_server_that_is_back_judges_again(
    world: ControlPlane,
    developer: Person,
    crashed: Serving,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Serving(tmp_path_factory.mktemp("back")) as server:
        world.apply(server.configurations())

        def verdict() -> str:
            return developer.apply(pod("wrong", runtimeClassName="runc")).err

        await_that(lambda: "[sandboxed-runtime-class]" in verdict(), "somebody judges")
        assert developer.apply(policy("judged", 80)).code == 1
