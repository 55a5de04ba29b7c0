"""The scene of the cases, and Sallyport in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api_server.cases.scene import staged
from tests.api_server.doors import opened
from tests.api_server.serving import Serving
from tests.cases.table import WORLD
from tests.control_plane.cluster import ControlPlane


@pytest.fixture(scope="package")
def sallyport(world: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server on the built-in rulebook, called for all of these tests."""
    folder = tmp_path_factory.mktemp("cases")
    with (
        staged(world),
        Serving(folder, rulebook="version: 1\n", view=WORLD) as server,
        opened(world, server),
    ):
        yield server
