"""Calico's selector language: what texts mean, what is none, and that no depth is too deep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.dialects.calico.selectors import Reading, parse, write
from rules.netpol.dialects.calico.tokens import InvalidExpression
from rules.netpol.expressions import Condition, Expression
from rules.selectors import LabelSelector

WEB = {"app": "web", "env": "prod"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        (" \t", True),
        ("all()", True),
        ("all( )", True),
        ("! all()", False),
        ("global()", True),
        ("app == 'web'", True),
        ('app == "web"', True),
        ("app=='db'", False),
        ("old == ''", False),
        ("app != 'db'", True),
        ("old != 'x'", True),
        ("app in {'db', \"web\"}", True),
        ("app in{'web',}", True),
        ("app in {}", False),
        ("app not in {}", True),
        ("old not in {'x'}", True),
        ("app notin {'web'}", False),
        ("has(app)", True),
        ("has( old )", False),
        ("!!has(app)", True),
        ("app contains 'e'", True),
        ("old contains ''", False),
        ("app starts with 'we'", True),
        ("app startswith 'eb'", False),
        ("app ends \t with 'eb'", True),
        ("app == 'db' || app == 'web' && env == 'dev'", False),
        ("(app == 'db' || app == 'web') && env == 'prod'", True),
        ("app == 'web' || app == 'db' && env == 'dev'", True),
        ("!(app == 'web')", False),
        ("!app == 'db'", True),
        ("has == 'x' || all == 'y' || in == 'z'", False),
        ("all", None),
        ("app", None),
        ("app == web", None),
        ("app = 'web'", None),
        ("app == 'web", None),
        ("app == 'web' and env == 'prod'", None),
        ("app in {,'web'}", None),
        ("app in {'web' 'db'}", None),
        ("app in 'web'", None),
        ("app isin {'web'}", None),
        ("(app == 'web'", None),
        ("app == 'web')", None),
        ("()", None),
        ("all()) || (all()", None),
        ("&& all()", None),
        ("all() &", None),
        ("has ( app)", None),
        ("has()", None),
        ("has(app", None),
        ("app == 'web'\n", None),
        ("app == 'web' ;", None),
        ("äpp == 'web'", None),
    ],
)
def test_the_language(text: str, holds: bool | None) -> None:  # noqa: FBT001  # a row of a table
    if holds is None:
        with pytest.raises(InvalidExpression):
            parse(text)
        return
    assert parse(text).matches(WEB) is holds
    assert parse(write(parse(text))).matches(WEB) is holds


def test_a_fault_says_what_stands_there_and_what_must() -> None:
    with pytest.raises(InvalidExpression) as caught:
        parse("app == 'web' env")
    assert str(caught.value) == 'with "env", which nothing can start with'
    with pytest.raises(InvalidExpression) as caught:
        parse("app ==")
    assert str(caught.value) == "with its end where a quoted text must stand"


def test_a_place_gives_keys_a_prefix_and_calls_a_meaning() -> None:
    here = Reading("ns.", every=(Condition("inside", "has"),), outside=(Condition("out", "has"),))
    assert write(parse("team == 'a' || all() || global()", here)) == (
        '(ns.team in {"a"} || has(inside) || has(out))'
    )


def test_quotes_in_texts_are_written_within_the_other_quotes() -> None:
    expression = parse("""a == 'say "x"' && b != "it's" """)
    assert write(expression) == """(a in {'say "x"'} && b not in {"it's"})"""


@pytest.mark.parametrize("depth", [100, 20_000])
def test_no_depth_is_too_deep(depth: int) -> None:
    text = "(a == 'b' || !(" * depth + "app == 'web'" + "))" * depth
    expression = parse(text)
    assert parse(write(expression)) == expression
    assert hash(expression) == hash(parse(text))
    assert expression.matches(WEB) is (depth % 2 == 0)


conditions = st.builds(
    lambda key, operator, value: {
        "==": f"{key} == '{value}'",
        "!=": f"{key}!='{value}'",
        "in": f"{key} in {{'{value}', 'z'}}",
        "not in": f"{key} not in {{ '{value}' }}",
        "has": f"has({key})",
        "contains": f'{key} contains "{value}"',
    }[operator],
    st.sampled_from(["app", "env"]),
    st.sampled_from(["==", "!=", "in", "not in", "has", "contains"]),
    st.sampled_from(["web", "db", ""]),
)
texts = st.recursive(
    conditions,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | st.builds("!({})".format, inner)
    ),
    max_leaves=8,
)
labels = st.dictionaries(st.sampled_from(["app", "env"]), st.sampled_from(["web", "db", "z", ""]))


@settings(max_examples=200, deadline=None)
@given(texts, texts, labels)
def test_joining_texts_joins_what_they_mean(one: str, other: str, known: dict[str, str]) -> None:
    first, second = parse(one).matches(known), parse(other).matches(known)
    assert parse(f"{one} && {other}").matches(known) is (first and second)
    assert parse(f"{one} || {other}").matches(known) is (first or second)
    assert parse(f"!({one})").matches(known) is not first
    assert Expression.every(parse(one), parse(other)).matches(known) is (first and second)
    assert parse(write(parse(one))).matches(known) is first


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab ='\"!&|(){},has", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except InvalidExpression:
        return
    assert parse(write(expression)).keys == expression.keys


def test_a_label_selector_is_an_expression_too() -> None:
    node: dict[str, Any] = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "env", "operator": "NotIn", "values": ["dev"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    expression = Expression.of(LabelSelector.parse(node), "x.")
    assert expression.keys == {"x.app", "x.env", "x.old"}
    assert expression.matches({"x.app": "web"})
    assert not expression.matches({"x.app": "web", "x.old": ""})
    assert not expression.matches({"app": "web"})
