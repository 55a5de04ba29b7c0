"""Rows about our own failures: a rule that raises or takes too long, a reply that breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from rules.model import NAMESPACE, RUNTIME_CLASS, Action, Finding
from rules.review import Cluster, Review
from tests.made_up import Doors, activate, made_up, say
from tests.reviews import UID, ask, ask_update, causes, pod, reasons, written

RAISED = [
    KeyError("spec"),
    TypeError("None\nERROR forged line"),
    RecursionError(),
    MemoryError(),
    AssertionError(),
    StopIteration(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
]


def raising(error: Exception) -> Any:
    """A check that fails before it says anything."""

    def check(_review: Review, _cluster: Cluster) -> Iterator[Finding]:
        yield from ()
        raise error

    return check


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_row_44_a_rule_that_fails_denies_and_the_others_still_speak(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    doors = Doors(
        made_up(raising(error), name="faulty"),
        made_up(lambda *_: iter([say()]), name="sound"),
    )
    response = doors.ask(ask(pod()))
    assert causes(response) == [("faulty", ""), ("sound", "spec")]
    message = response["status"]["message"]
    assert message.startswith(f"[faulty] internal policy error [{UID[:8]}]: ")
    assert (
        doors.count("rule_results_total", {"rule": "faulty", "effect": "error", "dry_run": "false"})
        == 1
    )
    found = doors.lines()[0]["findings"][0]
    assert (found["rule"], found["check"], found["error"]) == ("faulty", "ERROR", True)
    (record,) = caplog.records
    assert re.fullmatch(
        rf"\[{UID[:8]}\] rule faulty failed: \w+ at .*test_failures\.py:\d+ in check.*",
        record.getMessage(),
    )


@pytest.mark.parametrize(
    ("action", "allowed"), [("enforce", False), ("warn", True), ("audit", True), ("off", True)]
)
def test_row_44_a_rule_that_fails_is_never_stronger_than_its_action(
    action: Action, *, allowed: bool
) -> None:
    doors = Doors(activate(made_up(raising(KeyError())), action))
    assert doors.ask(ask(pod()))["allowed"] is allowed
    labels = {"rule": "made-up", "effect": "error", "dry_run": "false"}
    assert doors.count("rule_results_total", labels) == (action != "off"), "never silent"


def test_row_44_a_rule_that_fails_on_the_stored_object_too_is_not_excused() -> None:
    doors = Doors(made_up(raising(KeyError())))
    assert reasons(doors.ask(ask_update(pod(), pod()))) == {"made-up"}


def test_row_44_a_rule_that_fails_while_mending_is_counted_and_mends_nothing() -> None:
    doors = Doors(made_up(raising(KeyError()), mend="enforce"))
    response = doors.ask(ask(pod()), b"/mutate")
    assert response["allowed"], "validation fails on it again, and says so"
    assert "patch" not in response
    labels = {"rule": "made-up", "effect": "error", "dry_run": "false"}
    assert doors.count("rule_results_total", labels) == 1


def test_row_44_a_rule_that_reads_what_it_did_not_declare_denies() -> None:
    def nosy(review: Review, cluster: Cluster) -> Iterator[Finding]:
        if not cluster.namespace(review.namespace).labels:
            yield say()

    assert causes(Doors(made_up(nosy)).ask(ask(pod()))) == [("made-up", "")]
    assert causes(Doors(made_up(nosy, reads=frozenset({NAMESPACE}))).ask(ask(pod()))) == [
        ("made-up", "spec")
    ]
    assert causes(Doors(made_up(nosy, reads=frozenset({RUNTIME_CLASS}))).ask(ask(pod()))) == [
        ("made-up", "")
    ]


def test_row_45_time_is_looked_at_between_rules() -> None:
    asked = []

    def slow(name: str) -> Any:
        def check(_review: Review, _cluster: Cluster) -> Iterator[Finding]:
            asked.append(name)
            yield from ()

        return made_up(check, name=name)

    doors = Doors(slow("first"), slow("second"))
    reply = doors.send(written(ask(pod())), query=b"timeout=1ns")
    assert (reply.status, dict(reply.headers)) == (503, {b"retry-after": b"1"})
    assert asked == []
    assert doors.count("shed_total", {"reason": "not decided in time"}) == 1
    assert doors.lines() == [], "nothing was decided"
    doors.ask(ask(pod()))
    assert asked == ["first", "second"]


@pytest.mark.parametrize("path", [b"/validate", b"/mutate"])
def test_row_45_no_door_forgets_the_time(path: bytes) -> None:
    doors = Doors(made_up(lambda *_: iter(()), mend="enforce"))
    assert doors.send(written(ask(pod())), path, b"timeout=1ns").status == 503
    stored = written(ask_update(pod(), pod()))
    assert doors.send(stored, b"/validate", b"timeout=1ns").status == 503
