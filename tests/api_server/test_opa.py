"""From kubectl through the API server and Sallyport to OPA, and all the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.model import JSON
from tests.api_server.doors import opened
from tests.api_server.objects import IMAGE, pod
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.serving import ENFORCE, Serving
from tests.control_plane.cluster import ControlPlane
from tests.opa.server import OpaServer

pytestmark = pytest.mark.control_plane

REGO = """\
package sallyport

findings contains {
	"rule": "kata-only",
	"path": "spec.runtimeClassName",
	"message": sprintf("is %v, as somebody filled it in", [class]),
	"level": "warn",
} if {
	input.request.operation == "CREATE"
	class := input.request.object.spec.runtimeClassName
}

findings contains {
	"rule": "owner",
	"path": "metadata.labels[owner]",
	"message": sprintf("is not set; %v in %v sets it to a team", [user, input.namespace.name]),
} if {
	user := input.request.userInfo.username
	input.request.kind.kind == "Pod"
	not input.request.object.metadata.labels.owner
}
"""
OWNED = {"owner": "blue"}


@pytest.fixture(scope="module")
def opa(opa_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    folder = tmp_path_factory.mktemp("opa")
    (folder / "site.rego").write_text(REGO, encoding="utf-8")
    with OpaServer(opa_program, folder, folder / "site.rego") as running:
        yield running


@pytest.fixture(scope="module")
def asking(
    world: ControlPlane, opa: OpaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """Sallyport, which asks OPA too, in front of the API server."""
    flags = ("--opa", opa.url, "--opa-required")
    with (
        Serving(tmp_path_factory.mktemp("sallyport"), rulebook=ENFORCE, flags=flags) as server,
        opened(world, server),
    ):
        yield server
    world.kubectl("delete", "pods", "--all", "--namespace", "foo", "--wait=false")


def owned(name: str) -> JSON:
    """A pod that says who owns it."""
    return pod(name, OWNED)


def test_what_opa_says_reaches_the_author(asking: Serving, developer: Person) -> None:
    refused = developer.apply(pod("nobodys"))
    assert refused.code == 1
    assert (
        "[opa/owner] metadata.labels[owner] is not set; developer in foo sets it to a team"
        in refused.err
    )
    assert developer.get("pod/nobodys") is None


def test_opa_sees_what_will_be_stored_and_its_warnings_are_shown(
    asking: Serving, developer: Person
) -> None:
    created = developer.apply(owned("somebodys"))
    assert created.out == "pod/somebodys created\n"
    assert "[opa/kata-only] spec.runtimeClassName is kata-mshv-vm-isolation, as" in created.err


def test_an_opa_that_is_gone_allows_nothing(
    asking: Serving, opa: OpaServer, developer: Person
) -> None:
    opa.stop()
    try:
        refused = developer.apply(owned("late"))
        assert refused.code == 1
        assert "[opa/unavailable] OPA could not decide, and is not taken to allow" in refused.err
        assert developer.get("pod/late") is None
    finally:
        opa.start()
    await_that(lambda: developer.apply(owned("late")).code == 0, "OPA decides again")
    assert IMAGE in str(developer.get("pod/late"))
