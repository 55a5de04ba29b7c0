"""A list, then a watch: every way in which an API server can break off, lie or be silent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.view import wire
from tests.view.wire import (
    CLASSES,
    DESTINATIONS,
    INJECTORS,
    PEERS,
    bookmark,
    cut,
    event,
    follow,
    page,
    refusal,
    space,
    watch,
    whole,
)
from webhook import api, reflect
from webhook.followed import NAMESPACES


class _Counting:
    def __init__(self, decoder: Any) -> None:
        self.asked = 0
        self._decoder = decoder

    def decode(self, text: Any) -> Any:
        self.asked += 1
        return self._decoder.decode(text)


def test_a_list_comes_in_pages_and_the_watch_begins_where_it_ends() -> None:
    told = follow(page(space("a"), more="next"), page(space("b", tier="web"), version=12), watch())
    assert told.labels == {"a": {}, "b": {"tier": "web"}}
    assert told.asked[0] == {"limit": "100"}
    assert told.asked[1]["continue"] == "next"
    assert told.asked[2]["resourceVersion"] == "12"
    assert told.asked[2]["allowWatchBookmarks"] == "true"
    assert 240 <= int(told.asked[2]["timeoutSeconds"]) <= 300
    assert (told.lists, len(told.changes), told.errors) == (1, 1, {})


def test_events_change_what_is_known_and_the_next_watch_goes_on_from_the_last() -> None:
    told = follow(
        page(space("a"), space("b")),
        watch(event("ADDED", space("c", 11)), event("MODIFIED", space("a", 12, x="y"))),
        watch(event("DELETED", space("b", 13)), bookmark(20)),
    )
    assert told.labels == {"a": {"x": "y"}, "c": {}}
    assert [asked.get("resourceVersion") for asked in told.asked] == [None, "10", "12", "20"]
    assert told.lists == 1


def test_a_namespace_deleted_and_made_again_has_its_new_labels() -> None:
    told = follow(
        page(space("a", tenant="one")),
        watch(event("DELETED", space("a", 11, tenant="one")), event("ADDED", space("a", 12))),
    )
    assert told.labels == {"a": {}}


def test_what_we_do_not_keep_is_no_change() -> None:
    other = space("a", 11)
    other["metadata"]["annotations"] = {"seen": "now"}
    told = follow(page(space("a")), watch(event("MODIFIED", other)), watch())
    assert len(told.changes) == 1
    assert told.asked[2]["resourceVersion"] == "11"


def test_other_kinds_are_kept_by_what_rules_ask_of_them() -> None:
    kata = {"metadata": {"name": "kata", "resourceVersion": "1"}, "handler": "kata"}
    assert follow(page(kata), kept=CLASSES).objects == {"kata": "kata"}
    hooks = [
        space("istio", **{"app": "sidecar-injector", "istio.io/rev": "asm-1"}),
        space("tag", **{"app": "sidecar-injector", "istio.io/tag": "prod", "istio.io/rev": "x"}),
        space("other"),
    ]
    found = {"istio": ("asm-1", "asm-1", ()), "tag": ("prod", "x", ()), "other": ("", "", ())}
    assert follow(page(*hooks), kept=INJECTORS).objects == found


@pytest.mark.parametrize(
    "expired",
    [refusal(410), watch(event("ERROR", {"kind": "Status", "code": 410, "message": "too old"}))],
)
def test_an_expired_version_is_listed_anew(expired: wire.Answer) -> None:
    told = follow(page(space("a")), expired, page(space("b"), version=30), watch())
    assert told.labels == {"b": {}}
    assert told.errors == {"gone": 1}
    assert told.asked[3]["resourceVersion"] == "30"


def test_a_list_that_expires_on_the_way_begins_again() -> None:
    told = follow(page(space("a"), more="next"), refusal(410), page(space("b")), watch())
    assert told.labels == {"b": {}}
    assert "continue" not in told.asked[2]


def test_a_new_list_that_says_the_same_changes_nothing() -> None:
    told = follow(page(space("a")), refusal(410), page(space("a"), version=30), watch())
    assert (told.lists, len(told.changes)) == (2, 1)


def test_what_was_changed_since_a_list_is_read_again_though_it_is_listed_as_before() -> None:
    first = page(space("a", tenant="one"))
    changed = watch(event("MODIFIED", space("a", 11, tenant="two")))
    told = follow(first, changed, refusal(410), first, watch())
    assert told.labels == {"a": {"tenant": "one"}}


def test_what_is_listed_to_the_letter_as_before_is_not_read_again() -> None:
    decoder: Any = _Counting(NAMESPACES.decoder)
    kept = replace(NAMESPACES, decoder=decoder)
    both, other = page(space("a"), space("b")), page(space("a"), space("b", 11, x="y"))
    told = follow(both, refusal(410), other, refusal(410), other, watch(), kept=kept)
    assert told.labels == {"a": {}, "b": {"x": "y"}}
    assert decoder.asked == 3


def test_what_went_while_nobody_watched_is_gone() -> None:
    told = follow(page(space("a"), space("b")), refusal(410), page(space("a"), version=30), watch())
    assert [set(change) for change in told.changes] == [{"a", "b"}, {"a"}]


def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    half = event("ADDED", space("c", 12))[:-20]
    told = follow(
        page(space("a")),
        watch(event("ADDED", space("b", 11)), half),
        cut,
        cut,  # the client tries a GET twice
        refusal(500),
        watch(event("ADDED", space("c", 12))),
    )
    assert set(told.objects) == {"a", "b", "c"}
    assert [asked.get("resourceVersion") for asked in told.asked[1:]] == [
        *["10"],
        *["11"] * 4,
        "12",
    ]
    assert told.errors == {"unreachable": 1, "refused": 1}
    assert told.lists == 1


def test_what_is_known_stays_known_while_the_server_is_away() -> None:
    told = follow(page(space("a")), watch(), cut, cut, refusal(401), refusal(503))
    assert told.labels == {"a": {}}
    assert told.synced
    assert 0 < told.age < wire.PATIENCE


def test_before_the_first_list_nothing_is_known() -> None:
    told = follow(cut, cut, refusal(403), whole(b"{"), page(space("a"), more="next"), cut, cut)
    assert (told.objects, told.synced, told.age) == ({}, False, float("inf"))
    assert told.errors == {"unreachable": 2, "refused": 1, "garbage": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b'{"type": "ADDED"}\n',
        b'{"type": 5, "object": {}}\n',
        b'{"type": "WONDERED", "object": {}}\n',
        event("ADDED", None),
        event("ADDED", []),
        event("ADDED", {"metadata": None}),
        event("ADDED", {"metadata": {"name": 7}}),
        event("ADDED", {"metadata": {"name": ""}}),
        event("BOOKMARK", {"metadata": []}),
        event("ERROR", "no"),
        b"[" * 100_000 + b"\n",
        b'{"type": "ADDED", "object": ' + b'{"a":' * 50_000 + b"0" + b"}" * 50_001 + b"\n",
    ],
    ids=lambda line: line[:45].decode(errors="replace"),
)
def test_garbage_is_counted_and_all_is_listed_anew(line: bytes) -> None:
    told = follow(
        page(space("a")),
        watch(event("ADDED", space("b", 11)), line, event("ADDED", space("c", 12))),
        page(space("a"), space("d"), version=30),
        watch(event("ADDED", space("e", 31))),
    )
    assert set(told.objects) == {"a", "d", "e"}
    assert told.errors == {"garbage": 1}
    assert told.lists == 2


@pytest.mark.parametrize("labels", [["a"], "a", 5, {"a": 5}, {"a": None}])
def test_a_namespace_with_odd_labels_is_not_known_at_all(labels: object) -> None:
    odd = space("a", 11)
    odd["metadata"]["labels"] = labels
    told = follow(page(odd, space("b"), {}, None), watch())
    assert set(told.objects) == {"b"}
    assert told.errors == {"garbage": 3}
    told = follow(page(space("a"), space("b")), watch(event("MODIFIED", odd)), watch())
    assert set(told.objects) == {"b"}
    assert told.asked[2]["resourceVersion"] == "11"


@pytest.mark.parametrize("labels", [None, {}])
def test_no_labels_are_no_labels(labels: object) -> None:
    bare = space("a")
    bare["metadata"]["labels"] = labels
    assert follow(page(bare)).labels == {"a": {}}


def test_a_list_of_nothing_may_be_null() -> None:
    told = follow(whole(b'{"metadata": {"resourceVersion": "5"}, "items": null}'), watch())
    assert (told.objects, told.synced) == ({}, True)


def test_an_object_of_3_mb_is_read_and_little_of_it_is_kept() -> None:
    large, later = space("a"), space("b", 11)
    for value in (large, later):
        value["metadata"]["annotations"] = {"note": "x" * 3_000_000}
    told = follow(page(large), watch(event("ADDED", later)))
    assert told.labels == {"a": {}, "b": {}}
    assert told.errors == {}


def test_a_line_without_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST_LINE", 1000)
    told = follow(page(space("a")), watch(b"x" * 900, b"x" * 900), page(space("b")), watch())
    assert told.labels == {"b": {}}
    assert told.errors == {"too-large": 1}


def test_a_page_that_is_too_large_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "MOST_PAGE_BYTES", 1000)
    large = [space(f"a{number}") for number in range(20)]
    told = follow(page(*large), page(*large), page(space("a")), watch())
    assert [asked.get("limit") for asked in told.asked[:3]] == ["100", "12", "1"]
    assert told.labels == {"a": {}}
    told = follow(page(*large), page(*large), page(*large), page(space("a")))
    assert told.errors == {"too-large": 1}


def test_large_objects_make_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "PAGE_BYTES", 1000)
    many = [space(f"a{number}") for number in range(100)]
    told = follow(page(*many, more="next"), page(space("b"), more="next"), page(space("c")))
    assert 1 <= int(told.asked[1]["limit"]) < 20
    assert 20 < int(told.asked[2]["limit"]) <= reflect.MOST_OBJECTS


def test_a_watch_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SILENCE_SECONDS", 0.05)
    told = follow(page(space("a")), watch(bookmark(15), ends=False))
    assert told.errors == {"unreachable": 1}
    assert told.asked[2]["resourceVersion"] == "15"


def test_a_long_list_lets_the_event_loop_come_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "STEP_SECONDS", 0.0)
    rounds = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        await page(*(space(f"a{number}") for number in range(300)))(writer)

        def turn() -> None:
            nonlocal rounds
            rounds += 1
            loop.call_soon(turn)

        loop = asyncio.get_running_loop()
        loop.call_soon(turn)

    told = follow(answer)
    assert len(told.objects) == 300
    assert rounds >= 300


def test_a_decoded_page_is_as_json_would_have_it() -> None:
    text = json.dumps(space("ä", **{"k/é": "😀"})).encode()
    assert wire.NAMESPACES.read(text).value.labels == {"k/é": "😀"}


def test_a_kind_that_is_not_served_has_no_objects_and_is_looked_for_again() -> None:
    found = page(wire.policy("a", mode="STRICT"))
    told = follow(refusal(404), refusal(404), found, watch(), kept=PEERS)
    assert told.served == [False, True]
    assert (set(told.objects), told.synced, told.errors) == ({"t/a"}, True, {})
    assert follow(refusal(404), kept=PEERS).synced


def test_what_is_known_of_a_kind_stays_when_it_is_served_no_more() -> None:
    told = follow(page(wire.policy("a")), watch(), refusal(404), refusal(404), kept=PEERS)
    assert (told.served, set(told.objects)) == ([True, False], {"t/a"})
    gone = watch(event("DELETED", wire.policy("a", 11)))
    assert follow(page(wire.policy("a")), gone, refusal(404), kept=PEERS).objects == {}


def test_a_kind_of_kubernetes_itself_is_always_served() -> None:
    told = follow(refusal(404), refusal(404))
    assert (told.synced, told.served, told.errors) == (False, [], {"absent": 2})


def test_of_two_namespaces_each_has_its_own_object_of_a_name() -> None:
    told = follow(
        page(wire.policy("a"), wire.policy("a", space="u")),
        watch(event("DELETED", wire.policy("a", 11))),
        kept=PEERS,
    )
    assert set(told.objects) == {"u/a"}


def test_of_mesh_policies_only_what_rules_read_is_kept() -> None:
    spec = {
        "host": "reviews",
        "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}, "connectionPool": {"tcp": {}}},
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
    }
    labels = {"sallyport.dev/managed": "true"}
    value = wire.policy("a") | {"spec": spec}
    value["metadata"]["labels"] = labels
    (kept,) = follow(page(value), kept=DESTINATIONS).objects.values()
    assert (kept.namespace, kept.name, kept.managed) == ("t", "a", True)
    assert kept.spec == {
        "host": "reviews",
        "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
        "subsets": [{"name": "v1"}],
    }
    bare = {"metadata": {"name": "b", "namespace": "t"}}
    assert follow(page(bare), kept=DESTINATIONS).objects["t/b"].spec == {}


@pytest.mark.parametrize("spec", [[], "x", 5])
def test_a_policy_that_is_none_is_counted(spec: object) -> None:
    value = wire.policy("a") | {"spec": spec}
    told = follow(page(value), kept=PEERS)
    assert (told.objects, told.errors) == ({}, {"garbage": 1})
