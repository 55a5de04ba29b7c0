"""`sallyport check --opa`: the same second voice, asked of the object as it would be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.model import JSON
from tests.opa.server import OpaServer
from tests.reviews import ask, bare_pod, pod
from webhook.cli import main

pytestmark = pytest.mark.control_plane

REGO = """\
package sallyport

findings contains {"rule": "class", "message": "is asked for after we mended", "level": "info"} if {
	input.request.object.spec.runtimeClassName == "kata-mshv-vm-isolation"
}

findings contains {"rule": "image", "path": "spec.containers[0].image", "message": "is odd"} if {
	not startswith(input.request.object.spec.containers[0].image, "registry.example/")
}

findings contains {"rule": "who", "message": concat(" ", [
	input.request.userInfo.username,
	input.request.operation,
	input.request.resource.resource,
	input.request.kind.version,
	input.namespace.name,
]), "level": "warn"} if input.request.name == "who"
"""


@pytest.fixture(scope="module")
def opa(opa_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    folder = tmp_path_factory.mktemp("opa")
    (folder / "site.rego").write_text(REGO, encoding="utf-8")
    with OpaServer(opa_program, folder, folder / "site.rego") as running:
        yield running


@pytest.fixture
def check(opa: OpaServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], view: Path) -> Any:
    """The exit code and the report about some objects."""

    def run(*objects: JSON, flags: tuple[str, ...] = ()) -> tuple[int, Any]:
        file = tmp_path / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        words = ["check", str(file), "-n", "shop", "--cluster", str(view), "-o", "json"]
        code = main([*words, "--opa", opa.url, *flags])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return run


def outside(report: Any) -> list[tuple[str, str]]:
    """The rules of OPA that spoke, and their effects."""
    return sorted(
        (found["rule"], found["effect"])
        for found in report["findings"]
        if found["rule"].startswith("opa/")
    )


def test_opa_is_asked_about_what_would_be_stored(check: Any) -> None:
    code, report = check(bare_pod())
    assert code == 1
    assert outside(report) == [("opa/class", "info"), ("opa/image", "deny")]
    (found,) = [f for f in report["findings"] if f["rule"] == "opa/image"]
    assert (found["path"], found["check"], found["line"]) == ("spec.containers[0].image", "OPA", 9)
    (judged,) = report["objects"]
    assert judged["patch"], "mended as ever"


def test_opa_sees_who_asks_what(check: Any) -> None:
    value = pod(name="who")
    value["spec"]["containers"][0]["image"] = "registry.example/app:1"
    _, report = check(value, flags=("--as", "somebody"))
    (found,) = [f for f in report["findings"] if f["rule"] == "opa/who"]
    assert found["message"] == "somebody CREATE pods v1 shop"


def test_a_recorded_review_is_asked_as_it_stands(check: Any) -> None:
    _, report = check(ask(pod(), name="who", dryRun=True))
    (found,) = [f for f in report["findings"] if f["rule"] == "opa/who"]
    assert found["message"] == "developer CREATE pods v1 shop"


def test_what_the_cluster_has_already_is_a_warning(check: Any, tmp_path: Path) -> None:
    stored = tmp_path / "stored.yaml"
    stored.write_text(yaml.safe_dump(pod()), encoding="utf-8")
    _, report = check(
        pod(labels={"istio.io/rev": "prod-stable", "a": "b"}), flags=("--cluster", str(stored))
    )
    assert ("opa/image", "warn") in outside(report)


def test_without_an_answer_nothing_is_allowed(check: Any, opa: OpaServer) -> None:
    opa.stop()
    try:
        code, report = check(pod())
        assert (code, outside(report)) == (1, [("opa/unavailable", "deny")])
        code, report = check(pod(), flags=("--opa-required",))
        assert code == 2
        assert report["errors"][0]["message"] == "OPA is required, and is not healthy"
    finally:
        opa.start()
    assert check(pod(), flags=("--opa-required",))[1]["errors"] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--opa-package", "a/b"), "--opa-package is 'a/b'"),
        (("--opa", "https://127.0.0.1", "--opa-ca", "none.crt"), "--opa-ca none.crt: "),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    flags: tuple[str, ...], said: str, check: Any
) -> None:
    code, complaint = check(pod(), flags=flags)
    assert code == 2
    assert said in complaint
