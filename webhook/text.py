"""A text that was read, the places in it, and the mistakes found there.

Lines and columns count characters from 1, as an editor shows them.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

STDIN = "-"
_LINE_END = re.compile(r"\r\n?|\n")
_UNDECODED = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something that cannot be read, and where; `file` is `-` for stdin."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class Unreadable(ValueError):
    """A document that cannot be read, or is more than JSON can hold. `offset` is in the text."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Place(NamedTuple):
    """Where something stands, and how many characters of that line it takes."""

    line: int = 1
    column: int = 1
    width: int = 1


@dataclass(frozen=True)  # without slots: the table of lines is made when first asked for
class Text:
    """The text of a file. A byte that is no UTF-8 stands in it as a lone surrogate."""

    file: str
    content: str

    @classmethod
    def of(cls, file: str, data: bytes) -> Text:
        """The text in these bytes: UTF-8, or UTF-16 with a byte order mark as PowerShell writes."""
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            try:
                return cls(file, data.decode("utf-16"))
            except UnicodeDecodeError:
                pass
        data = data.removeprefix(codecs.BOM_UTF8)
        return cls(file, data.decode("utf-8", "surrogateescape"))

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.content))]

    def place(self, start: int, end: int | None = None) -> Place:
        """The place of the characters from `start` to `end`, as far as they share its line."""
        number = bisect_right(self._starts, start)
        first = self._starts[number - 1]
        column = start - first + 1
        width = 1 if end is None else min(end, first + len(self.line(number))) - start
        return Place(number, column, max(width, 1))

    def line(self, number: int) -> str:
        """The line of this number, without its end; `""` where there is none."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.content)
        return self.content[start:end].rstrip("\r\n")

    def mistake(self, offset: int, message: str) -> Mistake:
        """The mistake that starts at this character."""
        place = self.place(offset)
        return Mistake(self.file, place.line, place.column, message)

    def undecoded(self, start: int, end: int) -> Mistake | None:
        """The first byte in this part that is no UTF-8."""
        found = _UNDECODED.search(self.content, start, end)
        if found is None:
            return None
        byte = ord(found[0]) & 0xFF
        return self.mistake(found.start(), f"the byte 0x{byte:02X} is not UTF-8")


def visible(text: str) -> str:
    """The text as one line, without what a terminal obeys: control and format characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in text)
