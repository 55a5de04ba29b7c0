"""How places and values are written in messages.

Everything echoed here comes from a tenant: control characters go, and long values are cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from rules.model import JSON, Finding, Path

LONGEST_VALUE = 64
LARGEST_NUMBER = 10**20
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests"})
_UNPRINTABLE = re.compile(r"[^ -~]")


def place(path: Path) -> str:
    """The path as Kubernetes writes it: `spec.egress[0].port`, `metadata.labels[a.io/b]`."""
    text = ""
    inside_map = False
    for step in path:
        if isinstance(step, int) or inside_map or not _PLAIN.fullmatch(step):
            text += f"[{printable(str(step))}]"
        else:
            text += f".{step}" if text else step
        inside_map = step in _MAPS
    return text


def sentence(finding: Finding) -> str:
    """What a Finding says, place first, as one printable line."""
    return printable(f"{place(finding.path)} {finding.message}".lstrip())


def quote(value: JSON) -> str:
    """The value as JSON, printable, at most `LONGEST_VALUE` characters and an ellipsis."""
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return "a huge number"  # past 4,300 digits Python refuses to write one out
    text = json.dumps(value, ensure_ascii=True, default=str)
    if len(text) <= LONGEST_VALUE:
        return text
    return text[: LONGEST_VALUE - 3] + ('..."' if isinstance(value, str) else "...")


def printable(text: str) -> str:
    """The text in ASCII without control characters: what is neither becomes `?`."""
    return _UNPRINTABLE.sub("?", text)


def nearest(word: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The one that is likely meant, if any: as alike as 0 to 1 says, by `difflib`'s measure."""
    from difflib import get_close_matches  # nobody who is right waits for it, nor keeps it

    return next(iter(get_close_matches(word, list(known), 1, alike)), None)


def kind_of(value: JSON) -> str:
    """What a JSON value is, in words: `a map`, `a list`, `a string`, `null` ..."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "a map"


def enumerate_words(words: list[str], joint: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(words) < 2:  # noqa: PLR2004  # one word needs no joint
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
