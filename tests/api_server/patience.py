"""Waiting for what happens elsewhere: look again until it has, and give up in the end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

PATIENCE = 60.0  # seconds; nothing here takes more than a few, but machines can be busy
PAUSE = 0.05  # between two looks


def await_that(claim: Callable[[], bool], what: str) -> None:
    """Return as soon as the claim holds; the test fails, saying `what`, where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        if time.monotonic() > deadline:
            pytest.fail(f"after {PATIENCE:.0f} s still not true: {what}")
        time.sleep(PAUSE)
