"""The world, and Sallyport in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.api_server.doors import opened
from tests.api_server.people import Person
from tests.api_server.serving import WORLD, Serving
from tests.control_plane.cluster import ControlPlane


@pytest.fixture(scope="package")
def world(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with what stands in world.yaml, and afterwards without it."""
    text = WORLD.read_text(encoding="utf-8")
    for found in yaml.safe_load_all(text):
        if found["kind"] == "Namespace":
            metadata = found["metadata"]
            control_plane.create_namespace(metadata["name"], labels=metadata.get("labels"))
    control_plane.apply(text)
    yield control_plane
    gone = ("--ignore-not-found", "--wait=false")
    control_plane.kubectl("delete", "-f", str(WORLD), *gone)


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
    for namespace in ("foo", "bar", "drifted", "platform-tools"):
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
