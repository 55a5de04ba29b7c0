"""What was found out of values, by their identity: of one it is asked again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_Of = TypeVar("_Of")
_Found = TypeVar("_Found")

MOST = 256


class Known(Generic[_Of, _Found]):
    """What was found out of at most so many values; then all is forgotten, and found out again.

    What is found must depend on the value alone, and on what stays as it is as long as this lasts.
    """

    __slots__ = ("_found", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._found: dict[int, tuple[_Of, _Found]] = {}

    def of(self, value: _Of, find: Callable[[_Of], _Found]) -> _Found:
        """What is found of the value; `find` finds it where nothing is known."""
        known = self._found.get(id(value))
        if known is None:
            if len(self._found) >= self._most:
                self._found.clear()
            # the value is kept with it, so nothing else comes to have its identity
            known = self._found[id(value)] = value, find(value)
        return known[1]
