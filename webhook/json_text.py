"""JSON text to values, and the place of each value found when somebody asks.

Values are decoded by the C scanner; places are found by skipping with it, so that a large list of
objects costs no more than reading it twice.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rules.model import JSON, Path
from webhook.text import Place, Text, Unreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_SKIP = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # set in __init__
_OPENERS = "{["

Entry = tuple[int, int, int, int]
"""Start and end of the key, start and end of the value; in a list both are the value's."""


class _Twice(ValueError):
    """A map holds a key twice; the message is the key."""


@dataclass(frozen=True, slots=True)
class JsonMarks:
    """The places of one document, which starts at `start`."""

    text: Text
    start: int
    known: dict[int, dict[str | int, Entry]] = field(default_factory=dict, compare=False)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value at the path, as `webhook.documents.Marks` says."""
        start, best = self.start, (self.start, self.start + 1)
        for step in path:
            entry = self.entries(start).get(step)
            if entry is None:
                break
            name, name_end, start, end = entry
            listed = name == start
            shown = self.text.content[start] not in _OPENERS and not (key and not listed)
            best = (start, end) if shown else (name, name + 1 if listed else name_end)
        return self.text.place(*best)

    def entries(self, start: int) -> dict[str | int, Entry]:
        """The entries of the map or list that starts here; none of a scalar."""
        found = self.known.get(start)
        if found is None:
            try:
                found = dict(_entries(self.text.content, start))
            except RecursionError:  # just readable, but not from where we stand now
                found = {}
            self.known[start] = found
        return found


def read(text: Text) -> Iterator[tuple[JSON, JsonMarks]]:
    """The values of a JSON text, one after the other. Raises Unreadable."""
    content = text.content
    position = _skip_space(content, 0)
    while position < len(content):
        try:
            value, end = _decoder().raw_decode(content, position)
        except _Twice as error:
            offset = _find_twice(content, position)
            name = str(error)[:64]
            raise Unreadable(offset, f"the key {name!r} stands here for the second time") from error
        except json.JSONDecodeError as error:
            raise Unreadable(error.pos, f"this is no JSON: {error.msg}") from error
        except ValueError as error:  # a constant, or a number of thousands of digits
            raise Unreadable(position, f"this is no JSON: {error}") from error
        except RecursionError as error:
            raise Unreadable(position, "nested too deeply") from error
        yield value, JsonMarks(text, position)
        position = _skip_space(content, end)


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object, parse_constant=_reject, parse_float=_read_float
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return value


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _read_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _skip_space(content: str, position: int) -> int:
    found = _SPACE.match(content, position)
    return found.end() if found else position


def _entries(content: str, start: int) -> Iterator[tuple[str | int, Entry]]:
    """The entries of a text that is known to be JSON."""
    opener = content[start]
    if opener not in _OPENERS:
        return
    index = 0
    position = _skip_space(content, start + 1)
    while content[position] not in "}]":
        step: str | int = index
        key = key_end = position
        if opener == "{":
            step, key_end = _SKIP(content, position)
            position = _skip_space(content, _skip_space(content, key_end) + 1)  # the colon
        _, end = _SKIP(content, position)
        yield step, (key, key_end if opener == "{" else end, position, end)
        index += 1
        position = _skip_space(content, end)
        if content[position] == ",":
            position = _skip_space(content, position + 1)


def _find_twice(content: str, start: int) -> int:
    """Where the first key that a map has already stands again."""
    places = [start]
    while places:
        seen: set[str | int] = set()
        inner = []
        entries = _entries(content, places.pop())
        with suppress(ValueError, IndexError, RuntimeError):  # the text may end in the middle
            for step, (key, _, value, _) in entries:
                if step in seen:
                    return key
                seen.add(step)
                if content[value] in _OPENERS:
                    inner.append(value)
        places += reversed(inner)
    return start
