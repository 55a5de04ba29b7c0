"""What OPA is asked: the request as it came, what stands around it, and when nobody need ask."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rules.model import JSON
from rules.review import Cluster
from tests.reviews import ask, ask_update, pod, written
from webhook.opa_question import Question, Unaskable, read_question
from webhook.rulebook import read
from webhook.text import Text

CLUSTER = Cluster.of(
    [
        {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"stage": "canary"}}},
        {"kind": "Namespace", "metadata": {"name": "quiet", "labels": {"stage": "quiet"}}},
    ]
)
QUIET = """\
rules:
  opa/*:
    action: "off"
    overrides: [{namespaceSelector: {matchLabels: {stage: canary}}, action: warn}]
  opa/unavailable: {action: enforce}
"""


def question(body: bytes, book: str = "") -> Question | None:
    return read_question(body, read(Text("", book)), CLUSTER)


def told(value: JSON) -> Any:
    """The input as OPA reads it."""
    return json.loads(msgspec.json.encode(value))


def test_the_request_is_passed_on_as_it_came() -> None:
    review = ask({"kind": "Pod", "metadata": {"managedFields": [1]}, "unknown": ["\u00e9", 1e300]})
    asked = question(written(review))
    assert asked is not None
    assert told(asked.now)["request"] == review["request"]
    assert asked.former is None


def test_of_an_update_the_stored_object_can_be_asked_about() -> None:
    review = ask_update(pod(name="new"), pod(name="old"))
    asked = question(written(review))
    assert asked is not None
    assert told(asked.former) == told(asked.now) | {
        "request": review["request"] | {"object": review["request"]["oldObject"]}
    }


def test_a_lone_surrogate_keeps_nobody_from_asking() -> None:
    body = written(ask(pod(name="x"), name="x")).replace(b'"x"', b'"\\ud800"')
    assert question(body) is not None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", written(ask(pod(), operation="PATCH"))])
def test_of_what_is_no_review_nothing_can_be_asked(body: bytes) -> None:
    with pytest.raises(Unaskable):
        question(body)


def test_of_what_cannot_be_read_nothing_can_be_asked() -> None:
    deep = b'{"spec":' * 2000 + b"{}" + b"}" * 2000
    body = written(ask("DEEP")).replace(b'"DEEP"', deep)
    with pytest.raises(Unaskable):
        question(body)


def test_where_all_rules_are_off_nobody_is_asked() -> None:
    assert question(written(ask(pod())), QUIET) is not None
    assert question(written(ask(pod(), namespace="quiet")), QUIET) is None
