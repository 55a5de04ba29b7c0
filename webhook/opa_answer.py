"""What an OPA server answered, to Findings. Pure; whatever is not as agreed is a Finding too.

The agreement: `data.<package>.findings` is a set of texts, or of maps with `message` and, where
the rule wants to say more, `rule`, `path`, `severity`, `level` and `fix`. Other keys are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

from rules.model import JSON, Finding, Fix, Level, Operation, Path, Severity
from rules.outside import PREFIX, UNAVAILABLE
from rules.words import enumerate_words, kind_of, printable, quote

CHECK = "OPA"
RULE = "finding"
"""The rule of a finding that names none."""

_RULE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_INDEX = re.compile("0|[1-9][0-9]{0,5}")
_STEP = re.compile(r"(?:^|\.)(?P<key>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<inside>[^\]]+)\]")
_OPERATIONS = ("add", "replace", "remove")


class BadAnswer(ValueError):
    """A part of an answer that is not as agreed; says what it is and what it must be."""


class NoAnswer(Exception):
    """OPA did not answer the question.

    `reason` is a word for metrics, `told` what tenants may read, `detail` is for the log alone;
    `alive`: it did answer, but something else.
    """

    def __init__(self, reason: str, told: str, detail: str = "", *, alive: bool = False) -> None:
        super().__init__(f"{told} {detail}".rstrip())
        self.reason = reason
        self.told = told
        self.alive = alive


def findings_of(result: JSON) -> tuple[Finding, ...]:
    """The Findings of an answer; what is no finding makes one that says so, beside the others."""
    if not isinstance(result, list):
        return (unavailable(f"its findings are {kind_of(result)}; they must be a set"),)
    return tuple(_each(result))


def unavailable(reason: str) -> Finding:
    """The Finding in place of an answer that we do not have; tenants may read the `reason`."""
    return Finding(
        rule=UNAVAILABLE,
        check="ERROR",
        path=(),
        message=f"OPA could not decide, and is not taken to allow: {reason}",
        why="rules of this site are kept in OPA and were not heard; that is our fault, not yours, "
        "and the platform team finds the cause in the log",
        severity="high",
        error=True,
    )


def _each(result: list[JSON]) -> Iterator[Finding]:
    for item in result:
        try:
            yield _finding({"message": item} if isinstance(item, str) else item)
        except BadAnswer as bad:
            yield unavailable(f"one of its findings {bad}")


def _finding(item: JSON) -> Finding:
    if not isinstance(item, dict):
        raise BadAnswer(f"is {kind_of(item)}; it must be a text or a map")
    message = item.get("message")
    if not isinstance(message, str) or not message.strip():
        raise BadAnswer(f"has {_show(message)} as message; it must be a text")
    name = item.get("rule", RULE)
    if not isinstance(name, str) or not _RULE.fullmatch(name) or PREFIX + name == UNAVAILABLE:
        wanted = f"a name such as no-latest-tag, and not {UNAVAILABLE.removeprefix(PREFIX)}"
        raise BadAnswer(f"has {_show(name)} as rule; it must be {wanted}")
    text = printable(" ".join(message.split()))
    return Finding(
        rule=PREFIX + name,
        check=CHECK,
        path=read_place(item.get("path", "")),
        message=text,
        found=text,
        level=cast("Level", _word(item, "level", get_args(Level), "deny")),
        severity=cast("Severity", _word(item, "severity", get_args(Severity), "medium")),
        fix=_fix(item.get("fix")),
    )


def read_place(text: JSON) -> Path:
    """The path that `rules.words.place` writes so. Raises BadAnswer."""
    if not isinstance(text, str):
        raise BadAnswer(f"has {_show(text)} as path; it must be a text")
    steps: list[str | int] = []
    end = 0
    while end < len(text):
        found = _STEP.match(text, end)
        if found is None:
            wanted = "a place such as spec.containers[0].image or metadata.labels[app]"
            raise BadAnswer(f"has {_show(text)} as path; it must be {wanted}")
        steps.append(found["key"] or _step(found["inside"]))
        end = found.end()
    return tuple(steps)


def _word(item: dict[str, Any], key: str, words: tuple[str, ...], default: str) -> str:
    value = item.get(key, default)
    if not isinstance(value, str) or value not in words:
        raise BadAnswer(f"has {_show(value)} as {key}; it must be {enumerate_words(list(words))}")
    return value


def _fix(value: JSON) -> Fix | None:
    """A JSON patch, as a list or as the `fix` of our own reports; it is never safe."""
    if value is None:
        return None
    patch = value.get("patch") if isinstance(value, dict) else value
    if not isinstance(patch, list):
        raise BadAnswer(f"has {kind_of(value)} as fix; it must be a JSON patch")
    return Fix(tuple(map(_operation, patch)), safe=False)


def _operation(value: JSON) -> Operation:
    """One operation; a step of digits is taken for an index, as most are."""
    operation = value.get("op") if isinstance(value, dict) else None
    pointer = value.get("path") if isinstance(value, dict) else None
    if operation not in _OPERATIONS or not isinstance(pointer, str) or pointer[:1] != "/":
        wanted = f"{enumerate_words(list(_OPERATIONS))} at a path such as /spec/hostNetwork"
        raise BadAnswer(f"has a fix with an operation that is not {wanted}")
    keys = (step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))
    return Operation(cast("Any", operation), tuple(map(_step, keys)), value.get("value"))


def _step(text: str) -> str | int:
    return int(text) if _INDEX.fullmatch(text) else text


def _show(value: JSON) -> str:
    return quote(value) if isinstance(value, str | int | float) else kind_of(value)
