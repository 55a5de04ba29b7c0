"""The tenant boundary where examples end: the rulebook's own labels, nobody asking, any change."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.guarded import find, guarded_labels
from rules.model import (
    JSON,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    PODS,
    RUNTIME_CLASS,
    SERVICE,
    Decision,
    Rule,
)
from rules.patch import apply
from rules.review import Cluster, Requester, Review
from rules.site import Site
from tests.examples import RULES, read
from tests.reviews import ask, ask_update, bare_pod, written
from webhook import rulebook as book
from webhook.codec import decode, encode
from webhook.ground import refused
from webhook.judge import judge
from webhook.text import Text

BUILT_IN = book.load(None)
BY_PRINCIPAL = [rule for rule in RULES if rule.scope == "everywhere" and rule.transition]
KEYS = [
    "team",
    "sallyport.dev/tenant",
    "istio.io/rev",
    "istio.iot",
    "control-plane",
    "stage",
    "s/t",
]
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["a", "b"]))


def _space(labels: JSON, name: str = "t") -> JSON:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _review(value: JSON, old: JSON = None, **request: JSON) -> Review:
    operation = "CREATE" if old is None else "UPDATE"
    asked = ask(value, NAMESPACE, operation=operation, old=old, namespace="t", name="t", **request)
    return decode(written(asked))


def _told(decision: Decision, rule: str) -> list[Any]:
    return [f.path[-1] for f in decision.findings if f.rule == rule]


@given(LABELS, LABELS)
def test_every_change_of_a_guarded_label_is_told_and_undone_by_its_fix(
    old: dict[str, str], new: dict[str, str]
) -> None:
    rulebook = book.read(
        Text(
            "rulebook.yaml",
            "tenant: {label: s/t}\n"
            "rules: {well-formed: {overrides: [{namespaceSelector: {matchExpressions: [{key: stage,"
            " operator: Exists}, {key: kubernetes.io/metadata.name, operator: Exists}]},"
            " action: warn}]},"
            " opa/x: {overrides: [{namespaceSelector: {matchLabels: {ring: a}}}]}}",
        )
    )
    assert rulebook.site.override_labels == {"stage", "ring"}
    guards = guarded_labels(rulebook.site)
    cluster = Cluster(site=rulebook.site)
    value = _space(new)
    review = _review(value, _space(old))
    decision = judge(review, rulebook, cluster)
    changed = {key for key in KEYS if old.get(key) != new.get(key)}
    wanted = {key for key in changed if find(guards, key)}
    assert set(_told(decision, "namespace-keys-guarded")) == wanted
    assert wanted == changed - {"team", "istio.iot"}
    assert decision.allowed is not bool(wanted)
    patch = [o for f in decision.findings if f.fix for o in f.fix.patch]
    assert judge(review.showing(apply(value, patch)), rulebook, cluster).allowed


@pytest.mark.parametrize("key", ["stage", "s/t"])
def test_what_the_rulebook_gives_no_meaning_is_free(key: str) -> None:
    assert find(guarded_labels(Site()), key) is None


def test_a_namespace_is_no_tenant_of_itself() -> None:
    overrides = "[{namespaceSelector: {matchLabels: {stage: canary}}, action: off}]"
    text = f"rules: {{namespace-keys-guarded: {{overrides: {overrides}}}}}"
    rulebook = book.read(Text("rulebook.yaml", text))
    cluster = Cluster.of([_space({"stage": "canary"})], rulebook.site)
    review = _review(_space({"stage": "canary"}))
    assert not judge(review, rulebook, cluster).allowed


def test_case_11_a_trust_label_is_matched_exactly() -> None:
    rulebook = book.read(Text("rulebook.yaml", "trusted: {label: true}"))
    for value, patched in (("Trusted", True), ("trusted ", True), ("trusted", False)):
        space = _space({"sallyport.dev/trust": value, "istio.io/rev": "prod-stable"}, "shop")
        cluster = Cluster.of([space], rulebook.site)
        review = decode(written(ask(bare_pod())), phases=("raw",))
        assert bool(judge(review, rulebook, cluster).patch) is patched


@pytest.mark.parametrize("rule", BY_PRINCIPAL, ids=lambda rule: rule.name)
def test_where_nobody_is_known_to_ask_nothing_is_said(rule: Rule) -> None:
    for text in rule.examples.deny:
        example = read(text)
        review = example.review()._replace(requester=None)
        assert rule.name not in judge(review, BUILT_IN, example.view()).rules
        nobody = review._replace(requester=Requester())
        said = judge(nobody, BUILT_IN, example.view()).findings
        assert rule.name in {f.rule for f in said}, "nobody in particular is not the platform"


@pytest.mark.parametrize("rule", BY_PRINCIPAL, ids=lambda rule: rule.name)
def test_a_principal_counts_by_its_exact_name(rule: Rule) -> None:
    text = "platform: {users: [jane], groups: [core]}"
    rulebook = book.read(Text("rulebook.yaml", text))
    for user, groups, passes in (
        ("jane", set(), True),
        ("x", {"a", "core"}, True),
        ("Jane", {"Core", "core ", "cor"}, False),
        ("core", {"jane"}, False),
        ("x", {"system:masters"}, False),
    ):
        for example in map(read, rule.examples.deny):
            asker = Requester(user, frozenset(groups))
            review = example.review()._replace(requester=asker)
            view = replace(example.view(), site=rulebook.site)
            said = {f.rule for f in judge(review, rulebook, view).findings}
            assert (rule.name not in said) is passes


def test_who_may_not_is_never_excused_by_what_is_stored() -> None:
    value = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "kata"}
    value["metadata"] = {"name": "fast"}  # type: ignore[assignment]  # a JSON object
    review = decode(written(ask_update(value, value, RUNTIME_CLASS, namespace="", name="fast")))
    decision = judge(review, BUILT_IN, Cluster())
    assert [(f.check, f.effect) for f in decision.findings] == [("TEN-6", "deny")]


def test_addresses_that_were_stored_warn_and_ones_that_are_taken_deny() -> None:
    spec, taken = (
        {"externalIPs": ["192.0.2.1"]},
        {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    )
    stored = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    for value, subresource, effect in (
        (stored, "", "warn"),
        (stored | {"spec": {"externalIPs": ["192.0.2.2"]}}, "", "deny"),
        (stored | {"status": taken}, "status", "deny"),
    ):
        review = decode(written(ask_update(value, stored, SERVICE, subResource=subresource)))
        (finding,) = judge(review, BUILT_IN, Cluster()).findings
        assert (finding.check, finding.effect) == ("SERVICE-THEFT", effect)


def test_a_denial_says_who_asked_and_what_would_admit_them() -> None:
    robot = "system:serviceaccount:shop:deployer"
    groups = ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
    review = _review(
        _space({"sallyport.dev/tenant": "b"}),
        _space({"sallyport.dev/tenant": "a"}),
        userInfo={"username": robot, "groups": groups},
    )
    answer = json.loads(encode(review, judge(review, BUILT_IN, Cluster())))
    text = answer["response"]["status"]["message"]
    first, *_ = text.splitlines()
    assert robot in first
    assert "3 groups" in first
    assert not first.endswith("...")
    assert f'platform: {{users: ["{robot}"]}}' in text


def test_the_namespace_controller_finishes_what_it_began() -> None:
    user = {"username": "system:serviceaccount:kube-system:namespace-controller"}
    labels = {"sallyport.dev/tenant": "a", "istio.io/rev": "prod-stable"}
    for name in ("status", "finalize"):
        review = _review(_space(labels), _space(labels), subResource=name, userInfo=user)
        assert judge(review, BUILT_IN, Cluster()).allowed


def test_what_mends_namespaces_is_not_asked_about_a_silent_pod() -> None:
    menders = {c.default.rule.name for c in BUILT_IN.rules if c.default.rule.mend != "off"}
    assert "namespace-meshed" in menders
    other = {"kind": MUTATING_WEBHOOKS.kind, "metadata": {"name": "other"}}
    cluster = Cluster.of([{"apiVersion": MUTATING_WEBHOOKS.api_version} | other])
    assert {name for name, _ in refused(BUILT_IN.rules, cluster)} <= {
        rule.name for rule in RULES if set(PODS) & set(rule.kinds)
    }
