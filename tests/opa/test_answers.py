"""What OPA may answer, and what becomes of what it may not: a Finding in either case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model import Finding, Operation, Path
from rules.outside import UNAVAILABLE
from rules.words import place
from webhook.opa_answer import BadAnswer, findings_of, read_place, unavailable

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)
ALMOST = st.fixed_dictionaries(
    {"message": st.just("m") | JSON_VALUES},
    optional=dict.fromkeys(("rule", "path", "severity", "level", "fix", "anything"), JSON_VALUES),
)


def the(item: Any) -> Finding:
    (finding,) = findings_of([item])
    return finding


def test_a_text_is_a_message() -> None:
    found = the("must not be")
    assert (found.rule, found.check, found.path) == ("opa/finding", "OPA", ())
    assert (found.message, found.level, found.severity) == ("must not be", "deny", "medium")
    assert not found.error


def test_a_map_says_more() -> None:
    found = the(
        {
            "message": "runs as\n root",
            "rule": "no-root",
            "path": "spec.containers[0].securityContext",
            "severity": "critical",
            "level": "warn",
            "fix": [{"op": "add", "path": "/metadata/labels/a~1b", "value": 1}],
            "details": {"is": "not read"},
        }
    )
    assert (found.rule, found.severity, found.level) == ("opa/no-root", "critical", "warn")
    assert found.message == "runs as root", "one line"
    assert found.path == ("spec", "containers", 0, "securityContext")
    assert found.fix is not None
    assert found.fix.patch == (Operation("add", ("metadata", "labels", "a/b"), 1),)
    assert not found.fix.safe, "never applied"


def test_a_fix_may_stand_as_our_own_reports_write_it() -> None:
    patch = [{"op": "remove", "path": "/spec/containers/1"}]
    found = the({"message": "m", "fix": {"safe": True, "patch": patch}})
    assert found.fix is not None
    assert (found.fix.patch, found.fix.safe) == (
        (Operation("remove", ("spec", "containers", 1)),),
        False,
    )


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (1, "is a number; it must be a text or a map"),
        (["m"], "is a list"),
        ({}, "has null as message; it must be a text"),
        ({"msg": "of Gatekeeper"}, "has null as message"),
        ({"message": " "}, 'has " " as message'),
        ({"message": "m", "rule": ""}, 'has "" as rule; it must be a name such as'),
        ({"message": "m", "rule": "*"}, 'has "*" as rule'),
        ({"message": "m", "rule": "a b"}, 'has "a b" as rule'),
        ({"message": "m", "rule": "unavailable"}, 'has "unavailable" as rule'),
        ({"message": "m", "path": 1}, "has 1 as path"),
        ({"message": "m", "path": "/spec"}, 'has "/spec" as path; it must be a place such as'),
        ({"message": "m", "path": "spec..a"}, 'has "spec..a" as path'),
        ({"message": "m", "path": "spec[0"}, 'has "spec[0" as path'),
        ({"message": "m", "level": "DENY"}, 'has "DENY" as level; it must be deny, warn or info'),
        ({"message": "m", "level": None}, "has null as level"),
        ({"message": "m", "severity": 3}, "has 3 as severity"),
        ({"message": "m", "fix": "do it"}, "has a string as fix; it must be a JSON patch"),
        ({"message": "m", "fix": [{"op": "move", "path": "/a"}]}, "has a fix with an operation"),
        ({"message": "m", "fix": [{"op": "add", "path": "a"}]}, "has a fix with an operation"),
        ({"message": "m", "fix": [1]}, "has a fix with an operation"),
    ],
)
def test_what_is_no_finding_is_one_of_ours(item: Any, said: str) -> None:
    found = the(item)
    assert (found.rule, found.level, found.error) == (UNAVAILABLE, "deny", True)
    assert f"one of its findings {said}" in found.message


def test_what_is_wrong_does_not_silence_what_is_right() -> None:
    assert [found.rule for found in findings_of(["a", 1, "b"])] == [
        "opa/finding",
        UNAVAILABLE,
        "opa/finding",
    ]


@pytest.mark.parametrize("result", [None, {}, "text", 1, True])
def test_findings_that_are_no_set_are_one_of_ours(result: Any) -> None:
    (found,) = findings_of(result)
    assert found.error
    assert "they must be a set" in found.message


@given(JSON_VALUES | st.lists(ALMOST, min_size=1, max_size=3))
def test_any_answer_but_an_empty_set_says_something(result: Any) -> None:
    found = findings_of(result)
    assert bool(found) is (result != [])
    assert all(one.rule.startswith("opa/") for one in found)


STEPS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True) | st.integers(0, 99)
KEYS = st.from_regex(r"[a-z][a-z0-9.-]{0,8}/[a-z0-9._-]{1,8}", fullmatch=True)


@given(st.lists(STEPS, max_size=5), KEYS)
def test_places_are_read_as_they_are_written(steps: list[str | int], key: str) -> None:
    path: Path = ("spec", *steps, "labels", key)
    assert read_place(place(path)) == path


def test_a_place_must_be_one() -> None:
    with pytest.raises(BadAnswer, match="it must be a place such as"):
        read_place("]")


def test_our_own_failure_denies_and_names_no_host() -> None:
    found = unavailable("it cannot be reached")
    assert (found.rule, found.check, found.level, found.error) == (
        UNAVAILABLE,
        "ERROR",
        "deny",
        True,
    )
    assert found.message == "OPA could not decide, and is not taken to allow: it cannot be reached"
