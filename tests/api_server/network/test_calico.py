"""Policies of Calico, on a cluster where Calico enforces them: the same as those of Cilium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


def of_calico(rulebook: str) -> str:
    """The same where Calico is the engine, and its own kinds count."""
    enforced = "[projectcalico.org/*, crd.projectcalico.org/*]"
    return rulebook.replace("engine: cilium", f"engine: calico, enforced: {enforced}")


@pytest.fixture(scope="module")
def _of_calico(world: ControlPlane, sallyport: Serving) -> Iterator[None]:
    sallyport.adopt(of_calico(ENFORCE))
    yield
    sallyport.adopt(ENFORCE)
    # Cilium would leave them open to all others.
    world.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "-n", "bar")


def test_a_global_policy_that_opens_port_80_is_denied(admin: Person) -> None:
    answer = admin.apply(calico("web", "GlobalNetworkPolicy", egress=[rule("Allow", 80)]))
    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, "api_server/calico-global-policy-that-opens-http.txt")

    answer = admin.apply(calico("web", "GlobalNetworkPolicy", egress=[rule("Allow", 443)]))
    assert answer.out == "globalnetworkpolicy.projectcalico.org/web created\n", answer.err
    assert admin.kubectl("delete", "globalnetworkpolicies.projectcalico.org/web").code == 0


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


def test_a_set_that_opens_port_80_to_somebody_is_denied(admin: Person, sallyport: Serving) -> None:
    """The policy names the set by its labels, and says nothing bad as long as there is none."""
    to_partners = {"selector": "role == 'partner'", "ports": [80]}
    egress = [{"action": "Allow", "protocol": "TCP", "destination": to_partners}]
    partners = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkSet",
        "metadata": {"name": "partners", "labels": {"role": "partner"}},
        "spec": {"nets": ["198.51.100.0/24"]},
    }
    sallyport.adopt(of_calico(WARN))
    admin.apply(calico("partners", "GlobalNetworkPolicy", egress=egress))
    sallyport.adopt(of_calico(ENFORCE))
    await_that(lambda: admin.apply(partners, flags=(DRY,)).code == 1, "the policy is known")
    compare(admin.apply(partners).err, "api_server/calico-set-that-opens-http.txt")
    assert admin.kubectl("delete", "globalnetworkpolicies.projectcalico.org/partners").code == 0
    await_that(lambda: admin.apply(partners).code == 0, "nobody names it any more")


@pytest.fixture
def split(world: ControlPlane) -> Iterator[str]:
    """A namespace that no policy is about."""
    world.create_namespace("split", labels={"istio.io/rev": "asm-1-28"})
    yield "split"
    world.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "-n", "split")
    world.kubectl("delete", "namespace/split")


@pytest.mark.parametrize("api", ["projectcalico.org/v3", "crd.projectcalico.org/v1"])
def test_the_last_isolation_stays_though_the_api_server_starts_again(
    api: str, world: ControlPlane, developer: Person, split: str
) -> None:
    def add(name: str) -> Answer:
        policy = calico(name, api=api, types=["Ingress", "Egress"])
        return developer.apply(policy, namespace=split)

    def delete(name: str, *flags: str) -> Answer:
        which = f"networkpolicies.{api.partition('/')[0]}/{name}"
        return developer.kubectl("delete", which, *flags, namespace=split)

    assert add("first").code == 0
    web = pod("a", {"app": "a"})
    await_that(lambda: developer.apply(web, namespace=split).code == 0, "it isolates")
    await_that(lambda: delete("first", DRY).code == 1, "it is the last")
    compare(delete("first").err, "api_server/calico-policy-that-is-the-last.txt")

    world.restart_apiserver()
    await_that(lambda: _is_kept(delete("first")), "it is known still, and never forgotten")

    assert add("second").code == 0
    await_that(lambda: delete("first").code == 0, "there is another")
    await_that(lambda: delete("second", DRY).code == 1, "which is the last now")


def _is_kept(answer: Answer) -> bool:
    """Whether it was we who refused; an API server that starts knows not all kinds at once."""
    assert answer.code == 1
    return "[last-isolation-kept]" in answer.err
