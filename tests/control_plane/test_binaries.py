"""Where programs come from: assets of the pinned version, then the cache, then a build."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.control_plane import binaries, toolchain
from tests.control_plane.binaries import Unavailable, istio_binaries, pinned_version, provide

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The packages built so far, by a compiler that only pretends, into an empty cache."""
    packages: list[str] = []

    def pretend(package: str, output: Path, *, module: Path, stamps: Mapping[str, str]) -> None:
        packages.append(package)
        _write_program(output, says="")

    monkeypatch.setattr(binaries, "build", pretend)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return packages


def test_everything_is_built_once(built: list[str]) -> None:
    first = provide()

    assert provide() == first
    assert built == [program.package for program in binaries.PROGRAMS]
    assert len(first.folders()) == 1


def test_istio_is_built_when_it_is_asked_for_and_once(built: list[str]) -> None:
    provide()
    assert not [package for package in built if "istio" in package]

    assert istio_binaries() == istio_binaries()
    names = [package.rpartition("/")[2] for package in built if "istio" in package]
    assert names == ["pilot-discovery", "istioctl"]


def test_assets_of_the_pinned_version_are_taken_and_the_rest_is_built(
    built: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assets = tmp_path / "assets"
    _write_program(assets / "etcd", says="etcd Version: 3.5.0")
    _write_program(assets / "kube-apiserver", says=f"Kubernetes {pinned_version()}")
    _write_program(assets / "kubectl", says=f"Client Version: {pinned_version()}")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    found = provide()

    assert found.kube_apiserver == assets / "kube-apiserver"
    assert found.kubectl == assets / "kubectl"
    assert found.etcd == assets / "etcd"
    assert built == ["k8s.io/kubernetes/cmd/kube-controller-manager"]


def test_assets_of_another_version_are_left_alone(
    built: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    _write_program(tmp_path / "kube-apiserver", says="Kubernetes v1.30.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert provide().kube_apiserver != tmp_path / "kube-apiserver"


def test_a_failed_build_leaves_nothing_in_place(
    built: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(package: str, output: Path, *, module: Path, stamps: Mapping[str, str]) -> None:
        output.write_text("half", encoding="utf-8")
        raise Unavailable("the disk is full")

    monkeypatch.setattr(binaries, "build", fail)
    with pytest.raises(Unavailable, match="the disk is full"):
        provide()
    monkeypatch.undo()
    assert not list(tmp_path.rglob("cache/sallyport/control-plane/*/etcd"))


def test_go_on_path_counts_when_new_enough(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    _write_program(tmp_path / "go", says="go1.99.1")
    assert toolchain.find_go(binaries.MODULE) == tmp_path / "go"

    _write_program(tmp_path / "go", says="go1.21.13")
    with pytest.raises(Unavailable, match=r"no Go 1\.26\.0 or newer .*go1\.21\.13"):
        toolchain.find_go(binaries.MODULE)


def test_without_go_on_path_the_python_package_has_one(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pytest.importorskip("go")
    monkeypatch.setenv("PATH", str(tmp_path))

    go = toolchain.find_go(binaries.MODULE)

    assert go.parts[-3:] == ("go", "bin", "go")


def test_what_go_says_is_in_the_reason(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example\n\ngo 1.26.0\n", encoding="utf-8")

    with pytest.raises(Unavailable, match=r"go build \./nothing failed: .*nothing"):
        toolchain.build("./nothing", tmp_path / "out", module=tmp_path, stamps={})


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_what_cannot_be_had_is_skipped_unless_it_is_required(
    required: str,
    outcome: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(control_plane): pass\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = os.environ | {
        "XDG_CACHE_HOME": "/dev/null",  # where nothing can be kept
        "KUBEBUILDER_ASSETS": "",
        "PYTHONPATH": str(REPOSITORY),
        "SALLYPORT_REQUIRE_CONTROL_PLANE": required,
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "tests.control_plane.fixtures"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert outcome in done.stdout
    assert "no control plane: no place to keep programs" in done.stdout


def _write_program(path: Path, *, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
