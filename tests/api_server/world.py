"""What stands in world.yaml, put into a control plane and taken out; and Istio's injector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.api_server.injector import Injector, registered
from tests.api_server.pilot import pilot
from tests.api_server.stand_in import stand_in
from tests.control_plane.cluster import ControlPlane

WORLD = Path(__file__).with_name("world.yaml")
REAL = "SALLYPORT_ISTIO"
"""Set to 1, the real injector is built and called; see `make test-istio`."""


def furnish(control_plane: ControlPlane) -> None:
    """Return when pods can be created in each of the namespaces."""
    text = WORLD.read_text(encoding="utf-8")
    for found in yaml.safe_load_all(text):
        if found["kind"] == "Namespace":
            metadata = found["metadata"]
            control_plane.create_namespace(metadata["name"], labels=metadata.get("labels"))
    control_plane.apply(text)


def clear(control_plane: ControlPlane) -> None:
    """Take it out; the namespaces go in their own time."""
    gone = ("--ignore-not-found", "--wait=false")
    control_plane.kubectl("delete", "-f", str(WORLD), *gone)


@contextmanager
def injecting(
    control_plane: ControlPlane, folder: Path, *, native: bool = True
) -> Iterator[Injector]:
    """The API server sends pods to Istio's injector for as long as the context lasts."""
    with ExitStack() as running:
        if os.environ.get(REAL) == "1":
            injector = running.enter_context(pilot(control_plane, folder, native=native))
        else:
            injector = running.enter_context(stand_in(folder, native=native))
        running.enter_context(registered(control_plane, injector))
        yield injector
