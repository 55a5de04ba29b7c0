"""The eight laws, each over every rule and every example of its file."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rules.model import (
    DEPLOYMENT,
    JSON,
    NETWORK_POLICY,
    PODS,
    WORKLOADS,
    Decision,
    Finding,
    Kind,
    Path,
    Rule,
)
from rules.patch import apply, lookup
from rules.pods import TEMPLATES
from rules.shapes import SHAPES, matcher
from tests.disguises import nodes
from tests.examples import RULES, Example, read, rulebook, well_formed
from tests.moves import is_liftable, lifted
from webhook import message
from webhook.judge import judge


def _cases(*attributes: str) -> list[Any]:
    return [
        pytest.param(rule, read(text), id=f"{rule.name}-{attribute}-{number}")
        for rule in RULES
        for attribute in attributes
        for number, text in enumerate(getattr(rule.examples, attribute))
    ]


def _pods(cases: list[Any]) -> list[Any]:
    """The cases that hold in templates, too: a bare pod that is created."""
    return [case for case in cases if is_liftable(*case.values[:2])]


def _pairs() -> list[Any]:
    return [
        pytest.param(rule, read(before), _after(after), id=f"{rule.name}-fix-{number}")
        for rule in RULES
        for number, (before, after) in enumerate(rule.examples.fix)
    ]


def _after(text: str) -> JSON:
    return read(text).object


def _judge(rule: Rule, example: Example, **circumstances: Any) -> Decision:
    """The decision on an example where this rule and `well-formed` are all there is."""
    others = [] if rule.name == "well-formed" else [well_formed()]
    book = rulebook(rule, *others, parameters=example.parameters, **circumstances)
    return judge(example.review(book.shaped), book, example.view())


def _own(rule: Rule, decision: Decision) -> list[Finding]:
    return [f for f in decision.findings if f.rule == rule.name]


def test_every_rule_has_examples_and_a_page() -> None:
    for rule in RULES:
        assert rule.examples.allow, rule.name
        assert rule.examples.deny or rule.examples.warn or rule.examples.info, rule.name
        assert rule.why, f"{rule.name}: the docstring has no 'Why:'"
        assert "Source: " in rule.doc, rule.name
        assert rule.summary.endswith("."), rule.name
        assert (rule.mend == "enforce") == bool(rule.examples.fix), rule.name


@pytest.mark.parametrize(("rule", "example"), _cases("allow"))
def test_law_1_allow_is_silent(rule: Rule, example: Example) -> None:
    decision = _judge(rule, example)
    assert decision.findings == ()
    assert decision.patch == ()


@pytest.mark.parametrize(("rule", "example"), _cases("deny", "warn", "info"))
def test_law_2_deny_speaks_and_no_safe_fix_silences_it(rule: Rule, example: Example) -> None:
    decision = _judge(rule, example)
    said = _own(rule, decision)
    assert said, "the example is silent"
    for finding in said:
        if finding.fix is None or example.operation == "UPDATE":
            continue
        cured = apply(example.object, finding.fix.patch)
        left = _own(rule, _judge(rule, replace(example, object=cured)))
        assert finding.path not in {f.path for f in left}, "the fix that is shown does not help"


@pytest.mark.parametrize(
    ("rule", "example", "level"),
    [
        pytest.param(*case.values, level, id=case.id)
        for level in ("deny", "warn", "info")
        for case in _cases(level)
    ],
)
def test_law_2_an_example_speaks_at_its_level(rule: Rule, example: Example, level: str) -> None:
    said = _own(rule, _judge(rule, example))
    order = ["deny", "warn", "info"]
    levels = ("info" if f.exempted_by else f.level for f in said)
    assert min(levels, key=order.index) == level


@pytest.mark.parametrize(("rule", "example"), _cases("deny", "warn", "info"))
def test_law_2_what_it_says_stands_in_one_line(rule: Rule, example: Example) -> None:
    said = [_judge(rule, example)]
    if is_liftable(rule, example):
        said.append(_judge(rule, lifted(example, DEPLOYMENT)))
    lines = [line for decision in said for line in map(message.first_line, decision.findings)]
    assert [line for line in lines if len(line) > message.LINE] == []


@pytest.mark.parametrize(("rule", "before", "after"), _pairs())
def test_law_3_mending_gives_the_example(rule: Rule, before: Example, after: JSON) -> None:
    decision = _judge(rule, before)
    assert decision.patch
    assert all(operation.op == "add" for operation in decision.patch)
    assert apply(before.object, decision.patch) == after


@pytest.mark.parametrize(("rule", "before", "after"), _pairs())
def test_law_4_what_was_mended_is_silent(rule: Rule, before: Example, after: JSON) -> None:
    assert _judge(rule, replace(before, object=after)).findings == ()
    assert _judge(rule, before).findings == ()
    unmended = _own(rule, _judge(rule, before, mends=False))
    assert unmended, "where nothing is filled in, a missing value is a Finding"
    assert all(f.fix is not None and f.fix.safe for f in unmended)


@pytest.mark.parametrize(("rule", "before", "after"), _pairs())
def test_law_5_mending_twice_is_mending_once(rule: Rule, before: Example, after: JSON) -> None:
    mended = apply(before.object, _judge(rule, before).patch)
    assert _judge(rule, replace(before, object=mended)).patch == ()


@pytest.mark.parametrize(("rule", "example"), _cases("allow", "deny", "warn", "info"))
def test_law_6_the_input_is_unchanged(rule: Rule, example: Example) -> None:
    kept = copy.deepcopy(example)
    _judge(rule, example)
    assert example == kept


@pytest.mark.parametrize(("rule", "before", "after"), _pairs())
def test_law_6_the_input_of_a_fix_is_unchanged(rule: Rule, before: Example, after: JSON) -> None:
    kept = copy.deepcopy(before)
    _judge(rule, before)
    assert before == kept


@pytest.mark.parametrize("kind", WORKLOADS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(("rule", "example"), _pods(_cases("allow", "deny", "warn", "info")))
def test_law_7_a_template_is_judged_as_its_pod(rule: Rule, example: Example, kind: Kind) -> None:
    root = TEMPLATES[kind.group, kind.kind]
    of_pod = _judge(rule, example)
    of_workload = _judge(rule, lifted(example, kind))
    assert [(f.rule, f.check, f.level, root + f.path, f.message) for f in of_pod.findings] == [
        (f.rule, f.check, f.level, f.path, f.message) for f in of_workload.findings
    ]


@pytest.mark.parametrize("kind", WORKLOADS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(("rule", "before", "after"), _pods(_pairs()))
def test_law_7_what_would_be_mended_is_silent_in_a_template(
    rule: Rule, before: Example, after: JSON, kind: Kind
) -> None:
    decision = _judge(rule, lifted(before, kind))
    assert decision.findings == ()
    assert decision.patch == ()


def _put(value: JSON, path: Path, new: JSON) -> JSON:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = _put(value[path[0]], path[1:], new)
    return changed


INT_OR_STRING = {"port"}
_OF_CILIUM = {
    f"{prefix}{member}"
    for prefix in ("to", "from")
    for member in ("Endpoints", "Entities", "CIDR", "CIDRSet", "FQDNs", "Services", "Ports")
}
_ITEMS = {"ports", "http", "dns"}
_SECTIONS = {"egress", "ingress"}
_EMPTIED = {"matchExpressions", "matchLabels", "namespaceSelector", "namespaces"}
PORTLESS = 7
"""A protocol by its number, as Calico takes it, which has no ports."""


def _is_another_rule(path: Path, wrong: JSON) -> bool:  # a case each
    """Whether a policy with this is a good one that means something else.

    Lists of Cilium hold nobody where they are empty, and an item without ports opens none; no rule
    is no rule; a selector that asks for nothing is one, and so is one with another key; Calico's
    ports may be numbers and names. An AuthorizationPolicy without action allows.
    """
    last, item_of = path[-1], path[-2] if len(path) > 1 else ""
    if wrong == []:
        return last in _OF_CILIUM | _SECTIONS | _EMPTIED or (last in _ITEMS and "toPorts" in path)
    if wrong == {}:
        return last in _EMPTIED or item_of in {"toPorts", *_SECTIONS}
    if wrong is None:
        return last in _EMPTIED | _SECTIONS or path == ("spec", "action")
    if "destination" in path and "ports" in path[-2:]:
        return type(wrong) in {int, str} or wrong == ["a"]
    if last in {"port", "number"}:
        return type(wrong) in {int, str}
    return (last == "key" and isinstance(wrong, str)) or (last == "protocol" and wrong == PORTLESS)


AT_ODDS = {"CILIUM-VOID", "CALICO-VOID", "CALICO-OPEN"}
"""Checks of what an engine throws away, or reads otherwise: such a policy is refused as a whole."""


def _is_at_odds(mutilated: Example) -> bool:
    book = rulebook(*RULES)
    said = judge(mutilated.review(book.shaped), book, mutilated.view()).findings
    return any(f.check in AT_ODDS and f.level == "deny" for f in said)


_WRONG: tuple[JSON, ...] = (None, "text", 7, 7.5, True, [], ["a"], {}, {"a": {}})


def _mutilations(example: Example) -> Iterator[tuple[Path, JSON, Example]]:
    for path, _ in nodes(example.object):
        if path in {(), ("kind",), ("apiVersion",)}:
            continue
        for wrong in _WRONG:
            if _is_another_rule(path, wrong):
                continue
            yield path, wrong, replace(example, object=_put(example.object, path, wrong))


@pytest.mark.parametrize(("rule", "example"), _cases("allow", "deny", "warn", "info"))
def test_law_8_mutilation_never_crashes(rule: Rule, example: Example) -> None:
    for path, wrong, mutilated in _mutilations(example):
        decision = _judge(rule, mutilated)
        assert not [f for f in decision.findings if f.error], f"{path} = {wrong!r}"


def test_law_8_the_laws_look_at_what_the_server_decodes() -> None:
    for rule in RULES:
        if rule.shaped and {*rule.kinds} & {*PODS, NETWORK_POLICY} and "" in rule.subresources:
            shaped = rulebook(rule).shaped
            texts = (*rule.examples.allow, *rule.examples.deny, *rule.examples.warn)
            assert any(read(text).review(shaped).fits for text in texts), rule.name


@pytest.mark.parametrize(("rule", "example"), _cases("allow", "deny", "warn", "info"))
def test_law_8_what_is_decoded_in_its_shape_has_it(rule: Rule, example: Example) -> None:
    shaped = rulebook(rule).shaped
    for path, wrong, mutilated in _mutilations(example):
        review = mutilated.review(shaped)
        if review.fits:
            assert matcher(SHAPES[review.kind])(mutilated.object), f"{path} = {wrong!r}"


def _told_by_others(finding: Finding, path: Path, mutilated: Example) -> bool:
    """Whether some rule speaks of the place, for one that only warns: others look at its type."""
    if finding.level == "deny":
        return False
    book = rulebook(*RULES)
    said = judge(mutilated.review(book.shaped), book, mutilated.view()).findings
    return any(f.path == path for f in said)


@pytest.mark.parametrize(("rule", "example"), _cases("deny", "warn", "info"))
def test_law_8_mutilation_never_silences(rule: Rule, example: Example) -> None:
    said = _own(rule, _judge(rule, example))
    for finding in said:
        for path, wrong, mutilated in _mutilations(example):
            decision = _judge(rule, mutilated)
            if rule.name == "well-formed" and path == finding.path:
                continue  # what stands there is of the wrong type already
            if path == finding.path[: len(path)]:
                of_wrong_type = wrong is not None and type(wrong) is not type(
                    lookup(example.object, path)
                )
                of_wrong_type &= not (path[-1] in INT_OR_STRING and type(wrong) in {int, str})
                if of_wrong_type:
                    told = decision.findings or _told_by_others(finding, path, mutilated)
                    assert told, f"{path} = {wrong!r} is silent"
            else:  # filling in must not hide it either, where another mistake kept it from that
                bare = _judge(rule, mutilated, mends=False)
                unread = any(f.check == "MALFORMED" for f in bare.findings)
                places = {f.path for f in bare.findings if f.rule == rule.name}
                told = unread or finding.path in places or _is_at_odds(mutilated)
                assert told, f"{path} = {wrong!r} silenced it"
