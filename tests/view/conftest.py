"""Fixtures of the tests of the live view."""

from __future__ import annotations

import pytest

from webhook import reflect


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(reflect, "LONGEST_PAUSE", 0.001)
