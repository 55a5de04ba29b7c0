"""The demo says what kubectl would print. Here kubectl prints it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.api_server.people import mask
from tests.api_server.serving import ROOT
from tests.control_plane.cluster import ControlPlane

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

SERVING = {"rulebook": "version: 1\n"}  # the built-in one, as the demo has it
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("[0-9]*.yaml"))


@pytest.fixture(scope="module")
def shown() -> Mapping[str, str]:
    """What the demo shows for each sample, by the name of its file."""
    command = [sys.executable, "-m", "webhook", "demo", "--once"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    blocks = re.finditer(r"(?ms)^\$ kubectl apply -f (\S+)\n(.*?)(?=^# |\Z)", done.stdout)
    return {found[1]: mask(found[2]).rstrip("\n") + "\n" for found in blocks}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_kubectl_prints_what_the_demo_shows(
    world: ControlPlane, shown: Mapping[str, str], sample: Path
) -> None:
    shutil.copy(sample, world.folder)  # where kubectl runs: it names the file as it was given

    words = ("apply", "-f", sample.name, "--dry-run=server")
    done = world.kubectl(*words, user="developer", check=False)

    if done.returncode:
        assert lines(mask(done.stderr)) == lines(shown[sample.name])
    else:
        assert done.stderr == ""
        assert shown[sample.name].startswith(done.stdout.replace(" (server dry run)", ""))


def lines(text: str) -> list[str]:
    """The lines without order and indentation: the API server puts the keys in an order of its own.

    What comes first in a list item is where the dash stands.
    """
    return sorted(line.strip(" -") for line in text.splitlines())
