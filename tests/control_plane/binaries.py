"""The programs of the control plane: found where somebody put them, else built once and kept.

`python -m tests.control_plane.binaries` gets them ahead of the tests and prints their folders.
A cold build takes about seven minutes on two cores, 4 GB of Go's caches and 300 MB of ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.control_plane.toolchain import FLAGS, Unavailable, build

__all__ = [
    "Binaries",
    "Istio",
    "Unavailable",
    "istio_binaries",
    "load_binary",
    "opa_binary",
    "pinned_version",
    "provide",
]

MODULE = Path(__file__).parent
LOAD = MODULE / "load"
ISTIO = MODULE / "istio"
OPA = MODULE / "opa"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """One program, the package it is built from, and how it is asked for its version."""

    name: str
    package: str
    ask: tuple[str, ...] = ()  # empty: any version will do


PROGRAMS = (
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", ("--version",)),
    Program(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        ("--version",),
    ),
    Program("kubectl", "k8s.io/kubernetes/cmd/kubectl", ("version", "--client")),
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path

    def folders(self) -> list[Path]:
        """More than one where KUBEBUILDER_ASSETS has some of the programs only."""
        every = (self.etcd, self.kube_apiserver, self.kube_controller_manager, self.kubectl)
        return sorted({program.parent for program in every})


@dataclass(frozen=True, slots=True)
class Istio:
    """Where Istio's programs are."""

    pilot_discovery: Path
    istioctl: Path


def provide() -> Binaries:
    """Find or build every program; `Unavailable` says why one cannot be had."""
    version = pinned_version()
    kept = _cache_folder() / f"{version}-{_key(MODULE)}"
    found = {program.name: _asset(program, version) for program in PROGRAMS}
    for program in PROGRAMS:
        found[program.name] = found[program.name] or _kept_or_built(
            kept / program.name,
            program.package,
            module=MODULE,
            stamps=_stamps(version),
        )
    return Binaries(**{name.replace("-", "_"): path for name, path in found.items() if path})


def load_binary() -> Path:
    """The load generator of load/, built anew whenever its source changes."""
    kept = _cache_folder() / f"load-{_key(LOAD)}" / "load"
    return _kept_or_built(kept, ".", module=LOAD, stamps={})


def istio_binaries() -> Istio:
    """Istio's control plane and its command; cold it takes five minutes and 2 GB of Go's caches."""
    kept = _cache_folder() / f"istio-{_key(ISTIO)}"
    packages = ("pilot/cmd/pilot-discovery", "istioctl/cmd/istioctl")
    built = [
        _kept_or_built(
            kept / Path(package).name, f"istio.io/istio/{package}", module=ISTIO, stamps={}
        )
        for package in packages
    ]
    return Istio(*built)


def opa_binary() -> Path:
    """OPA, in the version that opa/go.mod names."""
    kept = _cache_folder() / f"opa-{_key(OPA)}" / "opa"
    return _kept_or_built(kept, "github.com/open-policy-agent/opa", module=OPA, stamps={})


def pinned_version() -> str:
    """The version of Kubernetes in go.mod, as `v1.36.3`."""
    text = (MODULE / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    if found is None:
        raise Unavailable("go.mod does not require k8s.io/kubernetes")
    return found[1]


def _stamps(version: str) -> Mapping[str, str]:
    """Without these the programs call themselves v0.0.0-master."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    fields = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": fields[name] for package in packages for name in fields}


def _asset(program: Program, version: str) -> Path | None:
    """The program in KUBEBUILDER_ASSETS, envtest's convention, unless of another version.

    A controller manager newer than its API server is no supported pair, so versions do not mix.
    """
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    path = Path(folder) / program.name if folder else None
    if path is None or not os.access(path, os.X_OK):
        return None
    if program.ask:
        said = subprocess.run(
            [str(path), *program.ask],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        if version not in said.split():
            LOG.warning("%s is not %s and is left alone", path, version)
            return None
    return path


def _kept_or_built(kept: Path, package: str, *, module: Path, stamps: Mapping[str, str]) -> Path:
    """`kept`, built first where it is missing. A file in place is always whole."""
    if os.access(kept, os.X_OK):
        return kept
    with _lock(kept.parent):
        if not os.access(kept, os.X_OK):  # another process may have built it meanwhile
            LOG.warning("building %s, which can take minutes the first time", kept.name)
            half_done = kept.parent / "building"
            shutil.rmtree(half_done, ignore_errors=True)  # of a process that was killed
            half_done.mkdir()
            build(package, half_done / kept.name, module=module, stamps=stamps)
            (half_done / kept.name).replace(kept)
            half_done.rmdir()
    return kept


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One builder at a time; the kernel lets go when the builder dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as fault:
        raise Unavailable(f"no place to keep programs: {fault}") from fault
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sallyport" / "control-plane"


def _key(module: Path) -> str:
    """Names what is built from what, and for which machine."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for source in [module / "go.mod", module / "go.sum", *sorted(module.glob("*.go"))]:
        if source.is_file():
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"{platform.system()}-{platform.machine()}-{digest.hexdigest()[:12]}".lower()


if __name__ == "__main__":
    try:
        for folder in provide().folders():
            sys.stdout.write(f"{folder}\n")
        load_binary()
        sys.stdout.write(f"{opa_binary().parent}\n")
    except Unavailable as fault:
        sys.exit(str(fault))
