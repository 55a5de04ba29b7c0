"""Lists beside the rulebook: files with an entry a line, `#` for comments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from webhook.text import Mistake, Text, visible

_Entry = TypeVar("_Entry")


def read(path: Path, parse: Callable[[str], _Entry]) -> tuple[list[_Entry], list[Mistake]]:
    """What the lines of the file mean, and those that mean nothing: `parse` raises ValueError."""
    try:
        text = Text.of(str(path), path.read_bytes())
    except OSError as error:
        return [], [Mistake(str(path), 1, 1, f"cannot be read: {error.strerror}")]
    found = []
    mistakes = []
    for number, stated in _lines(text):
        try:
            found.append(parse(stated.strip()))
        except ValueError as invalid:
            column = len(stated) - len(stated.lstrip()) + 1
            message = f'"{visible(stated.strip()[:64])}" {invalid}'
            mistakes.append(Mistake(text.file, number, column, message))
    return found, mistakes


def _lines(text: Text) -> Iterator[tuple[int, str]]:
    """The lines that say something, each with its number and without its comment."""
    for number, line in enumerate(text.content.splitlines(), start=1):
        stated = line.partition("#")[0]
        if stated.strip():
            yield number, stated
