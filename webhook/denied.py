"""The list of denied images: a file with a digest or a repository a line, `#` for comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rules.image import InvalidImage, entries
from webhook.text import Mistake, Text, visible


def read(path: Path) -> tuple[frozenset[str], list[Mistake]]:
    """The entries of the file as `rules.image.entries` gives them, and what in it is none."""
    try:
        text = Text.of(str(path), path.read_bytes())
    except OSError as error:
        return frozenset(), [Mistake(str(path), 1, 1, f"cannot be read: {error.strerror}")]
    found: set[str] = set()
    mistakes = []
    for number, stated in _lines(text):
        try:
            found |= entries(stated.strip())
        except InvalidImage as invalid:
            column = len(stated) - len(stated.lstrip()) + 1
            message = f'"{visible(stated.strip()[:64])}" {invalid}'
            mistakes.append(Mistake(text.file, number, column, message))
    return frozenset(found), mistakes


def _lines(text: Text) -> Iterator[tuple[int, str]]:
    """The lines that say something, each with its number and without its comment."""
    for number, line in enumerate(text.content.splitlines(), start=1):
        stated = line.partition("#")[0]
        if stated.strip():
            yield number, stated
