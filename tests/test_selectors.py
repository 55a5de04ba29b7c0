"""Label selectors: what they match, and how their faults are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.selectors import EVERYTHING, Fault, InvalidSelector, LabelSelector, Path, describe
from tests.netpol.strategies import VALUES, junk, label_maps, label_selectors


def one(key: str, operator: str, *values: str) -> LabelSelector:
    expression: dict[str, Any] = {"key": key, "operator": operator}
    if values:
        expression["values"] = list(values)
    return LabelSelector.parse({"matchExpressions": [expression]})


def faults(node: Any, path: Path = ()) -> tuple[Fault, ...]:
    with pytest.raises(InvalidSelector) as caught:
        LabelSelector.parse(node, path)
    return caught.value.faults


ABSENT, EMPTY, PROD, DEV = {"app": "web"}, {"env": ""}, {"env": "prod"}, {"env": "dev"}


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        (one("env", "In", "prod", "test"), [PROD]),
        (one("env", "In", ""), [EMPTY]),
        (one("env", "NotIn", "prod"), [ABSENT, EMPTY, DEV]),
        (one("env", "Exists"), [EMPTY, PROD, DEV]),
        (one("env", "DoesNotExist"), [ABSENT]),
        (LabelSelector.parse({"matchLabels": {"env": "prod"}}), [PROD]),
        (LabelSelector.parse({}), [ABSENT, EMPTY, PROD, DEV]),
    ],
)
def test_matches(selector: LabelSelector, matched: list[Mapping[str, str]]) -> None:
    assert [labels for labels in (ABSENT, EMPTY, PROD, DEV) if selector.matches(labels)] == matched


def test_all_requirements_must_hold() -> None:
    selector = LabelSelector.parse(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "env", "operator": "NotIn", "values": ["prod"]},
                {"key": "env", "operator": "Exists"},
            ],
        }
    )
    assert selector.matches({"app": "web", "env": "dev"})
    assert not selector.matches({"app": "web", "env": "prod"})
    assert not selector.matches({"app": "web"})
    assert not selector.matches({"env": "dev"})
    assert selector.keys == {"app", "env"}


@pytest.mark.parametrize(
    "node",
    [{}, {"matchLabels": None}, {"matchLabels": {}, "matchExpressions": []}, {"unknown": None}],
)
def test_the_empty_selector_is_everything(node: Any) -> None:
    assert LabelSelector.parse(node) == EVERYTHING
    assert EVERYTHING.matches({})
    assert EVERYTHING.keys == frozenset()


@settings(max_examples=100, deadline=None)
@given(label_selectors(), label_maps)
def test_the_order_of_writing_does_not_matter(node: dict[str, Any], labels: dict[str, str]) -> None:
    selector = LabelSelector.parse(node)
    turned = {
        "matchExpressions": [
            *reversed(node.get("matchExpressions") or []),
            *(
                {"key": key, "operator": "In", "values": [value, value]}
                for key, value in (node.get("matchLabels") or {}).items()
            ),
        ]
    }
    again = LabelSelector.parse(turned)
    assert again == selector
    assert hash(again) == hash(selector)
    assert again.matches(labels) == selector.matches(labels)


@settings(max_examples=100, deadline=None)
@given(label_selectors(), label_maps, st.sampled_from(["x", "y"]))
def test_only_its_keys_count(node: dict[str, Any], labels: dict[str, str], other: str) -> None:
    selector = LabelSelector.parse(node)
    assert selector.keys <= set(VALUES)
    kept = {key: value for key, value in labels.items() if key in selector.keys}
    assert selector.matches({**kept, "other": other}) == selector.matches(labels)


@settings(max_examples=200, deadline=None)
@given(junk)
def test_junk_is_read_or_told(node: Any) -> None:
    told: tuple[Fault, ...] = ()
    try:
        read = LabelSelector.parse(node, ("spec",))
    except InvalidSelector as error:
        told = error.faults
    else:
        assert read.matches({}) in {True, False}
    assert all(fault.path[:1] == ("spec",) for fault in told)


AT: Path = ("spec", "podSelector")
LABELS: Path = (*AT, "matchLabels")
FIRST: Path = (*AT, "matchExpressions", 0)


@pytest.mark.parametrize(
    ("node", "path", "found", "wanted"),
    [
        (None, AT, "null", "a map with"),
        ([], AT, "a list", "a map with"),
        ({"matchLabel": {}}, (*AT, "matchLabel"), "an unknown field", "matchLabels or"),
        ({"matchLabels": []}, LABELS, "a list", "a map of label keys"),
        ({"matchLabels": {"app": 1}}, (*LABELS, "app"), "1", "a label value"),
        ({"matchLabels": {"app": None}}, (*LABELS, "app"), "null", "a label value"),
        ({"matchLabels": {"app": "a b"}}, (*LABELS, "app"), '"a b"', "a label value"),
        ({"matchLabels": {"app": "x" * 64}}, (*LABELS, "app"), '"xxx', "a label value"),
        ({"matchLabels": {"a b": "x"}}, LABELS, 'with the key "a b"', "a label key"),
        ({"matchLabels": {5: "x"}}, LABELS, "with the key 5", "a label key"),
        ({"matchLabels": {"A.io/x": "x"}}, LABELS, 'with the key "A.io/x"', "a label key"),
        ({"matchLabels": {"a/b/c": "x"}}, LABELS, 'with the key "a/b/c"', "a label key"),
        ({"matchLabels": {"a" * 64: "x"}}, LABELS, 'with the key "aaa', "a label key"),
        ({"matchLabels": {"x." * 127 + "/a": "x"}}, LABELS, "with the key", "a label key"),
        ({"matchExpressions": {}}, (*AT, "matchExpressions"), "a map", "a list of"),
        ({"matchExpressions": ["x"]}, FIRST, '"x"', "a map with key"),
        (
            {"matchExpressions": [{"key": "a", "operator": "Equals", "values": ["b"]}]},
            (*FIRST, "operator"),
            '"Equals"',
            "In, NotIn, Exists or DoesNotExist",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": ["In"], "values": ["b"]}]},
            (*FIRST, "operator"),
            "a list",
            "In, NotIn, Exists or DoesNotExist",
        ),
        (
            {"matchExpressions": [{"operator": "Exists"}]},
            (*FIRST, "key"),
            "null",
            "a label key",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In"}]},
            (*FIRST, "values"),
            "null",
            "a list of at least one",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]},
            (*FIRST, "values"),
            "empty",
            "a list of at least one",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", 5]}]},
            (*FIRST, "values", 1),
            "5",
            "a label value",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
            (*FIRST, "values"),
            "a list",
            "absent beside Exists",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "value": "b"}]},
            (*FIRST, "value"),
            "an unknown field",
            "key, operator or values",
        ),
    ],
)
def test_a_fault_is_told(node: Any, path: Path, found: str, wanted: str) -> None:
    (fault,) = faults(node, AT)
    assert fault.path == path
    assert fault.found.startswith(found)
    assert fault.wanted.startswith(wanted)


def test_all_faults_are_told_at_once() -> None:
    node = {
        "matchLabels": {"app": 1, "b b": ""},
        "matchExpressions": [{"key": 5, "operator": "x"}, {"key": "a", "operator": "In"}],
        "match": {},
    }
    assert len(faults(node)) == 6


@pytest.mark.parametrize(
    "key", ["a", "A.b_c-9", "example.com/a", "a-b.c1/D", "x" * 63, f"{'x.' * 126}x/a"]
)
def test_keys_that_the_api_server_accepts(key: str) -> None:
    assert LabelSelector.parse({"matchLabels": {key: ""}}).keys == {key}


def test_existence_with_an_empty_list_of_values() -> None:
    expression = {"key": "a", "operator": "Exists", "values": []}
    assert LabelSelector.parse({"matchExpressions": [expression]}) == one("a", "Exists")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (80, "80"),
        (0.5, "0.5"),
        (pytest.param(10**5000, "a huge number", id="huge")),
        ("a\n\u2028b", '"a\\n\\u2028b"'),
        ("x" * 100, f'"{"x" * 60}..."'),
        ([1], "a list"),
        ({}, "a map"),
        ((), "a tuple"),
    ],
)
def test_values_are_described_in_few_printable_characters(value: Any, text: str) -> None:
    assert describe(value) == text
