"""The breaker: five failures in a row open it, one answer closes it, and one tries for all."""

from __future__ import annotations

from webhook.breaker import MOST_FAILURES, OPEN_SECONDS, Breaker


def fail(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        assert breaker.admits(now)
        breaker.failed(now)


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    fail(breaker, MOST_FAILURES - 1)
    breaker.succeeded()
    fail(breaker, MOST_FAILURES - 1)
    assert breaker.admits(0.0)
    breaker.failed(0.0)
    assert breaker.is_open
    assert not breaker.admits(OPEN_SECONDS / 2)


def test_half_open_one_passes_and_decides_for_all() -> None:
    breaker = Breaker()
    fail(breaker, MOST_FAILURES)
    assert breaker.admits(OPEN_SECONDS)
    assert not breaker.admits(OPEN_SECONDS), "one is under way"
    breaker.failed(OPEN_SECONDS)
    assert not breaker.admits(OPEN_SECONDS), "open again"
    assert breaker.admits(2 * OPEN_SECONDS)
    breaker.succeeded()
    assert not breaker.is_open
    fail(breaker, MOST_FAILURES - 1, 3 * OPEN_SECONDS)
    assert breaker.admits(3 * OPEN_SECONDS), "counted from the beginning"


def test_an_answer_that_was_under_way_closes_it() -> None:
    breaker = Breaker()
    fail(breaker, MOST_FAILURES)
    breaker.succeeded()
    assert breaker.admits(0.0)
