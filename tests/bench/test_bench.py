"""The samples are what the benchmark says they are, and figures are judged by their limits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rules.model import JSON, Decision, Phase
from rules.review import Cluster
from tests.bench import samples
from tests.bench.floor import Floor
from tests.bench.machine import Cores
from tests.bench.targets import Figure
from webhook.codec import decode
from webhook.judge import judge
from webhook.rulebook import load

REVIEWS = samples.reviews()


@pytest.mark.parametrize("name", [name for name in REVIEWS if name != "pod-left"])
def test_samples_are_allowed_without_a_word(name: str) -> None:
    decision = _decide(name, phases=("final",))

    assert decision.rules
    assert not [finding for finding in decision.findings if finding.effect in {"deny", "warn"}]
    assert not decision.patch


def test_the_class_that_a_pod_leaves_open_is_all_that_is_filled_in() -> None:
    decision = _decide("pod-left", phases=("raw",))

    assert decision.allowed
    assert [operation.path for operation in decision.patch] == [("spec", "runtimeClassName")]


def test_samples_have_the_size_of_real_ones_and_are_always_the_same() -> None:
    assert 4_800 < len(REVIEWS["pod"]) < 5_600
    assert 17_000 < len(REVIEWS["pod-injected"]) < 23_000
    assert 20_000 < len(REVIEWS["deployment"]) < 24_000
    assert samples.reviews() == REVIEWS


def test_the_deployment_changes_its_image_alone() -> None:
    request = json.loads(REVIEWS["deployment"])["request"]
    new, old = (request[side]["spec"]["template"]["spec"] for side in ("object", "oldObject"))

    assert new.pop("containers")[0]["image"] != old.pop("containers")[0]["image"]
    assert new == old


@pytest.mark.parametrize(("echo", "uid"), [(True, samples.UID), (False, None)])
def test_the_floor_answers_whatever_is_asked(uid: str | None, *, echo: bool) -> None:
    sent: list[dict[str, Any]] = []
    body = REVIEWS["pod"]
    parts = [
        {"type": "http.request", "body": body[:1000], "more_body": True},
        {"type": "http.request", "body": body[1000:], "more_body": False},
    ]

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Floor("[]", echo=echo)({"path": "/mutate"}, receive, send))

    response: JSON = json.loads(sent[1]["body"])["response"]
    assert (response["allowed"], response["patch"]) == (True, "W10=")
    assert uid in {None, response["uid"]}


@pytest.mark.parametrize(
    ("values", "limits", "verdict"),
    [
        ([1.0, 2.0, 9.0], {"most": 2.0}, "met"),
        ([1.0, 2.1, 2.2], {"most": 2.0}, "missed"),
        ([0.9, 0.96, 0.99], {"least": 0.95}, "met"),
        ([0.9, 0.94, 0.99], {"least": 0.95}, "missed"),
        ([2.1], {"most": 2.0, "floor": [1.9, 2.0, 9.0]}, "missed"),
        ([2.1], {"most": 2.0, "floor": [1.9, 2.1, 9.0]}, "missed, as by the floor"),
        ([2.0], {"most": 2.0, "floor": [2.1]}, "met"),
        ([7.0], {}, ""),
    ],
)
def test_the_median_is_held_against_the_limit(
    values: list[float], limits: dict[str, Any], verdict: str
) -> None:
    assert Figure("T0", "a figure", values, **limits).verdict == verdict


def test_the_server_has_a_core_of_its_own_where_there_are_two() -> None:
    assert Cores.of({0, 1, 2}).server.isdisjoint(Cores.of({0, 1, 2}).load)
    assert Cores.of({3}) == Cores(frozenset({3}), frozenset({3}), frozenset({3}))


def _decide(name: str, *, phases: tuple[Phase, ...]) -> Decision:
    rulebook = load(None)
    review = decode(REVIEWS[name], phases=phases)
    return judge(review, rulebook, Cluster.of(samples.view(), rulebook.site))
