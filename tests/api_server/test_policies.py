"""Network policies: plain HTTP out of the cluster is denied, and its mended twin is stored."""

from __future__ import annotations

import pytest

from tests.api_server.objects import policy
from tests.api_server.people import Person
from tests.golden import compare

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]


def test_a_policy_that_opens_port_80_is_denied_and_its_mended_twin_stored(
    developer: Person,
) -> None:
    answer = developer.apply(policy("web", 80))

    assert (answer.code, answer.out) == (1, "")
    compare(answer.err, "api_server/policy-that-opens-http.txt")
    assert developer.get("networkpolicy/web") is None

    answer = developer.apply(policy("web", 443))
    assert (answer.out, answer.err) == ("networkpolicy.networking.k8s.io/web created\n", "")


def test_a_policy_without_ports_opens_port_80_too(developer: Person) -> None:
    answer = developer.apply(policy("all-ports"))

    assert answer.code == 1
    compare(answer.err, "api_server/policy-without-ports.txt")


def test_a_policy_that_is_only_doubtful_is_stored_with_a_warning(developer: Person) -> None:
    answer = developer.apply(policy("doubtful", 8080))

    assert answer.out == "networkpolicy.networking.k8s.io/doubtful created\n"
    compare(answer.err, "api_server/policy-that-opens-8080.txt")


def test_an_update_that_opens_port_80_is_denied(developer: Person) -> None:
    developer.apply(policy("narrow", 443))

    answer = developer.apply(policy("narrow", 443, 80))

    assert answer.code == 1
    assert "[no-plain-http-egress] spec.egress[0].ports[1].port is 80 to 192.0.2.0/24" in answer.err


def test_the_platform_is_not_asked(developer: Person) -> None:
    answer = developer.apply(policy("web", 80), namespace="platform-tools")

    assert (answer.out, answer.err) == ("networkpolicy.networking.k8s.io/web created\n", "")
