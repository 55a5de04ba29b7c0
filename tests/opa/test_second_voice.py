"""OPA beside our own rules: what it says counts as the rulebook has it, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.model import DEPLOYMENT, NAMESPACE
from tests.faults.serving import Serving
from tests.opa.server import OpaServer
from tests.reviews import (
    ask,
    ask_stored,
    ask_update,
    bare_pod,
    causes,
    deployment,
    pod,
    reasons,
    wrong_pod,
)

pytestmark = pytest.mark.control_plane

SITE = Path(__file__).with_name("site.rego")
BOOK = """\
version: 1
rules:
  sandboxed-runtime-class: {action: warn}
  opa/*: {overrides: [{namespaceSelector: {matchLabels: {stage: canary}}, action: audit}]}
  opa/staged: {action: warn}
  opa/quiet: {action: "off"}
  opa/strict: {ratchet: false}
"""


@pytest.fixture(scope="module")
def opa(opa_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    with OpaServer(opa_program, tmp_path_factory.mktemp("opa"), SITE) as running:
        yield running


@pytest.fixture(scope="module")
def server(
    opa: OpaServer, keys: Path, view: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    book = tmp_path_factory.mktemp("book") / "rulebook.yaml"
    book.write_text(BOOK, encoding="utf-8")
    with Serving(keys, "--cluster", view, "--rulebook", book, "--opa", opa.url) as serving:
        yield serving
        assert "Traceback" not in serving.errors


def about(name: str, value: Any = None, **request: Any) -> Any:
    """The creation of a pod of this name."""
    return ask_stored(pod() if value is None else value, name=name, **request)


def of_images(*images: str) -> Any:
    """A pod with a container for each image, named a, b ..."""
    containers = [
        {"name": name, "image": image} for name, image in zip("abc", images, strict=False)
    ]
    return pod({"containers": containers})


def test_what_opa_allows_is_allowed(server: Serving) -> None:
    response = server.ask(about("web"))
    assert response["allowed"]
    assert "warnings" not in response


def test_a_text_denies(server: Serving) -> None:
    response = server.ask(about("bare"))
    assert causes(response) == [("opa/finding", "")]
    assert response["status"]["message"].startswith("[opa/finding] is not liked\n")


def test_a_map_names_rule_place_and_fix(server: Serving) -> None:
    response = server.ask(about("full", pod({"hostNetwork": True}), uid="full"))
    assert ("opa/no-host-network", "spec.hostNetwork") in causes(response)
    said = response["status"]["message"]
    assert "[opa/no-host-network] spec.hostNetwork is true; this site wants false" in said
    assert "hostNetwork: false   # was true" in said, "shown"
    assert "patch" not in response
    assert "opa/no-host-network" in response["auditAnnotations"]["denied-by"]
    line = server.line("full")
    (found,) = [f for f in line["findings"] if f["rule"].startswith("opa/")]
    assert found == {
        "rule": "opa/no-host-network",
        "check": "OPA",
        "effect": "deny",
        "path": "spec.hostNetwork",
    }
    labels = {"rule": "opa/no-host-network", "effect": "deny"}
    assert server.metric("rule_results_total", **labels) == 1


def test_a_fix_of_opa_is_never_applied(server: Serving) -> None:
    response = server.ask(about("full", pod({"hostNetwork": True})), "/mutate")
    assert "patch" not in response


def test_levels_are_those_of_any_rule(server: Serving) -> None:
    warned = server.ask(about("warned"))
    assert (warned["allowed"], warned["warnings"]) == (True, ["[opa/old] is deprecated"])
    noted = server.ask(about("noted", uid="noted"))
    assert noted["allowed"]
    assert "warnings" not in noted
    assert server.line("noted")["findings"][0]["effect"] == "info"


def test_both_voices_are_heard(server: Serving) -> None:
    response = server.ask(about("bare", wrong_pod()))
    assert reasons(response) == {"opa/finding"}
    assert response["warnings"][0].startswith("[sandboxed-runtime-class]")


def test_actions_are_those_of_the_rulebook(server: Serving) -> None:
    assert server.ask(about("staged"))["warnings"] == ["[opa/staged] must have an owner"]
    quiet = server.ask(about("quiet", uid="quiet"))
    assert quiet["allowed"]
    assert "findings" not in server.line("quiet")
    assert reasons(server.ask(about("other"))) == {"opa/other"}


def test_an_override_for_all_of_opa_holds_for_tenants(server: Serving) -> None:
    response = server.ask(about("bare", namespace="canary", uid="canary"))
    assert response["allowed"]
    assert response["auditAnnotations"]["audited"] == "opa/finding"


def test_only_validation_asks(server: Serving) -> None:
    asked = server.metric("opa_questions_total")
    server.ask(about("bare", bare_pod()), "/mutate")
    assert server.metric("opa_questions_total") == asked
    server.ask(about("web"))
    assert server.metric("opa_questions_total") == asked + 1, "once for a review"


def test_housekeeping_asks_nobody(server: Serving) -> None:
    asked = server.metric("opa_questions_total")
    collector = {"username": "system:serviceaccount:kube-system:generic-garbage-collector"}
    gone = about("bare", None, operation="DELETE", old=pod(), userInfo=collector)
    assert server.ask(gone | {"request": {**gone["request"], "object": None}})["allowed"]
    assert server.metric("opa_questions_total") == asked


def test_what_was_stored_before_is_a_warning(server: Serving) -> None:
    stored = of_images("elsewhere/a:1", "registry.example/b:1")
    moved = of_images("registry.example/b:1", "elsewhere/a:1")
    moved["spec"]["containers"][0]["name"] = "b"
    moved["spec"]["containers"][1]["name"] = "a"
    response = server.ask(ask_update(moved, stored, name="image"))
    assert response["allowed"], "the same container, in another place of the list"
    assert any("[opa/registry]" in line for line in response["warnings"])
    worse = of_images("elsewhere/a:1", "elsewhere/b:1")
    response = server.ask(ask_update(worse, stored, name="image"))
    assert causes(response) == [("opa/registry", "spec.containers[1].image")]


def test_a_strict_rule_excuses_nothing(server: Serving) -> None:
    assert reasons(server.ask(ask_update(pod(), pod(), name="strict"))) == {"opa/strict"}
    assert server.ask(ask_update(pod(), pod(), name="other"))["allowed"]


def echo(server: Serving, review: Any) -> Any:
    """What OPA was told of a review."""
    found = server.ask(review)["status"]["details"]["causes"]
    (said,) = [cause["message"] for cause in found if cause["reason"] == "opa/echo"]
    return json.loads(said)


def test_opa_is_told_where_the_object_is(server: Serving) -> None:
    assert echo(server, about("echo")) == {
        "namespace": {"name": "shop", "labels": {"sallyport.dev/tenant": "blue"}},
        "tenant": "blue",
        "trusted": False,
    }
    trusted = echo(server, about("echo", namespace="kube-system"))
    assert (trusted["tenant"], trusted["trusted"]) == ("", True)
    itself = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "echo"}}
    told = echo(server, ask(itself, NAMESPACE, name="echo", namespace="echo"))
    assert told == {"namespace": None, "tenant": "", "trusted": False}


def test_a_template_is_judged_as_it_is_written(server: Serving) -> None:
    review = ask(deployment(pod()), DEPLOYMENT, name="bare")
    assert causes(server.ask(review)) == [("opa/finding", "")]
