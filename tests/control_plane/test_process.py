"""Programs beside the tests: they never outlive them, and a silent one is no riddle."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.control_plane.process import Process, StartFailed, free_ports

PARENT = dedent("""
    import pathlib, sys
    from tests.control_plane.process import Process

    child = Process(["/bin/sleep", "600"], pathlib.Path(sys.argv[1]))
    child.start({})
    print(child.pid, flush=True)
    sys.stdin.read()
""")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's alone")
def test_a_killed_parent_takes_the_program_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _is_alive(child)
        parent.kill()

    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_alive(child)


def test_a_program_that_ends_too_early_shows_its_last_words(tmp_path: Path) -> None:
    program = Process(["/bin/sh", "-c", "echo no such luck >&2; exit 1"], tmp_path / "log")
    program.start({})

    with pytest.raises(StartFailed, match=r"sh ended; the end of .*\n.*no such luck"):
        program.wait_until(lambda: False, seconds=10)


def test_a_program_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    program = Process(["/bin/sleep", "600"], tmp_path / "log")
    program.start({})
    try:
        with pytest.raises(StartFailed, match="sleep was not ready after 0 s"):
            program.wait_until(lambda: False, seconds=0.2)
    finally:
        program.stop()
    assert not program.is_running


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(50))) == 50


def _is_alive(pid: int) -> bool:
    """A dead process that nobody has fetched yet (state Z) counts as dead."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
