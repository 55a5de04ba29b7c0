"""Of a stored object only those rules are asked whose Findings it may excuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rules.catalog import discover
from rules.content import Content
from rules.model import JSON, NETWORK_POLICY, ActiveRule, Finding, Rule
from rules.review import Cluster, Requester, Review
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from webhook.judge import judge

OF_POLICIES = next(each for each in discover() if each.name == "no-world-cidr")


class Book:
    """Rules that each speak where an object has their name, and of which objects they were asked.

    `lasting` looks at changes, `strict` excuses nothing.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        rules = [replace(OF_POLICIES, name=name) for name in ("first", "second", "strict")]
        rules.append(replace(OF_POLICIES, name="lasting", transition=True))
        seats = [Configured(self._seat(rule)) for rule in rules]
        self.book = Rulebook.of(Site(), seats)

    def _seat(self, rule: Rule) -> ActiveRule:
        def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
            self.asked.append((rule.name, tuple(review.object)))
            if rule.name in review.object:
                yield Finding(check="C", path=(rule.name,), message="is there")

        return ActiveRule(rule, "enforce", check, ratchet=rule.name != "strict")

    def judge(self, new: JSON, old: JSON) -> dict[str, str]:
        """What each rule says of the change, by its effect."""
        kind = NETWORK_POLICY
        review = Review("UPDATE", kind.group, kind.resource, kind.kind, namespace="shop")
        asks, (now, was) = Requester("somebody"), map(Content.of, (new, old))
        review = review._replace(requester=asks, new=now, former=was)
        return {each.rule: each.effect for each in judge(review, self.book, Cluster()).findings}


@pytest.mark.parametrize(
    ("new", "old", "said", "asked_of_old"),
    [
        ({}, {"first": 1}, {}, []),
        ({"first": 1}, {"first": 1, "second": 1}, {"first": "warn"}, ["first"]),
        ({"first": 1}, {"second": 1}, {"first": "deny"}, ["first"]),
        ({"strict": 1}, {"strict": 1, "second": 1}, {"strict": "deny"}, []),
        ({"lasting": 1}, {"lasting": 1, "second": 1}, {"lasting": "deny"}, []),
    ],
    ids=str,
)
def test_what_was_there_is_excused_and_nobody_else_is_asked_of_it(
    new: JSON, old: JSON, said: dict[str, str], asked_of_old: list[str]
) -> None:
    book = Book()
    assert book.judge(new, old) == said
    assert [name for name, fields in book.asked if fields == tuple(old)] == asked_of_old
