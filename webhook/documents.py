"""Files to documents: every object in them with its place, and every mistake.

One broken document does not hide the others. Lists are taken apart, empty documents left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Protocol

from rules.model import JSON, Path
from rules.words import enumerate_words, kind_of, quote
from webhook import json_text, yaml_text
from webhook.text import STDIN, Mistake, Place, Text, Unreadable

SUFFIXES = (".yaml", ".yml", ".json")
_OPENED = re.compile(r"\s*[\[{]")
_JSON = re.compile(r'\s*\{\s*"')


class Marks(Protocol):
    """Where the values of a document stand."""

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The value at the path if it is a scalar, else its key; of what is missing, its parent.

        `key` asks for the key in any case.
        """


@dataclass(frozen=True, slots=True)
class Document:
    """An object as it stands in a text; `root` is its place in a list around it."""

    text: Text
    value: JSON
    marks: Marks
    root: Path = ()

    @property
    def file(self) -> str:
        """The name of the file, `-` for stdin."""
        return self.text.file

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where the field at the path stands; see `Marks`."""
        return self.marks.place((*self.root, *path), key=key)

    def mistake(self, path: Path, message: str, *, key: bool = False) -> Mistake:
        """A mistake at the field, or at its key."""
        place = self.place(path, key=key)
        return Mistake(self.file, place.line, place.column, message)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, what could not be, and the texts in which both stand."""

    documents: tuple[Document, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    texts: tuple[Text, ...] = ()


def read_paths(paths: Iterable[str], stdin: Callable[[], bytes]) -> Reading:
    """The objects in all files and folders (recursively, by suffix) and, for `-`, in stdin."""
    readings: list[Reading] = []
    for path in dict.fromkeys(_find_files(paths)):
        try:
            data = stdin() if path == STDIN else FilePath(path).read_bytes()
        except OSError as error:
            mistake = Mistake(path, 1, 1, f"cannot be read: {error.strerror}")
            readings.append(Reading(mistakes=(mistake,)))
        else:
            readings.append(read_text(Text.of(path, data)))
    return Reading(
        tuple(document for reading in readings for document in reading.documents),
        tuple(mistake for reading in readings for mistake in reading.mistakes),
        tuple(text for reading in readings for text in reading.texts),
    )


def read_text(text: Text) -> Reading:
    """The objects in a text."""
    documents: list[Document] = []
    mistakes: list[Mistake] = []
    for found in parse(text):
        for item in [found] if isinstance(found, Mistake) else _take_apart(found):
            if isinstance(item, Mistake):
                mistakes.append(item)
            else:
                documents.append(item)
    return Reading(tuple(documents), tuple(mistakes), (text,))


def parse(text: Text) -> Iterator[Document | Mistake]:
    """The documents of a text as they stand there, whatever they are."""
    if not _OPENED.match(text.content):
        yield from _parse_yaml(text)
        return
    found = list(_parse_json(text))
    if text.file.endswith(".json") or not isinstance(found[-1], Mistake):
        yield from found
        return
    instead = list(_parse_yaml(text))  # `{kind: Pod}` is YAML only
    broken = any(isinstance(item, Mistake) for item in instead)
    yield from found if broken and _JSON.match(text.content) else instead


def _parse_json(text: Text) -> Iterator[Document | Mistake]:
    undecoded = text.undecoded(0, len(text.content))
    if undecoded is not None:
        yield undecoded
        return
    try:
        for value, marks in json_text.read(text):
            yield Document(text, value, marks)
    except Unreadable as error:
        yield text.mistake(error.offset, str(error))


def _parse_yaml(text: Text) -> Iterator[Document | Mistake]:
    for start, end in yaml_text.split(text):
        undecoded = text.undecoded(start, end)
        if undecoded is not None:
            yield undecoded
            continue
        try:
            for value, marks in yaml_text.read(text, start, end):
                yield Document(text, value, marks)
        except Unreadable as error:
            yield text.mistake(error.offset, str(error))


def _find_files(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if path == STDIN or not FilePath(path).is_dir():
            yield path
            continue
        for folder, folders, files in os.walk(path):
            # Hidden folders are those of tools, and of volumes that show each file twice.
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.endswith(SUFFIXES) and not name.startswith("."):
                    yield str(FilePath(folder) / name)


def _take_apart(document: Document) -> Iterator[Document | Mistake]:
    """The objects in a document: one, or the items of a list, or what is wrong with it."""
    fault = _fault(document)
    if fault is not None:
        yield fault
    elif not _is_list(document.value):
        yield document
    else:
        for index, item in enumerate(document.value.get("items") or ()):
            value = item
            if isinstance(item, dict) and document.value["kind"] != "List":
                own = {"kind": document.value["kind"].removesuffix("List")}
                value = {"apiVersion": document.value["apiVersion"]} | own | item
            root = (*document.root, "items", index)
            yield from _take_apart(Document(document.text, value, document.marks, root))


def _is_list(value: dict[str, JSON]) -> bool:
    if not value["kind"].endswith("List"):
        return False
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and "name" in metadata
    return isinstance(value.get("items"), list | None) and not named


def _fault(document: Document) -> Mistake | None:
    """What keeps a document from being an object of Kubernetes."""
    value = document.value
    if not isinstance(value, dict):
        return document.mistake((), f"this is {kind_of(value)}; an object must be a map")
    heads = ("apiVersion", "kind")
    missing = [head for head in heads if value.get(head) in (None, "")]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return document.mistake((), f"{enumerate_words(missing, 'and')} {verb} missing")
    for head in heads:
        if not isinstance(value[head], str):
            shown = quote(value[head])
            return document.mistake((head,), f"{head} is {shown}; it must be a string")
    if "metadata" in value and not value["metadata"]:
        beside = [key for key in ("name", "namespace") if key in value]
        if beside:
            said = f"{', '.join(beside)} stand{'' if len(beside) > 1 else 's'} beside it"
            lost = f"metadata is empty, and {said}: was the indentation lost?"
            return document.mistake(("metadata",), lost)
    return None
