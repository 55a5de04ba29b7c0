"""Things that lie at addresses, of which few need to be looked at for some of these."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Generic, TypeVar

from rules.netpol.sets import FAMILIES, Addresses, Family

_Held = TypeVar("_Held")
_FIRST = itemgetter(0)


class Spans(Generic[_Held]):
    """Intervals of addresses, those about as wide as each other in one lane.

    So in each lane those that meet an address begin within twice their width before it.
    """

    def __init__(self, held: Iterable[tuple[Addresses, _Held]]) -> None:
        self._lanes: dict[Family, dict[int, list[tuple[int, int, _Held]]]] = {
            family: defaultdict(list) for family in FAMILIES
        }
        for addresses, each in held:
            for family in FAMILIES:
                for first, last in addresses.intervals(family):
                    self._lanes[family][(last - first).bit_length()].append((first, last, each))
        for lanes in self._lanes.values():
            for lane in lanes.values():
                lane.sort(key=_FIRST)

    def near(self, addresses: Addresses) -> Iterator[_Held]:
        """All that lie at one of the addresses; a thing once for each interval that does."""
        for family, lanes in self._lanes.items():
            for first, last in addresses.intervals(family):
                for width, lane in lanes.items():
                    start = bisect_left(lane, first - (1 << width), key=_FIRST)
                    stop = bisect_right(lane, last, lo=start, key=_FIRST)
                    yield from (each for _, end, each in lane[start:stop] if end >= first)
