"""Decision to words: nothing is longer than promised, whatever tenants write. Contracts 8."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import engine
from rules.content import Content
from rules.model import JSON, Decision, Effect, Finding, Fix, Operation
from rules.review import Review
from rules.site import Messages
from tests.made_up import say
from tests.reviews import UID, pod
from webhook.codec import encode
from webhook.message import annotate, causes, explain, warn

REVIEW = Review(
    operation="CREATE",
    group="",
    resource="pods",
    kind="Pod",
    uid=UID,
    namespace="shop",
    name="web",
    new=Content.of(pod()),
)
QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def finding(rule: str = "some-rule", effect: Effect = "deny", **rest: Any) -> Finding:
    """A Finding as the engine hands it on."""
    return replace(say(**rest), rule=rule, effect=effect)


def decision(*findings: Finding) -> Decision:
    return engine.decide(findings)


def lines(*findings: Finding, messages: Messages | None = None) -> list[str]:
    return explain(REVIEW, decision(*findings), messages).split("\n")


def test_a_denial_says_what_why_and_how() -> None:
    fix = Fix((Operation("replace", ("spec", "runtimeClassName"), "kata"),), safe=False)
    found = finding(
        path=("spec", "runtimeClassName"),
        message='is "runc"; set it to "kata"',
        why="the kernel is shared",
        fix=fix,
    )
    assert lines(found) == [
        '[some-rule] spec.runtimeClassName is "runc"; set it to "kata"',
        "  why   the kernel is shared",
        "  fix   spec:",
        '          runtimeClassName: "kata"   # was "kata-mshv-vm-isolation"',
        "  in    Pod shop/web",
        "  ref   0123abcd",
    ]


def test_places_of_one_rule_stand_together() -> None:
    found = [finding(path=("spec", "containers", n)) for n in range(7)]
    assert lines(*found)[:6] == [
        "[some-rule] spec.containers[0] is wrong; set it right",
        "  also  spec.containers[1] is wrong; set it right",
        "  also  spec.containers[2] is wrong; set it right",
        "  also  spec.containers[3] is wrong; set it right",
        "  also  spec.containers[4] is wrong; set it right",
        "  also  2 more places",
    ]


def test_five_rules_stand_in_full_and_the_rest_by_name() -> None:
    said = lines(*[finding(rule=f"rule-{n}", why="so it is") for n in range(8)])
    heads = [line.partition("]")[0] for line in said if line.startswith("[")]
    assert heads == [f"[rule-{n}" for n in range(5)]
    assert said.count("  why   so it is") == 5
    assert "3 more: rule-5, rule-6, rule-7" in said
    assert said[-1] == "  ref   0123abcd"


def test_address_and_contact_stand_where_the_rulebook_sets_them() -> None:
    assert not [line for line in lines(finding()) if line.startswith(("  docs", "  ask"))]
    said = lines(finding(), messages=Messages(docs="https://example.com/r", contact="#platform"))
    assert said[-3:] == ["  docs  https://example.com/r", "  ask   #platform", "  ref   0123abcd"]


def test_row_37_500_violations_are_told_within_the_limits() -> None:
    found = [
        finding(rule=f"rule-{n % 50}", path=("spec", "containers", n), message="x" * 300)
        for n in range(500)
    ]
    warned = [replace(each, effect="warn") for each in found]
    response = json.loads(encode(REVIEW, decision(*found, *warned)))["response"]
    message = response["status"]["message"]
    assert len(message.encode()) <= 2000
    assert all(len(line) <= 208 for line in message.split("\n"))
    assert len([line for line in message.split("\n") if line.startswith("[")]) == 5
    assert "45 more: rule-" in message
    assert message.endswith("\n  ref   0123abcd")
    assert len(response["status"]["details"]["causes"]) == 20
    assert len(response["warnings"]) == 10
    assert response["warnings"][-1].startswith("491 more warnings")
    assert all(len(line) <= 200 for line in response["warnings"])
    assert all(len(value) <= 1024 for value in response["auditAnnotations"].values())


def test_row_37_a_message_of_100_kb_is_cut() -> None:
    said = lines(
        finding(message="x" * 100_000, why="y" * 100_000),
        messages=Messages(docs="d" * 100_000, contact="c" * 100_000),
    )
    assert len("\n".join(said)) <= 2000
    assert len(said[0]) == 200
    assert said[0].endswith("...")


@pytest.mark.parametrize(
    "nasty", ["\n", "\r\n", "\x1b[31m", "\t", "\x00", "é", "😀", "\u202e", "\x9b"]
)
def test_row_37_what_would_spoil_a_warning_is_replaced(nasty: str) -> None:
    found = finding(
        effect="warn",
        path=("metadata", "labels", f"a{nasty}b"),
        message=f"is {nasty}; remove it",
    )
    for text in (*warn(decision(found)), *lines(replace(found, effect="deny", why=nasty))):
        assert text.isascii()
        assert text.isprintable()
    (cause,) = causes(decision(replace(found, effect="deny")))
    assert "?" in cause["field"]
    assert cause["message"].isprintable()


def test_row_37_a_warning_said_twice_is_said_once() -> None:
    assert warn(decision(*[finding(effect="warn")] * 30)) == [
        "[some-rule] spec is wrong; set it right"
    ]


@given(
    st.lists(
        st.builds(
            finding,
            rule=st.sampled_from(["a", "b-rule", "c" * 60, "d", "e", "f", "g"]),
            effect=st.sampled_from(["deny", "warn", "audit", "info"]),
            path=st.lists(st.text() | st.integers(0, 9)).map(tuple),
            message=st.text(max_size=600),
            why=st.text(max_size=600),
        ),
        max_size=40,
    )
)
def test_whatever_is_found_the_words_keep_to_their_limits(found: list[Finding]) -> None:
    made = decision(*found)
    if not made.allowed:
        text = explain(REVIEW, made, Messages(docs="https://example.com", contact="c" * 300))
        assert len(text) <= 2000
        assert len(text.partition("\n")[0]) <= 200
        assert text.startswith("[")
        assert text.endswith("\n  ref   0123abcd")
        assert re.fullmatch(r"[ -~\n]*", text)
    for line in warn(made):
        assert re.fullmatch(r"\[[ -~]{1,199}|\d+ more warnings.*", line)
    assert len(warn(made)) <= 10


@given(
    st.text(max_size=128),
    st.lists(st.sampled_from([f"rule-{n}" for n in range(200)]), max_size=200),
)
def test_row_38_annotations_have_keys_and_values_that_the_api_server_keeps(
    uid: str, names: list[str]
) -> None:
    found = [finding(rule=name, effect=effect) for name in names for effect in EFFECTS]
    for key, value in annotate(REVIEW._replace(uid=uid), decision(*found)).items():
        assert QUALIFIED.fullmatch(key)
        assert len(value) <= 1024
        assert value.isascii()
        assert value == "" or value.isprintable()


EFFECTS: tuple[Effect, ...] = ("deny", "audit")


def test_row_38_annotations_name_who_denied_and_who_would_have() -> None:
    made = decision(
        finding(rule="b"), finding(rule="a"), finding(rule="a"), finding(rule="c", effect="audit")
    )
    assert annotate(REVIEW, made) == {"decision-id": UID, "denied-by": "a,b", "audited": "c"}
    assert annotate(REVIEW, decision()) == {"decision-id": UID}


def test_what_was_stored_before_says_so() -> None:
    found = replace(finding(effect="warn"), existing=True)
    (line,) = warn(decision(found))
    assert line.endswith(" (stored before; mend it when you can)")


@pytest.mark.parametrize(
    ("name", "metadata", "shown"),
    [
        ("web", {"name": "web"}, "Pod shop/web"),
        ("", {"generateName": "web-"}, "Pod shop/web-*"),
        ("web-x7", {"name": "web-x7", "generateName": "web-"}, "Pod shop/web-*"),
        ("", {"name": "own"}, "Pod shop/own"),
        ("", None, "Pod shop"),
        ("a\nb", {}, "Pod shop/a?b"),
    ],
)
def test_row_16_the_object_is_named_as_its_author_knows_it(
    name: str, metadata: JSON, shown: str
) -> None:
    review = REVIEW._replace(name=name, new=Content.of({"metadata": metadata}))
    assert f"\n  in    {shown}\n" in explain(review, decision(finding()))
