"""What stands in world.yaml, put into a control plane and taken out."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.control_plane.cluster import ControlPlane

WORLD = Path(__file__).with_name("world.yaml")


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
