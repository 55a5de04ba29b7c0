"""Findings from outside in a decision: whose action counts, and what is excused."""

from __future__ import annotations

import pytest

from rules.content import Content, Decoded, Lazy
from rules.model import Effect, Finding, Fix, Operation
from rules.outside import EVERY, UNAVAILABLE, Heard
from rules.review import Cluster, Review
from rules.rulebook import Rulebook
from tests.reviews import pod
from webhook.codec import BadReview
from webhook.judge import judge, refuse_unread
from webhook.metrics import MOST_OUTSIDERS, Entry, Metrics
from webhook.opa_answer import unavailable
from webhook.rulebook import Options, read
from webhook.rulebook_text import render
from webhook.text import Text

CLUSTER = Cluster.of(
    [{"kind": "Namespace", "metadata": {"name": "shop", "labels": {"stage": "canary"}}}]
)
CANARY = "overrides: [{namespaceSelector: {matchLabels: {stage: canary}}, action: %s}]"


def book(*lines: str, options: Options | None = None) -> Rulebook:
    """A rulebook in which only rules outside are not off."""
    said = "".join(f"  {line}\n" for line in lines)
    return read(Text("", f"version: 1\nrules:\n{said}"), options, rules=())


def review(operation: str = "CREATE", old: object = None) -> Review:
    """About a pod in a namespace of the stage canary."""
    return Review(
        operation=operation,  # type: ignore[arg-type]  # one of them
        group="",
        resource="pods",
        kind="Pod",
        namespace="shop",
        new=Content.of(pod()),
        former=Content.of(old),
    )


def said(rule: str = "opa/a", **rest: object) -> Finding:
    """What OPA said."""
    return Finding(rule=rule, check="OPA", path=(), message="m", **rest)  # type: ignore[arg-type]


def effects(rulebook: Rulebook, *findings: Finding) -> list[tuple[str, Effect]]:
    """Which rules are heard, and with what effect."""
    decision = judge(review(), rulebook, CLUSTER, heard=Heard(findings))
    assert decision.rules == (EVERY,)
    return [(finding.rule, finding.effect) for finding in decision.findings]


@pytest.mark.parametrize(
    ("lines", "effect"),
    [
        (["opa/*: {}"], "deny"),
        (["opa/*: {action: warn}"], "warn"),
        (["opa/*: {action: warn}", "opa/a: {action: audit}"], "audit"),
        (["opa/*: {action: warn}", "opa/a: {ratchet: false}"], "warn"),
        (["opa/*: {action: warn}", "opa/b: {action: enforce}"], "warn"),
        ([f"opa/*: {{{CANARY % 'audit'}}}"], "audit"),
        ([f"opa/*: {{{CANARY % 'audit'}}}", "opa/a: {action: warn}"], "audit"),
        ([f"opa/*: {{{CANARY % 'audit'}}}", f"opa/a: {{{CANARY % 'warn'}}}"], "warn"),
    ],
)
def test_a_rule_has_its_own_action_or_that_of_all(lines: list[str], effect: Effect) -> None:
    assert effects(book(*lines), said()) == [("opa/a", effect)]


def test_the_action_of_the_file_holds_for_opa_too() -> None:
    warning = read(Text("", "version: 1\naction: warn\n"), rules=())
    assert effects(warning, said()) == [("opa/a", "warn")]


def test_audit_caps_every_action() -> None:
    capped = book("opa/a: {action: enforce}", options=Options(audit=True))
    assert effects(capped, said(), unavailable("r")) == [("opa/a", "audit"), (UNAVAILABLE, "audit")]


def test_a_rule_that_is_off_is_not_heard() -> None:
    rulebook = book('opa/a: {action: "off"}')
    assert effects(rulebook, said(), said("opa/b")) == [("opa/b", "deny")]


@pytest.mark.parametrize(
    ("lines", "effect"),
    [
        ([], "deny"),
        (["opa/*: {action: warn}"], "warn"),
        (["opa/*: {action: warn}", "opa/a: {action: audit}"], "warn"),
        (["opa/*: {action: warn}", "opa/a: {action: enforce}"], "deny"),
        (["opa/*: {action: warn}", f"opa/a: {{{CANARY % 'enforce'}}}"], "deny"),
        (["opa/*: {action: warn}", "opa/unavailable: {action: enforce}"], "deny"),
        (["opa/unavailable: {action: audit}", "opa/a: {action: enforce}"], "audit"),
        (['opa/unavailable: {action: "off"}'], "info"),
    ],
)
def test_who_was_not_heard_may_have_been_the_strictest(lines: list[str], effect: Effect) -> None:
    assert effects(book(*lines, "opa/c: {action: audit}"), unavailable("r")) == [
        (UNAVAILABLE, effect)
    ]


def test_what_was_said_of_the_stored_object_too_is_excused() -> None:
    asked, findings = review("UPDATE", pod()), (said(found="x"), said("opa/b", found="x"))
    heard = Heard((*findings, unavailable("r")), (*findings, unavailable("r")))
    decision = judge(asked, book("opa/b: {ratchet: false}"), CLUSTER, heard=heard)
    assert [(f.rule, f.effect, f.existing) for f in decision.findings] == [
        ("opa/b", "deny", False),
        (UNAVAILABLE, "deny", False),
        ("opa/a", "warn", True),
    ]


def test_what_cannot_be_read_is_not_known_again() -> None:
    heard = Heard((said(),), (said(),))
    decision = refuse_unread(review("UPDATE", pod()), book(), CLUSTER, heard=heard)
    assert [(f.rule, f.effect) for f in decision.findings] == [("opa/a", "deny")]


def test_a_fix_that_has_no_place_is_not_shown() -> None:
    right, wrong = (
        said(fix=Fix((Operation("replace", ("spec", key), "x"),), safe=False))
        for key in ("runtimeClassName", "none")
    )
    decision = judge(review(), book(), CLUSTER, heard=Heard((right, wrong)))
    assert sum(finding.fix is None for finding in decision.findings) == 1


def test_who_heard_nothing_says_that_he_asked() -> None:
    assert judge(review(), book(), CLUSTER, heard=Heard()).rules == (EVERY,)
    assert judge(review(), book(), CLUSTER).rules == ()


def test_an_object_that_is_no_json_is_refused_even_where_only_others_judge() -> None:
    def fail() -> Decoded:
        raise BadReview("json", "no JSON")

    asked = review()._replace(resource="others", new=Content(Lazy(fail)))
    with pytest.raises(BadReview):
        judge(asked, book(), CLUSTER, heard=Heard())


def test_the_rulebook_in_force_names_the_rules_outside() -> None:
    rulebook = book("opa/*: {action: warn}", f"opa/a: {{ratchet: false, {CANARY % 'enforce'}}}")
    text = render(rulebook)
    assert "opa/*:" in text
    assert render(read(Text("", text), rules=())) == text


def test_names_that_are_made_up_make_no_series_without_end() -> None:
    metrics = Metrics(["Pod"])
    asked = review()
    for number in range(2 * MOST_OUTSIDERS):
        decision = judge(asked, book(), CLUSTER, heard=Heard((said(f"opa/{number}"),)))
        metrics.record(Entry(asked, decision, "validate", "", 0.0))
    text = metrics.render().decode()
    assert text.count("sallyport_rule_results_total{") == MOST_OUTSIDERS + 1
    assert f'dry_run="false",effect="deny",rule="{EVERY}"}} {float(MOST_OUTSIDERS)}' in text
