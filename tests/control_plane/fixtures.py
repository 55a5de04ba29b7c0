"""What a test asks for: one control plane for the whole session, or an honest skip.

Import `control_plane` in a conftest.py. With SALLYPORT_REQUIRE_CONTROL_PLANE=1, as CI sets it,
a control plane that cannot be had is a failure; so it is with OPA.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.control_plane.binaries import Binaries, Unavailable, opa_binary, provide
from tests.control_plane.cluster import ControlPlane


@pytest.fixture(scope="session")
def control_plane_programs() -> Binaries:
    """For a test that wants a control plane of its own, with other flags."""
    try:
        return provide()
    except Unavailable as fault:
        _do_without(f"no control plane: {fault}")


@pytest.fixture(scope="session")
def opa_program() -> Path:
    """OPA, for tests that start servers of it."""
    try:
        return opa_binary()
    except Unavailable as fault:
        _do_without(f"no OPA: {fault}")


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("SALLYPORT_REQUIRE_CONTROL_PLANE") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def control_plane(
    control_plane_programs: Binaries,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ControlPlane]:
    """The one that all tests share: make namespaces of your own, and take away what is global."""
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(control_plane_programs, folder) as running:
        yield running
