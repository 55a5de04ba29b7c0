"""Policies of Calico, on a cluster where Calico enforces them: the same as those of Cilium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rules.model import JSON
from tests.api_server.network.policies import calico, rule
from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.api_server.people import Answer, Person
from tests.api_server.serving import ENFORCE, WARN, Serving
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("found", "_of_calico")]

DRY = "--dry-run=server"
TIER = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "Tier",
    "metadata": {"name": "platform"},
    "spec": {"order": 10, "defaultAction": "Pass"},
}
POLICY = "networkpolicies.projectcalico.org"


def of_calico(rulebook: str) -> str:
    """The same where Calico is the engine, and its own kinds count."""
    return rulebook.replace("engine: cilium", "engine: calico, enforced: [projectcalico.org/*]")


@pytest.fixture(scope="module")
def _of_calico(world: ControlPlane, sallyport: Serving) -> Iterator[None]:
    sallyport.adopt(of_calico(ENFORCE))
    yield
    sallyport.adopt(ENFORCE)
    for namespace in ("bar", "split"):  # Cilium would leave their pods open to all others
        world.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "-n", namespace)


def test_a_global_policy_that_opens_port_80_is_denied(admin: Person) -> None:
    answer = admin.apply(calico("web", "GlobalNetworkPolicy", egress=[rule("Allow", 80)]))
    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, "api_server/calico-global-policy-that-opens-http.txt")

    answer = admin.apply(calico("web", "GlobalNetworkPolicy", egress=[rule("Allow", 443)]))
    assert answer.out == "globalnetworkpolicy.projectcalico.org/web created\n", answer.err
    admin.kubectl("delete", "globalnetworkpolicy/web")


def test_what_a_pod_may_reach_is_decided_in_the_order_of_tiers(
    developer: Person, admin: Person, sallyport: Serving
) -> None:
    sallyport.adopt(of_calico(WARN))  # when this was written nobody refused it
    developer.apply(calico("http", egress=[rule("Allow", 80)]), namespace="bar")
    sallyport.adopt(of_calico(ENFORCE))

    def create(*flags: str) -> Answer:
        return developer.create(pod("let-out"), flags=flags, namespace="bar")

    await_that(lambda: create(DRY).code == 1, "it is known")
    compare(create().err, "api_server/pod-that-a-calico-policy-lets-out.txt")

    denial = calico(
        "platform.no-http", "GlobalNetworkPolicy", tier="platform", egress=[rule("Deny", 80)]
    )
    assert admin.apply(TIER, denial).code == 0
    await_that(lambda: create().code == 0, "the platform's tier comes first")


def test_the_last_isolation_stays_though_the_api_server_starts_again(
    world: ControlPlane, developer: Person
) -> None:
    def delete(name: str, *flags: str) -> Answer:
        return developer.kubectl("delete", f"{POLICY}/{name}", *flags, namespace="split")

    both: JSON = {"types": ["Ingress", "Egress"]}
    world.create_namespace("split", labels={"istio.io/rev": "asm-1-28"})
    developer.apply(calico("first", **both), namespace="split")
    await_that(
        lambda: developer.apply(pod("a", {"app": "a"}), namespace="split").code == 0, "it isolates"
    )
    await_that(lambda: delete("first", DRY).code == 1, "it is the last")
    compare(delete("first").err, "api_server/calico-policy-that-is-the-last.txt")

    world.restart_apiserver()
    assert delete("first").code == 1

    developer.apply(calico("second", **both), namespace="split")
    await_that(lambda: delete("first").code == 0, "there is another")
    await_that(lambda: delete("second", DRY).code == 1, "which is the last now")
