"""Patterns of names, in the one way in which the model writes them, whatever language says them.

Lower case, no final dot. `*` is any run inside one label; a label `**` is one label or more; `*`
alone is every name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

EVERY_NAME = "*"
MANY = "**"
_Named = TypeVar("_Named")


@lru_cache(maxsize=1024)
def covers(wide: str, narrow: str) -> bool:
    """Whether each name that the one pattern matches, the other matches, too."""
    if wide in (EVERY_NAME, narrow):
        return True
    return narrow != EVERY_NAME and _holds(wide.split("."), narrow.split("."))


class ByEnd(Generic[_Named]):
    """What has patterns, by what is fixed of each: few need to be looked at for one name."""

    def __init__(self) -> None:
        self._held: dict[str, dict[_Named, None]] = defaultdict(dict)

    def put(self, pattern: str, named: _Named) -> None:
        """Keep it under one of its patterns."""
        self._held[fixed_part(pattern)][named] = None

    def near(self, narrow: str) -> Iterator[_Named]:
        """All of which some pattern may cover this one; a thing once for each of their ends."""
        for part in ends_of(narrow):
            yield from self._held.get(part, ())


class Patterns:
    """Many patterns at once."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._held: ByEnd[str] = ByEnd()
        for pattern in dict.fromkeys(patterns):
            self._held.put(pattern, pattern)

    def cover(self, narrow: str) -> bool:
        """Whether one of them covers a pattern."""
        return any(covers(wide, narrow) for wide in self._held.near(narrow))


def fixed_part(pattern: str) -> str:
    """The end of a pattern in which nothing varies: `example.com` of `*.example.com`."""
    labels = pattern.split(".")
    kept: list[str] = []
    while labels and "*" not in labels[-1]:
        kept.append(labels.pop())
    return ".".join(reversed(kept))


def ends_of(pattern: str) -> Iterator[str]:
    """The fixed parts, one of which each pattern has that covers this one."""
    labels = pattern.split(".")
    yield from (".".join(labels[first:]) for first in range(len(labels)))
    yield ""


def _holds(wide: list[str], narrow: list[str]) -> bool:
    """Label by label; where it fails, the last `**` takes one more: no other need be asked."""
    at = taken = 0
    many: int | None = None
    start = 0
    while taken < len(narrow):
        if at < len(wide) and wide[at] == MANY:
            many, start = at, taken
        elif at == len(wide) or not _fits(wide[at], narrow[taken]):
            if many is None:
                return False
            start += 1
            at, taken = many, start
        at, taken = at + 1, taken + 1
    return at == len(wide)


def _fits(glob: str, label: str) -> bool:
    """Whether a label is one of the glob's; its own stars are letters that only stars take."""
    if label == MANY:
        return False
    first, *rest = glob.split("*")
    if not rest:
        return glob == label
    if not label.startswith(first):
        return False
    *inner, last = rest
    place = len(first)
    for piece in inner:
        place = label.find(piece, place) + len(piece)
        if place < len(piece):
            return False
    return label.endswith(last) and len(label) - len(last) >= place
