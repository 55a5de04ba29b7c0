"""Policies of Cilium: what kubectl says of them, and what they mean for pods and each other."""

from __future__ import annotations

import pytest

from rules.model import JSON
from tests.api_server.network.policies import cilium, to_network
from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.api_server.people import Answer, Person
from tests.api_server.serving import ENFORCE, WARN, Serving
from tests.control_plane.cluster import ControlPlane
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("found")]

DRY = "--dry-run=server"
NAMES = {"toFQDNs": [{"matchName": "api.example.com"}]}
DNS = {
    "toEndpoints": [
        {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}}
    ],
    "toPorts": [
        {"ports": [{"port": "53", "protocol": "UDP"}], "rules": {"dns": [{"matchPattern": "*"}]}}
    ],
}
SHUT: JSON = {"ingress": [{}], "egress": [{}]}


def test_the_kinds_are_followed_once_they_are_installed(
    found: tuple[set[float], set[float]],
) -> None:
    assert found == ({0.0}, {1.0})


def test_names_without_ports_are_denied_and_the_mended_twin_is_stored(developer: Person) -> None:
    answer = developer.apply(cilium("partner", egress=[DNS, NAMES]))
    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, "api_server/cilium-names-without-ports.txt")

    ports = {"toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
    answer = developer.apply(cilium("partner", egress=[DNS, NAMES | ports]))
    assert answer.out == "ciliumnetworkpolicy.cilium.io/partner created\n", answer.err


def test_what_a_pod_may_reach_is_the_sum_of_what_is_stored(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(WARN)  # when this was written nobody refused it
    developer.apply(cilium("http", egress=[to_network("80")]))
    sallyport.adopt(ENFORCE)
    await_that(lambda: developer.create(pod("a"), flags=(DRY,)).code == 1, "it is known")
    compare(developer.apply(pod("let-out")).err, "api_server/pod-that-a-cilium-policy-lets-out.txt")

    developer.apply(cilium("no-http", egressDeny=[to_network("80")]))
    await_that(lambda: developer.apply(pod("let-out")).code == 0, "what is denied is out")


def test_the_last_isolation_stays_though_the_api_server_starts_again(
    world: ControlPlane, developer: Person
) -> None:
    def delete(name: str, *flags: str) -> Answer:
        return developer.kubectl("delete", f"ciliumnetworkpolicy/{name}", *flags, namespace="cut")

    world.create_namespace("cut", labels={"istio.io/rev": "asm-1-28"})
    developer.apply(cilium("first", **SHUT), namespace="cut")
    await_that(
        lambda: developer.apply(pod("a", {"app": "a"}), namespace="cut").code == 0, "it isolates"
    )
    await_that(lambda: delete("first", DRY).code == 1, "it is the last")
    compare(delete("first").err, "api_server/cilium-policy-that-is-the-last.txt")

    world.restart_apiserver()
    await_that(lambda: _is_kept(delete("first")), "it is known still, and never forgotten")

    assert developer.apply(cilium("second", **SHUT), namespace="cut").code == 0
    await_that(lambda: delete("first").code == 0, "there is another")
    await_that(lambda: delete("second", DRY).code == 1, "which is the last now")

    gone = ("delete", "pod/a", "--force", "--grace-period=0")
    assert developer.kubectl(*gone, namespace="cut").code == 0
    await_that(lambda: delete("second").code == 0, "nobody needs it")


def _is_kept(answer: Answer) -> bool:
    """Whether it was we who refused; an API server that starts knows not all kinds at once."""
    assert answer.code == 1
    return "[last-isolation-kept]" in answer.err
