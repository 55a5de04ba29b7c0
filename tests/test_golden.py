"""What people read, kept as golden files: for each rule the words for each of its examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rules.model import Rule
from tests.examples import RULES, read, rulebook, well_formed
from tests.golden import compare
from webhook.judge import judge
from webhook.message import explain, warn


def _said(rule: Rule) -> Iterator[str]:
    others = [] if rule.name == "well-formed" else [well_formed()]
    for level in ("deny", "warn", "info"):
        for number, text in enumerate(getattr(rule.examples, level)):
            example = read(text)
            book = rulebook(rule, *others, parameters=example.parameters)
            review = example.review()
            decision = judge(review, book, example.view())
            yield f"# {level} {number}: {text}"
            yield explain(review, decision) if not decision.allowed else "(allowed)"
            yield from (f"Warning: {line}" for line in warn(decision))
            yield ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_words_of_a_rule_are_the_golden_ones(rule: Rule) -> None:
    compare("\n".join(_said(rule)), f"rules/{rule.name}.txt")
