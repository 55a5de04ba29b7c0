"""Several kinds as one Cluster that assumes nothing, and a namespace that must be asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from rules.facts import MeshPolicy, Namespace, Term
from rules.injection import REVISION as REVISION_LABEL
from rules.model import (
    AUTHORIZATION_POLICY,
    NAMESPACE,
    NETWORK_POLICY,
    PEER_AUTHENTICATION,
    RUNTIME_CLASS,
    VALIDATING_WEBHOOKS,
    Kind,
)
from rules.review import Cluster, Undeclared, Unknown
from rules.site import Site
from tests.reviews import REVISION, SPACE, ask, pod, written
from tests.view import wire
from tests.view.wire import Answer, Scripted, cut, page, refusal, space, speak, whole
from webhook import mirror
from webhook.api import Api
from webhook.codec import decode
from webhook.followed import FOLLOWED
from webhook.judge import judge
from webhook.metrics import Metrics
from webhook.mirror import Mirror
from webhook.rulebook import catalogue, load

BUILT_IN = load(None)


def looking(*answers: Answer, name: str = "a") -> tuple[Namespace | None, dict[str, float], int]:
    """What asking for a namespace finds, how that is counted, and how often we asked."""
    found: list[Namespace | None] = []
    metrics = Metrics([])

    async def test(api: Api, _: Scripted) -> None:
        found.append(await Mirror(api, metrics).find(name))

    told = speak(answers, test)
    samples = [s for family in metrics.view_misses.collect() for s in family.samples]
    counted = {s.labels["result"]: s.value for s in samples if s.name.endswith("_total")}
    return found[0], counted, len(told.paths)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "REST_SECONDS", 0.0)


def test_what_rules_read_is_followed_and_nothing_else() -> None:
    followed = {kept.kind for kept in FOLLOWED}
    assert {kind for rule in catalogue() for kind in rule.reads} == followed - {VALIDATING_WEBHOOKS}


def test_what_is_not_followed_is_not_taken_for_absent() -> None:
    followed = {kept.kind for kept in FOLLOWED} - {AUTHORIZATION_POLICY}
    cluster = Cluster.holding({kind: {} for kind in followed}, live=True)
    assert cluster.peer_authentications == {}
    with pytest.raises(Undeclared, match="AuthorizationPolicy"):
        _ = cluster.authorization_policies


def test_a_namespace_is_found_by_asking() -> None:
    found, counted, asked = looking(_one(space("a", tenant="blue")))
    assert found == Namespace("a", {"tenant": "blue"})
    assert (counted, asked) == ({"found": 1}, 1)


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([refusal(404)], "absent"),
        ([refusal(403)], "failed"),
        ([refusal(500)], "failed"),
        ([cut, cut], "failed"),
        ([whole(b"garbage")], "failed"),
        ([whole(b"{}")], "failed"),
        ([whole(b'{"metadata": {"name": "b"}}')], "failed"),
        ([whole(b'{"metadata": {"name": "a", "labels": []}}')], "failed"),
        ([whole(b" " * (mirror.MOST_BYTES + 1))], "failed"),
    ],
)
def test_a_namespace_that_nobody_vouches_for_is_not_found(
    answers: list[Answer], result: str
) -> None:
    assert looking(*answers)[:2] == (None, {result: 1})


def test_nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "LOOK_SECONDS", 0.05)
    found, counted, _ = looking(wire.watch(ends=False))
    assert found is None
    assert sum(counted.values()) == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?b", "A", "-a", "a" * 64, "ä", "a\n", "%2e"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    assert looking(name=name) == (None, {}, 0)


def test_few_questions_are_asked_at_a_time() -> None:
    at_once: list[int] = []
    open_now = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        at_once.append(open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        await refusal(404)(writer)

    async def test(api: Api, _: Scripted) -> None:
        asked = Mirror(api, Metrics([]))
        await asyncio.gather(*(asked.find(f"a{number}") for number in range(20)))

    speak([answer] * 20, test)
    assert len(at_once) == 20
    assert max(at_once) <= mirror.MOST_LOOKS


def test_a_cluster_follows_from_what_was_listed_and_never_changes_itself() -> None:
    seen: list[tuple[Kind, Cluster]] = []
    registered: list[dict[str, tuple[Term, ...]]] = []
    remembered: list[object] = []
    site = Site()

    async def test(api: Api, scripted: Scripted) -> None:
        followed = Mirror(api, Metrics([]))
        assert followed.missing == tuple(kept.kind.resource for kept in FOLLOWED)
        assert followed.cluster(Site()).namespaces == {}

        def tell(kind: Kind) -> None:
            seen.append((kind, followed.cluster(site)))
            remembered.append(seen[-1][1].steadily("what was said", object))

        running = asyncio.create_task(followed.run(tell))
        await followed.wait()
        await scripted.over.wait()
        assert followed.missing == ()
        registered.append(followed.registered())
        running.cancel()

    kata = {"metadata": {"name": "kata"}, "handler": "kata"}
    term = {"key": "managedby", "operator": "NotIn", "values": ["aks"]}
    ours = {
        "metadata": {"name": "sallyport-validate"},
        "webhooks": [{"namespaceSelector": {"matchExpressions": [term]}, "rules": []}],
    }
    strict = {
        "metadata": {"namespace": "root", "name": "strict", "creationTimestamp": "2026-01-01"},
        "spec": {"mtls": {"mode": "STRICT"}, "unread": "x"},
    }
    by_path = {
        "namespaces": [page(space("a")), wire.watch(wire.event("ADDED", space("b", 11)))],
        "runtimeclasses": [page(kata), wire.watch(ends=False)],
        "mutatingwebhookconfigurations": [page(), wire.watch(ends=False)],
        "validatingwebhookconfigurations": [page(ours), wire.watch(ends=False)],
        "peerauthentications": [page(strict), wire.watch(ends=False)],
        "destinationrules": [refusal(404)],
        "authorizationpolicies": [refusal(404)],
        "serviceentries": [refusal(404)],
    }
    others = {kept.kind.resource for kept in FOLLOWED} - by_path.keys()
    speak_by_path(by_path | {each: [page(), wire.watch(ends=False)] for each in others}, test)
    last = seen[-1][1]
    assert set(last.namespaces) == {"a", "b"}
    assert last.runtime_classes == {"kata": "kata"}
    assert last.revisions == frozenset()
    assert last.assumed == ()
    assert last.peer_authentications == {
        "root": (MeshPolicy("root", "strict", "2026-01-01", False, {"mtls": {"mode": "STRICT"}}),)  # noqa: FBT003
    }
    assert last.destination_rules == {}
    assert registered == [{"sallyport-validate": (Term("managedby", "NotIn", ("aks",)),)}]
    first = next(cluster for kind, cluster in seen if kind == NAMESPACE)
    assert set(first.namespaces) == {"a"}
    assert RUNTIME_CLASS in {kind for kind, _ in seen}
    kept = [now is before for before, now in pairwise(remembered)]
    assert kept == [kind is NETWORK_POLICY for kind, _ in seen[1:]]
    assert {*kept} == {True, False}


def speak_by_path(
    answers: dict[str, list[Answer]], test: Callable[[Api, Scripted], Awaitable[None]]
) -> None:
    """As `speak`, with answers for each resource."""

    class ByPath(Scripted):
        def next(self, path: str) -> Answer | None:
            left = answers[path.rsplit("/", 1)[1]]
            return left.pop(0) if left else None

    speak([], test, ByPath)


def test_in_a_live_view_nothing_is_assumed() -> None:
    cluster = Cluster(live=True, injectors=())
    assert (cluster.runtime_classes, cluster.revisions, cluster.assumed) == ({}, frozenset(), ())
    review = decode(written(ask(pod())), phases=("final",))
    with pytest.raises(Unknown, match=SPACE):
        judge(review, BUILT_IN, cluster)
    judged = judge(review, BUILT_IN, cluster.beside(Namespace(SPACE)))
    assert not judged.allowed


def test_a_namespace_that_is_made_need_not_be_known() -> None:
    metadata = {"name": "new", "labels": {REVISION_LABEL: REVISION}}
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    review = ask(value, NAMESPACE, name="new", namespace="new")
    cluster = Cluster(live=True, injectors=(REVISION,))
    decided = judge(decode(written(review), phases=("final",)), BUILT_IN, cluster)
    assert decided.allowed


def _one(value: object) -> Answer:
    return whole(json.dumps(value).encode())


def test_where_nothing_is_strict_a_policy_that_leaves_it_open_is_told_so() -> None:
    value = {"kind": "PeerAuthentication", "metadata": {"name": "a"}, "spec": {}}
    review = decode(written(ask(value, PEER_AUTHENTICATION)), phases=("final",))
    cluster = Cluster.holding({PEER_AUTHENTICATION: {}, NAMESPACE: {SPACE: Namespace(SPACE)}})
    for known in (cluster, replace(cluster, live=True)):
        assert [f.effect for f in judge(review, BUILT_IN, known).findings] == ["warn"]
