"""Names and patterns of names, as rules on names and on DNS write them.

Case and a final dot do not count. Source: cilium/cilium pkg/fqdn/matchpattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.names import EVERY_NAME
from rules.netpol.parts import strangers
from rules.netpol.peers import Fqdn
from rules.selectors import Path, describe

MOST_LETTERS = 255
FIELDS = ("matchName", "matchPattern")
_LABEL = "[-a-zA-Z0-9_]+"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_GLOB = "[-a-zA-Z0-9_*]+"
_PATTERN = re.compile(rf"{_GLOB}(?:\.{_GLOB})*\.?")
_STARS = re.compile(r"\*+")
_LEADING = re.compile(r"\*{2,}\.")


def read_name(node: Any, path: Path) -> Iterator[PeerEntry | Unknown]:
    """An item with exactly one of matchName and matchPattern."""
    if not isinstance(node, dict):
        yield Unknown(path, describe(node), f"a map with {' or '.join(FIELDS)}")
        return
    yield from strangers(node, FIELDS, path)
    stated = [field for field in FIELDS if field in node]
    if len(stated) != 1:
        found = " and ".join(stated) or "empty"
        yield Unknown(path, found, f"a map with exactly one of {' and '.join(FIELDS)}")
        return
    field, text = stated[0], node[stated[0]]
    legal = _NAME if field == FIELDS[0] else _PATTERN
    if isinstance(text, str) and len(text) <= MOST_LETTERS and legal.fullmatch(text):
        yield PeerEntry(path, Fqdn(normal(text)))
    else:
        wanted = "a name such as example.com, or in matchPattern *.example.com"
        yield Unknown((*path, field), describe(text), wanted)


def normal(pattern: str) -> str:
    """The one way in which we write a pattern that may be written in several."""
    pattern = pattern.lower().removesuffix(".")
    if not pattern.strip("*"):
        return EVERY_NAME
    leading = _LEADING.match(pattern)
    head, rest = ("**.", pattern[leading.end() :]) if leading else ("", pattern)
    return head + _STARS.sub("*", rest)
