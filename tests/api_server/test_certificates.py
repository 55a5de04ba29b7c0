"""Certificates that change while pods are created: not one request is lost."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest

from certs.issue import Pair, issue_authority, issue_leaf
from tests.api_server.doors import put_in, renamed
from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.pressure import Pressure
from tests.api_server.serving import HOST, Serving
from tests.control_plane.cluster import ControlPlane

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]


def reloads(server: Serving, result: str) -> float:
    return server.metrics("sallyport_reloads_total").get((result, "certificate"), 0)


def hand_over(server: Serving, pair: Pair, result: str) -> None:
    """Put a pair on the server's volume, and return when the server has looked at it."""
    before = reloads(server, result)
    server.volume.swap(pair)
    server.send(signal.SIGHUP)
    await_that(lambda: reloads(server, result) > before, f"the certificate's reload is {result}")


def test_another_authority_takes_over_and_no_request_is_lost(
    world: ControlPlane, sallyport: Serving, pressure: Pressure
) -> None:
    now = datetime.now(UTC)
    successor = issue_authority([HOST], now=now, generation=2)
    both = sallyport.authority + successor.certificate

    put_in(world, renamed(sallyport.configurations(bundle=both), "that-trust-both"))
    hand_over(sallyport, issue_leaf(successor, [HOST], now=now), "done")
    alone = sallyport.configurations(bundle=successor.certificate)
    put_in(world, renamed(alone, "that-trust-the-successor"))
    pressure.go_on()

    assert pressure.faults == []


def test_a_key_that_does_not_fit_changes_nothing(
    developer: Person, sallyport: Serving, pressure: Pressure
) -> None:
    now = datetime.now(UTC)
    authority = issue_authority([HOST], now=now)
    one, other = (issue_leaf(authority, [HOST], now=now) for _ in range(2))

    hand_over(sallyport, Pair(one.chain, other.key), "failed")
    pressure.go_on()

    assert pressure.faults == []
    assert developer.apply(pod("judged", runtimeClassName="runc")).code == 1
