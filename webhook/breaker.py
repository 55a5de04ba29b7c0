"""A circuit breaker: who does not answer is left alone for a while, then tried by one.

Pure: `now` is an argument, seconds of a monotonic clock.
"""

from __future__ import annotations

MOST_FAILURES = 5
OPEN_SECONDS = 1.0


class Breaker:
    """Closed all may pass, open nobody; half open one may, and decides for the others."""

    def __init__(self) -> None:
        self._failures = 0
        self._until: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether somebody who comes now may be turned away."""
        return self._until is not None

    def admits(self, now: float) -> bool:
        """Whether who comes now may pass; he must tell how it went."""
        if self._until is None:
            return True
        if self._probing or now < self._until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """There was an answer."""
        self._failures = 0
        self._until = None
        self._probing = False

    def failed(self, now: float) -> None:
        """There was none: after so many in a row, or after the one who tried, it opens."""
        self._failures += 1
        if self._probing or self._failures >= MOST_FAILURES:
            self._until = now + OPEN_SECONDS
            self._probing = False
