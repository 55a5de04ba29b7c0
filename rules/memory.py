"""What follows from a value, kept as long as there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MOST = 10_000

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Memory(Generic[_Key, _Value]):
    """Values by their keys, `most` of them; when it is full it begins anew.

    Where values are of different size, `most` is what all may take, and each says what it takes.
    """

    __slots__ = ("_known", "_most", "_taken")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._taken = 0
        self._known: dict[_Key, _Value] = {}

    def get(self, key: _Key | None) -> _Value | None:
        """What is known, if anything; of None nothing ever is."""
        return self._known.get(key) if key is not None else None

    def put(self, key: _Key | None, value: _Value, size: int = 1) -> None:
        """Remember it."""
        if key is None or size > self._most:
            return
        self._taken += size
        if self._taken > self._most:
            self._known.clear()
            self._taken = size
        self._known[key] = value

    def once(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """What is known, else what is made now; it is never None."""
        known = self._known.get(key)
        if known is None:
            known = make()
            self.put(key, known)
        return known
