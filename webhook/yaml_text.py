"""YAML text to values, and beside each value the place where it stands.

Built from the events of the C parser and not by its composer: that one is recursive, and a line of
brackets would end the process. What aliases repeat is counted, so that a bomb is refused early.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # not in its stubs

from rules.model import JSON, Path
from webhook.text import Place, Text, Unreadable
from webhook.yaml_scalar import NoJSON, read_key, read_scalar

DEEPEST = 500
MOST_REPEATED = 100_000
"""Values that aliases may add to a document."""

_UNREADABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_BOUNDARY = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)(?:(?<=\.)[^\n]*\n?)?", re.MULTILINE)
_PREAMBLE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*")
_MERGE = "<<"
_BEGUN = frozenset({"while scanning a simple key", "while scanning a quoted scalar"})
"""What the parser was at when the cause stands where that began."""


Inner = dict["str | int", "Mark"]
Keys = dict["str | int", tuple[int, int]]
_NO_INNER: Inner = {}
_NO_KEYS: Keys = {}


@dataclass(slots=True)
class Mark:
    """Where a value stands, and in a map or list its entries and keys, by key or by index."""

    start: int
    end: int
    inner: Inner
    keys: Keys

    @property
    def scalar(self) -> bool:
        """The value is neither map nor list."""
        return self.inner is _NO_INNER


@dataclass(frozen=True, slots=True)
class YamlMarks:
    """The places of one document."""

    text: Text
    root: Mark

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value at the path, as `webhook.documents.Marks` says."""
        mark, best = self.root, (self.root.start, self.root.start + 1)
        for step in path:
            if step not in mark.inner:
                break
            at = mark.keys.get(step)
            mark = mark.inner[step]
            shown = mark.scalar and mark.end > mark.start and not (key and at)
            best = (mark.start, mark.end) if shown else at or (mark.start, mark.start + 1)
        return self.text.place(*best)


def split(text: Text) -> Iterator[tuple[int, int]]:
    """The parts of a text that can be read each on its own, one document each or none."""
    start = 0
    content = text.content
    for boundary in _BOUNDARY.finditer(content):
        dots = content[boundary.start()] == "."
        cut = boundary.end() if dots else boundary.start()
        if _PREAMBLE.fullmatch(content, start, cut):
            continue  # directives belong to the document that they precede
        yield start, cut
        start = cut
    if start < len(content):
        yield start, len(content)


def read(text: Text, start: int, end: int) -> Iterator[tuple[JSON, YamlMarks]]:
    """The documents in this part of the text; empty ones are left out. Raises Unreadable."""
    part = text.content[start:end]
    strange = _UNREADABLE.search(part)
    if strange is not None:
        name = f"U+{ord(strange[0]):04X}"
        raise Unreadable(start + strange.start(), f"the character {name} is not allowed in YAML")
    composer = _Composer(start)
    try:
        parser = CParser(part)
        while (event := parser.get_event()) is not None:
            root = composer.take(event)
            if root is not None and root[0] is not None:
                yield root[0], YamlMarks(text, root[1])
    except yaml.YAMLError as error:
        raise _explain(error, start, part) from error
    except NoJSON as error:
        offset = composer.offset
        raise Unreadable(offset, _hint(str(error), part, offset - start)) from error


def _explain(error: Any, start: int, part: str) -> Unreadable:
    """What the parser could not read. It often stumbles long after the cause, at the end."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it is no YAML"
    at_end = mark is None or not part[mark.index :].strip()
    if context is not None and (at_end or error.context in _BEGUN):
        mark = context
    offset = mark.index if mark is not None else 0
    offset = max(min(offset, len(part.rstrip()) - 1), 0)  # at the end: the last thing written
    if part[offset : offset + 1] == "\t":
        problem = "a tab cannot indent; use spaces"
    return Unreadable(start + offset, _hint(problem, part, offset))


def _hint(problem: str, part: str, offset: int) -> str:
    begin = part.rfind("\n", 0, offset) + 1
    end = part.find("\n", offset)
    if "{{" in part[begin : end if end >= 0 else len(part)]:
        problem += "; a template must be rendered first (helm template)"
    return problem


@dataclass(slots=True)
class _Frame:
    """A map or list that is being read. `key` waits for its value."""

    value: Any
    mark: Mark
    anchor: str | None
    begun: int
    own: set[str] = field(default_factory=set)
    key: str | None = None
    merging: bool = False

    def begin(self, key: str, mark: Mark) -> None:
        """A key was read. Raises Unreadable where the map has it already."""
        if key in self.own:
            raise Unreadable(mark.start, f"the key {key[:64]!r} stands here for the second time")
        self.own.add(key)
        self.key = key
        self.mark.keys[key] = (mark.start, mark.end)

    def merge(self, value: JSON, mark: Mark) -> None:
        """Take over the entries of other maps (`<<`). Raises Unreadable where there is no map.

        As in Kubernetes, of two the later in the text counts, and in a list of maps the earlier.
        """
        sources = [(value, mark)]
        if type(value) is list:
            sources = [(value[i], mark.inner[i]) for i in reversed(range(len(value)))]
        for other, place in sources:
            if type(other) is not dict:
                raise Unreadable(mark.start, "<< takes a map or a list of maps")
            self.value.update(other)
            self.mark.inner.update(place.inner)
            self.mark.keys.update(place.keys)


class _Composer:
    """Takes the events of one document after the other, and builds value and Mark together."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.offset = base
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[JSON, Mark, int]] = {}
        self.values = 0
        self.repeated = 0

    def take(self, event: Any) -> tuple[JSON, Mark] | None:
        """The next event; gives the root of a document when it is complete."""
        kind = type(event)
        self.offset = start = self.base + event.start_mark.index
        if kind is yaml.ScalarEvent:
            return self._scalar(event, start)
        if kind is yaml.MappingStartEvent:
            self._open(event, {}, start)
        elif kind is yaml.SequenceStartEvent:
            self._open(event, [], start)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            return self._close(event)
        elif kind is yaml.AliasEvent:
            return self._alias(event, start)
        elif kind is yaml.DocumentStartEvent:
            self.anchors, self.values, self.repeated = {}, 0, 0
        return None

    def _scalar(self, event: Any, start: int) -> tuple[JSON, Mark] | None:
        plain = event.implicit[0]
        self.values += 1
        frame = self.stack[-1] if self.stack else None
        awaits_key = frame is not None and frame.key is None and type(frame.value) is dict
        if awaits_key and plain and event.value == _MERGE and event.tag is None:
            frame.key, frame.merging = _MERGE, True  # type: ignore[union-attr]  # awaits_key
            return None
        value = read_scalar(event.value, event.tag, plain=plain)
        mark = Mark(start, self.base + event.end_mark.index, _NO_INNER, _NO_KEYS)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, mark, 1)
        return self._deliver(value, mark)

    def _open(self, event: Any, value: JSON, start: int) -> None:
        if len(self.stack) >= DEEPEST:
            raise Unreadable(start, f"nested deeper than {DEEPEST} levels")
        self.values += 1
        mark = Mark(start, start, {}, {})
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)  # not known before it ends: no circles
        self.stack.append(_Frame(value, mark, event.anchor, self.values))

    def _close(self, event: Any) -> tuple[JSON, Mark] | None:
        frame = self.stack.pop()
        frame.mark.end = self.base + event.end_mark.index
        if frame.anchor is not None:
            size = self.values - frame.begun + 1
            self.anchors[frame.anchor] = (frame.value, frame.mark, size)
        self.offset = frame.mark.start
        return self._deliver(frame.value, frame.mark)

    def _alias(self, event: Any, start: int) -> tuple[JSON, Mark] | None:
        if event.anchor not in self.anchors:
            raise Unreadable(start, f"no anchor &{event.anchor} stands before this alias")
        value, mark, size = self.anchors[event.anchor]
        self.values += size
        self.repeated += size
        if self.repeated > MOST_REPEATED:
            raise Unreadable(start, f"aliases repeat more than {MOST_REPEATED} values")
        if mark.scalar:
            mark = Mark(start, self.base + event.end_mark.index, _NO_INNER, _NO_KEYS)
        return self._deliver(value, mark)

    def _deliver(self, value: JSON, mark: Mark) -> tuple[JSON, Mark] | None:
        """Put a value where it belongs: into the list, or the map as key or as value of one."""
        if not self.stack:
            return value, mark
        frame = self.stack[-1]
        if type(frame.value) is list:
            frame.mark.inner[len(frame.value)] = mark
            frame.value.append(value)
        elif frame.merging:
            frame.merge(value, mark)
            frame.key, frame.merging = None, False
        elif frame.key is None:
            frame.begin(read_key(value), mark)
        else:
            frame.value[frame.key] = value
            frame.mark.inner[frame.key] = mark
            frame.key = None
        return None
