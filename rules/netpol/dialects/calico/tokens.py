"""What a selector is made of: marks, quoted texts, labels and the words behind them.

Source: projectcalico/calico libcalico-go/lib/selector/tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from rules.selectors import describe

_BLANKS = re.compile(r"[ \t]*")
_ANYWHERE = r"""(?P<mark>&&|\|\||==|!=|[(){},!]) | "(?P<double>[^"]*)" | '(?P<single>[^']*)'"""
_KEY = "[a-zA-Z0-9_./-]"
_TOKEN = re.compile(
    rf"""{_ANYWHERE}
    | has\([ \t]*(?P<has>{_KEY}+)[ \t]*\) | (?P<call>all|global)\([ \t]*\)
    | (?!has\(|all\(|global\()(?P<label>{_KEY}++)(?!\Z)""",
    re.VERBOSE,
)
_AFTER_LABEL = re.compile(
    rf"""{_ANYWHERE}
    | (?P<word>contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in)""",
    re.VERBOSE,
)


class InvalidExpression(ValueError):
    """A text that is no selector: what it lacks, and where."""


class Token(NamedTuple):
    """One part of a selector, and where it starts; `value` is without quotes and brackets."""

    kind: Literal["mark", "text", "has", "call", "label", "word", "end"]
    value: str
    at: int


def tokens(text: str) -> Iterator[Token]:
    """All parts, and the end. Raises InvalidExpression where something else stands."""
    at, after_label = 0, False
    while True:
        blanks = _BLANKS.match(text, at)
        at = blanks.end() if blanks else at
        if at == len(text):
            yield Token("end", "", at)
            return
        match = (_AFTER_LABEL if after_label else _TOKEN).match(text, at)
        if match is None:
            raise InvalidExpression(f"with {describe(text[at:])}, which nothing can start with")
        token = _token(match, at)
        yield token
        at, after_label = match.end(), token.kind == "label"


def _token(match: re.Match[str], at: int) -> Token:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    match kind:
        case "double" | "single":
            return Token("text", value, at)
        case "word":
            return Token("word", "".join(value.split()), at)
        case "mark" | "has" | "call" | "label":
            return Token(kind, value, at)
    raise AssertionError(kind)
