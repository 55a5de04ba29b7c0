"""The world, and Sallyport in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.doors import opened
from tests.api_server.people import Person
from tests.api_server.pressure import Pressure
from tests.api_server.serving import Serving
from tests.api_server.world import clear, furnish, injecting
from tests.control_plane.cluster import ControlPlane


@pytest.fixture(scope="package")
def world(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """The control plane with what stands in world.yaml and Istio's injector, then without."""
    furnish(control_plane)
    with injecting(control_plane, tmp_path_factory.mktemp("istio")):
        yield control_plane
    clear(control_plane)


@pytest.fixture(scope="module")
def sallyport(
    world: ControlPlane, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[Serving]:
    """A server on the rulebook that enforces, called for the tests of one module.

    A module that wants another one sets SERVING: arguments of `serving.Serving`.
    """
    arguments = getattr(request.module, "SERVING", {})
    with (
        Serving(tmp_path_factory.mktemp("sallyport"), **arguments) as server,
        opened(world, server),
    ):
        yield server
    everything = "deployments,replicasets,pods,networkpolicies,jobs,cronjobs"
    for namespace in ("foo", "bar", "drifted", "unmeshed", "platform-tools"):
        gone = ("delete", everything, "--all", "--namespace", namespace, "--wait=false")
        world.kubectl(*gone)


@pytest.fixture(scope="module")
def developer(world: ControlPlane) -> Person:
    """Of the tenants."""
    return Person(world)


@pytest.fixture(scope="module")
def admin(world: ControlPlane) -> Person:
    """Of the platform."""
    return Person(world, "admin")


@pytest.fixture
def pressure(world: ControlPlane, sallyport: Serving, tmp_path: Path) -> Iterator[Pressure]:
    """Pods that are created all the while."""
    with Pressure(world, tmp_path) as running:
        yield running
