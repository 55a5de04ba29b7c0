"""Search for bypasses: what an example denies is denied wherever and however it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.model import ISTIO, JSON, Rule
from rules.pods import Pod
from rules.review import Requester
from tests.coverage import Cover, Place, covers
from tests.disguises import DISGUISES, SPELLINGS, edited
from tests.examples import KINDS, RULES, Example, read, rulebook, well_formed
from tests.moves import DEBUGGING, SEATS, carried, seated
from webhook.check import Question, check
from webhook.judge import judge

MOST_DISGUISES = 3
DEVELOPER = Requester("developer")


def is_denied(rule: Rule, example: Example) -> bool:
    """Whether it is denied where this rule and `well-formed` are all there is."""
    others = [] if rule.name == "well-formed" else [well_formed()]
    book = rulebook(rule, *others, parameters=example.parameters)
    return not judge(example.review(book.shaped), book, example.view()).allowed


@cache
def moved() -> list[tuple[Rule, list[Example]]]:
    """Every DENY example wherever it can be moved and is denied; tests.coverage finds gaps."""
    found = [
        (cover.rule, [there for there in _moved(cover) if is_denied(cover.rule, there)])
        for cover in covers()
    ]
    return [(rule, examples) for rule, examples in found if examples]


def _moved(cover: Cover) -> Iterator[Example]:
    for example in map(read, cover.rule.examples.deny):
        for place in cover.asked:
            for there in _everywhere(cover.rule, example, place):
                if there.object is not None:
                    yield there


def _everywhere(rule: Rule, example: Example, place: Place) -> Iterator[Example]:
    """The example at this place, and with its containers at every place of containers."""
    for there in carried(rule, example, *place):
        yield there
        if there.operation == "CREATE" and there.object["kind"] == "Pod":
            for path, _ in Pod.of(there.object).containers:
                later = DEBUGGING in {part for _, part in rule.also}
                yield from (
                    seated(there, path, seat)[0]
                    for seat in SEATS
                    if later or seat != "ephemeralContainers"
                )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_is_denied_is_denied_in_every_spelling(rule: Rule) -> None:
    for example in map(read, rule.examples.deny):
        if example.object is None or not is_denied(rule, example):
            continue  # a deletion, or what was there before the rule
        for disguise in SPELLINGS:
            for edit in disguise(example.object):
                assert is_denied(rule, edited(example, edit)), f"{disguise.__name__}: {edit}"


@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.data())
def test_what_is_denied_is_denied_wherever_it_is_moved_and_disguised(data: st.DataObject) -> None:
    rule, examples = data.draw(st.sampled_from(moved()))
    example = data.draw(st.sampled_from(examples))
    for disguise in data.draw(st.lists(st.sampled_from(DISGUISES), max_size=MOST_DISGUISES)):
        if edits := [*disguise(example.object)]:
            example = edited(example, data.draw(st.sampled_from(edits)))
    assert is_denied(rule, example), f"{rule.name} is silent"


def _plain_istio_examples() -> list[JSON]:
    """Objects of Istio that the built-in rulebook denies in an empty cluster."""
    groups = {kind.kind: kind.group for kind in ISTIO}
    examples = [read(text) for rule in RULES for text in rule.examples.deny]
    return [
        {**found.object, "apiVersion": groups[found.object["kind"]]}
        for found in examples
        if isinstance(found.object, dict)
        and found.object["kind"] in groups
        and found.operation == "CREATE"
        and not (found.parameters or found.cluster or found.user)
    ]


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3", "v1alpha1"])
def test_an_object_of_istio_is_denied_in_every_version(version: str) -> None:
    found = _plain_istio_examples()
    text = yaml.safe_dump_all(
        {**value, "apiVersion": f"{value['apiVersion']}/{version}"} for value in found
    )
    report = check(Question(paths=("-",), requester=DEVELOPER), text.encode)
    assert len(report.judged) == len(found) > len(KINDS)
    assert [one.document.value for one in report.judged if one.decision.allowed] == []
