"""What is remembered takes no more room than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.memory import Memory


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12))))
def test_what_is_known_is_right_and_has_room(entries: list[tuple[int, int]]) -> None:
    memory: Memory[int, int] = Memory(10)
    last: dict[int, int] = {}
    for key, size in entries:
        memory.put(key, size, size)
        if size > 10:  # there is no room for it, and what was known stays
            assert memory.get(key) in {None, last.get(key)}
            continue
        last[key] = size
        known = {each: found for each in last if (found := memory.get(each)) is not None}
        assert sum(known.values()) <= 10
        assert known.items() <= last.items()
        assert known[key] == size


def test_nothing_is_known_of_what_has_no_key() -> None:
    memory: Memory[int, int] = Memory(10)
    memory.put(None, 1)
    assert memory.get(None) is None


def test_what_is_made_once_is_not_made_again() -> None:
    memory: Memory[int, list[int]] = Memory(10)
    assert memory.once(1, lambda: [1]) is memory.once(1, lambda: [2])
