"""What the operator decides: actions, overrides for tenants, `--audit`, `--no-mutate`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.model import DEPLOYMENT, NETWORK_POLICY
from tests.faults.serving import Serving
from tests.reviews import (
    ask,
    ask_deployment,
    ask_policy,
    ask_stored,
    ask_update,
    bare_pod,
    causes,
    deployment,
    pod,
    policy,
    reasons,
    wrong_pod,
)

STAGED = """\
version: 1
action: audit
messages: {docs: "https://example.com/rules", contact: "#platform"}
rules:
  well-formed: {action: enforce}
  sidecar-injected: {action: "off"}
  sandboxed-runtime-class:
    action: warn
    mend: warn
    overrides:
    - {namespaceSelector: {matchLabels: {stage: canary}}, action: enforce}
    - {namespaceSelector: {matchLabels: {sallyport.dev/tenant: blue}}, action: warn}
  no-plain-http-egress:
    action: enforce
    ratchet: false
"""


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory, keys: Path, view: Path) -> Iterator[Serving]:
    book = tmp_path_factory.mktemp("staged") / "rulebook.yaml"
    book.write_text(STAGED, encoding="utf-8")
    with Serving(keys, "--cluster", view, "--rulebook", book) as serving:
        yield serving


@pytest.fixture(scope="module")
def auditing(keys: Path, view: Path) -> Iterator[Serving]:
    environment = {"SALLYPORT_AUDIT": "true"}
    with Serving(keys, "--cluster", view, environment=environment) as serving:
        yield serving


@pytest.fixture(scope="module")
def validating(keys: Path, view: Path) -> Iterator[Serving]:
    with Serving(keys, "--cluster", view, "--no-mutate") as serving:
        yield serving


def effects(server: Serving, uid: str) -> dict[str, str]:
    """Which rules spoke of a review, and with what effect."""
    return {f["rule"]: f["effect"] for f in server.line(uid).get("findings", ())}


def test_warn_tells_and_allows(staged: Serving) -> None:
    response = staged.ask(ask_stored(wrong_pod(), uid="warn"))
    assert response["allowed"]
    assert response["warnings"] == [
        '[sandboxed-runtime-class] spec.runtimeClassName is "runc"; '
        'set it to "kata-mshv-vm-isolation"'
    ]
    assert effects(staged, "warn") == {"sandboxed-runtime-class": "warn"}


def test_an_override_holds_for_the_namespaces_it_selects(staged: Serving) -> None:
    response = staged.ask(ask(wrong_pod(), namespace="canary"))
    assert reasons(response) == {"sandboxed-runtime-class"}
    assert staged.ask(ask(wrong_pod(), namespace="elsewhere"))["allowed"]


def test_off_is_silent(staged: Serving) -> None:
    assert staged.ask(ask(pod(labels={}), uid="off")) == {
        "uid": "off",
        "allowed": True,
        "auditAnnotations": {"decision-id": "off"},
    }
    assert effects(staged, "off") == {}


def test_mend_warn_fills_in_while_the_rule_only_warns(staged: Serving) -> None:
    for namespace in ("shop", "canary"):
        response = staged.ask(ask(bare_pod(), namespace=namespace), "/mutate")
        (operation,) = json.loads(base64.b64decode(response["patch"]))
        assert operation["path"] == "/spec/runtimeClassName"


def test_a_strict_rule_excuses_nothing(staged: Serving) -> None:
    old = policy(80)
    response = staged.ask(ask_update(policy(80, labels={"a": "b"}), old, NETWORK_POLICY))
    assert reasons(response) == {"no-plain-http-egress"}


def test_a_denial_ends_with_what_the_rulebook_says_of_help(staged: Serving) -> None:
    message = staged.ask(ask_policy(80))["status"]["message"]
    assert message.split("\n")[-3:] == [
        "  docs  https://example.com/rules",
        "  ask   #platform",
        "  ref   0123abcd",
    ]


def test_audit_denies_nothing_tells_nobody_and_counts_everything(auditing: Serving) -> None:
    asked = [
        ("pod", ask(wrong_pod(), uid="pod"), "sandboxed-runtime-class"),
        ("policy", ask_policy(80), "no-plain-http-egress"),
        ("deployment", ask_deployment(wrong_pod()), "sandboxed-runtime-class"),
        ("malformed", ask("text"), "well-formed"),
    ]
    for uid, review, rule in asked:
        review["request"]["uid"] = uid
        before = auditing.metric("rule_results_total", rule=rule, effect="audit")
        response = auditing.ask(review)
        assert response["allowed"]
        assert "warnings" not in response
        assert rule in response["auditAnnotations"]["audited"].split(",")
        assert effects(auditing, uid)[rule] == "audit"
        auditing.counts(before + 1, "rule_results_total", rule=rule, effect="audit")


def test_audit_fills_in_nothing(auditing: Serving) -> None:
    response = auditing.ask(ask(bare_pod()), "/mutate")
    assert (response["allowed"], "patch" in response) == (True, False)
    response = auditing.ask(ask_deployment(bare_pod()))
    audited = response["auditAnnotations"]["audited"].split(",")
    assert audited == ["sandboxed-runtime-class", "sidecar-injected"]


def test_audit_lets_pass_what_is_nested_too_deeply(auditing: Serving) -> None:
    body = json.dumps(ask(pod())).replace('"web:1"', "[" * 5000 + "]" * 5000).encode()
    response = auditing.send(body).response
    assert response["allowed"]
    assert response["auditAnnotations"]["audited"] == "well-formed"


@pytest.mark.parametrize("make", [bare_pod, lambda: pod({"runtimeClassName": ""}, labels={})])
def test_without_mutation_a_missing_value_is_a_finding(validating: Serving, make: Any) -> None:
    for review in (ask(make()), ask_deployment(make())):
        response = validating.ask(review)
        assert reasons(response) == {"sandboxed-runtime-class", "sidecar-injected"}
        assert "patch" not in response
    response = validating.ask(ask(make()), "/mutate")
    assert "patch" not in response, "nobody registered it, and it patches nothing"


def test_without_mutation_what_is_stated_passes(validating: Serving) -> None:
    assert validating.ask(ask_stored(pod())) == validating.ask(ask_stored(pod()), "/mutate")
    assert validating.ask(ask_stored(pod()))["allowed"]
    assert validating.ask(ask_deployment(pod()))["allowed"]
    assert causes(validating.ask(ask_stored(wrong_pod()))) == [
        ("sandboxed-runtime-class", "spec.runtimeClassName")
    ]


def test_without_mutation_what_istio_injected_is_not_taken_for_forged(
    validating: Serving, server: Serving
) -> None:
    sidecar = {"containers": [{"name": "app"}, {"name": "istio-proxy"}]}
    genuine = pod(sidecar, annotations={"sidecar.istio.io/status": "{}"})
    forgery = {"mesh-annotations-allowed", "mesh-containers-not-forged"}
    assert not reasons(validating.ask(ask(genuine))) & forgery
    assert reasons(server.ask(ask(genuine), "/mutate")) == forgery
    template = deployment(genuine)
    assert "mesh-containers-not-forged" in reasons(validating.ask(ask(template, DEPLOYMENT)))


def test_with_mutation_a_template_may_leave_open_what_is_filled_in(server: Serving) -> None:
    assert server.ask(ask_deployment(bare_pod()))["allowed"]
    wrong = server.ask(ask(deployment(wrong_pod()), DEPLOYMENT))
    assert causes(wrong) == [("sandboxed-runtime-class", "spec.template.spec.runtimeClassName")]


def test_a_trusted_namespace_answers_to_no_tenant_rule(server: Serving) -> None:
    for namespace in ("kube-system", "aks-istio-system"):
        assert server.ask(ask(wrong_pod(), namespace=namespace)) == {
            "uid": "0123abcd-0000-4000-8000-000000000000",
            "allowed": True,
            "auditAnnotations": {"decision-id": "0123abcd-0000-4000-8000-000000000000"},
        }
    for namespace in ("kube-system2", "Kube-system", "kube-system ", ""):
        assert not server.ask(ask(wrong_pod(), namespace=namespace))["allowed"]
