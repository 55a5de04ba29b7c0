"""Shaped rules read what `rules.shapes` names, and nothing else: no more is decoded for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.model import JSON, PODS, Rule
from rules.review import Cluster
from rules.shapes import SHAPES, Shape
from tests.examples import RULES, Example, read, rulebook, well_formed
from tests.reviews import ask, pod
from webhook.codec import decode
from webhook.judge import judge
from webhook.rulebook import load

NAME = "name"
"""The ratchet asks the items of any list for it, and does without."""


class Undecoded(AssertionError):
    """A rule reads a field that the server would not have decoded."""


class Shown(dict[str, Any]):
    """A map that lets itself be asked for the fields of its shape only."""

    def __init__(self, value: JSON, shape: Shape) -> None:
        super().__init__({k: show(v, shape[k]) for k, v in value.items() if k in shape})
        self._shape = shape

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a field of the shape."""
        return super().get(self._known(key), default)

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._known(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._known(key))

    def _known(self, key: Any) -> Any:
        if key not in self._shape and key not in {"apiVersion", "kind", NAME}:
            raise Undecoded(f"{key} is read and not in rules.shapes")
        return key


def show(value: JSON, shape: Shape) -> JSON:
    """The value as far as it has the shape, its maps watched."""
    if isinstance(shape, dict) and str not in shape and isinstance(value, dict):
        return Shown(value, shape)
    if isinstance(shape, list) and isinstance(value, list):
        return [show(item, shape[0]) for item in value]
    return value


def _examples() -> list[Any]:
    return [
        pytest.param(rule, read(text), id=f"{rule.name}-{number}")
        for rule in RULES
        if rule.shaped
        for number, text in enumerate(
            (
                *rule.examples.allow,
                *rule.examples.deny,
                *rule.examples.warn,
                *rule.examples.info,
                *(before for before, _ in rule.examples.fix),
            )
        )
    ]


@pytest.mark.parametrize(("rule", "example"), _examples())
def test_a_rule_reads_what_is_decoded(rule: Rule, example: Example) -> None:
    review = example.review()
    if example.object is not None:
        review = review.showing(show(example.object, SHAPES[review.kind]))
    decision = judge(review, rulebook(rule, parameters=example.parameters), example.view())
    assert not [f for f in decision.findings if f.error]


def test_who_reads_more_is_told() -> None:
    shown = show({"spec": {"containers": [{"name": "a"}]}}, SHAPES["Pod"])
    assert shown["spec"]["containers"][0]["name"] == "a"
    with pytest.raises(Undecoded, match="workingDir is read"):
        shown["spec"]["containers"][0].get("workingDir")
    with pytest.raises(Undecoded, match="hostUsers"):
        "hostUsers" in shown["spec"]  # noqa: B015


def test_of_pods_no_more_is_decoded_than_the_shape_names() -> None:
    shaped = load(None).shaped
    assert shaped >= {(kind.group, kind.resource) for kind in PODS}


@pytest.mark.parametrize(
    "value", [None, pod({"containers": [None]}), pod({"initContainers": [{"args": [None]}]})]
)
def test_null_is_no_pod_and_no_item_of_a_list(value: JSON) -> None:
    body = json.dumps(ask(value), separators=(",", ":")).encode()  # as Go writes it
    book = rulebook(well_formed())
    decision = judge(decode(body, shaped=book.shaped), book, Cluster.of(()))
    assert [f.check for f in decision.findings] == ["MALFORMED"]
