"""A mapping that is never changed: a changed one is a new value that shares what stayed the same.

Its entries lie in shards by the hash of their key, so that a change copies one of many small
dictionaries and not a large one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

SHARDS = 128


@dataclass(frozen=True, slots=True)
class Shards(Generic[_Key, _Value]):
    """Entries by key. Equal where the entries are."""

    shards: tuple[Mapping[_Key, _Value], ...] = ({},) * SHARDS

    @classmethod
    def of(cls, entries: Mapping[_Key, _Value]) -> Shards[_Key, _Value]:
        """These entries."""
        shards: list[dict[_Key, _Value]] = [{} for _ in range(SHARDS)]
        for key, value in entries.items():
            shards[hash(key) % SHARDS][key] = value
        return cls(tuple(shards))

    def get(self, key: _Key) -> _Value | None:
        """The value under the key."""
        return self.shards[hash(key) % SHARDS].get(key)

    def put(self, key: _Key, value: _Value | None) -> Shards[_Key, _Value]:
        """The mapping with this value under the key; None takes the entry out."""
        at = hash(key) % SHARDS
        shard = changed(self.shards[at], key, value) or {}
        return Shards((*self.shards[:at], shard, *self.shards[at + 1 :]))

    def items(self) -> Iterator[tuple[_Key, _Value]]:
        """All entries, in no order that means anything."""
        return (item for shard in self.shards for item in shard.items())

    def values(self) -> Iterator[_Value]:
        """All values, in no order that means anything."""
        return chain.from_iterable(shard.values() for shard in self.shards)

    def __iter__(self) -> Iterator[_Key]:
        return (key for shard in self.shards for key in shard)

    def __len__(self) -> int:
        return sum(map(len, self.shards))


def changed(
    entries: Mapping[_Key, _Value] | None, key: _Key, value: _Value | None
) -> Mapping[_Key, _Value] | None:
    """The entries with this one, or for None without it; None if there is none left."""
    kept = dict(entries or {})
    kept.pop(key, None)
    if value is not None:
        kept[key] = value
    return kept or None
