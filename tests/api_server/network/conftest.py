"""A control plane whose API server is started again, and a server that follows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rules.model import CALICO_POLICIES, CALICO_TERMS, CILIUM_CIDR_GROUP, CILIUM_POLICIES
from tests.api_server.definitions import define, install
from tests.api_server.doors import opened
from tests.api_server.patience import await_that
from tests.api_server.serving import ENFORCE, Serving
from tests.api_server.world import furnish, injecting
from tests.control_plane.binaries import Binaries
from tests.control_plane.cluster import ControlPlane

KINDS = (*CILIUM_POLICIES, CILIUM_CIDR_GROUP, *CALICO_POLICIES, *CALICO_TERMS)


@pytest.fixture(scope="package")
def world(
    control_plane_programs: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """One with what stands in world.yaml, Istio's injector, and none of these kinds yet."""
    with ControlPlane(control_plane_programs, tmp_path_factory.mktemp("network")) as running:
        furnish(running)
        with injecting(running, tmp_path_factory.mktemp("istio")):
            yield running


@pytest.fixture(scope="package")
def sallyport(world: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server on the rulebook that enforces, called for all of these tests."""
    folder = tmp_path_factory.mktemp("follower")
    with Serving(folder, rulebook=ENFORCE, follows=world) as server, opened(world, server):
        yield server


@pytest.fixture(scope="package")
def found(world: ControlPlane, sallyport: Serving) -> tuple[set[float], set[float]]:
    """Whether the kinds were served before they were installed, and after; now they are."""
    before = set(_served(sallyport).values())
    install(world, [define(kind) for kind in KINDS])
    await_that(lambda: set(_served(sallyport).values()) == {1.0}, "they are found")
    return before, set(_served(sallyport).values())


def _served(server: Serving) -> dict[str, float]:
    samples = server.metrics("sallyport_view_served")
    names = {
        kind.kind if kind.group == "cilium.io" else f"{kind.kind}.{kind.group}" for kind in KINDS
    }
    return {name: samples[name,] for name in names}
