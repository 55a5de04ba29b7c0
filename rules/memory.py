"""What follows from a value, kept as long as there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MOST = 10_000

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Memory(Generic[_Key, _Value]):
    """At most so many values by their keys; when it is full it begins anew."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[_Key, _Value] = {}

    def get(self, key: _Key | None) -> _Value | None:
        """What is known, if anything; of None nothing ever is."""
        return self._known.get(key) if key is not None else None

    def put(self, key: _Key | None, value: _Value) -> None:
        """Remember it."""
        if key is None:
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[key] = value

    def once(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """What is known, else what is made now; it is never None."""
        known = self._known.get(key)
        if known is None:
            known = make()
            self.put(key, known)
        return known
