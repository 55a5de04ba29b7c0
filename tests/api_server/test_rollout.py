"""One server takes over from another while pods are created: not one request is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.api_server.doors import put_in, renamed
from tests.api_server.patience import await_that
from tests.api_server.pressure import Pressure
from tests.api_server.serving import Serving
from tests.control_plane.cluster import ControlPlane

pytestmark = pytest.mark.control_plane


def test_a_server_that_is_told_to_end_serves_until_its_successor_is_called(
    world: ControlPlane, sallyport: Serving, pressure: Pressure, tmp_path: Path
) -> None:
    folder = tmp_path / "successor"
    folder.mkdir()
    with Serving(folder) as successor:
        sallyport.send(signal.SIGTERM)
        pressure.go_on()
        put_in(world, renamed(successor.configurations(), "of-the-successor"))
        sallyport.send(signal.SIGTERM)  # a second one ends the wait for callers
        await_that(lambda: not sallyport.is_running, "the old server has ended")
        pressure.go_on()

        assert pressure.faults == []
