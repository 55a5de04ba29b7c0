"""Calico's selector language: a text to an expression, and an expression to a text.

`k == 'v'`, `!=`, `in {}`, `not in {}`, `contains`, `starts with`, `ends with`, `has(k)`, `all()`,
`global()`, joined by `!`, `&&`, `||` and brackets. Both ways take linear time, and no depth is too
deep. Source: projectcalico/calico libcalico-go/lib/selector (tokenizer, parser).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from rules.netpol.dialects.calico.tokens import InvalidExpression, Token, tokens
from rules.netpol.expressions import ALL, Condition, Expression, Join, Operator, Step
from rules.selectors import describe

_MEMBERSHIPS: dict[str, Operator] = {"in": "in", "notin": "not in"}
_COMPARISONS: dict[str, Operator] = {
    "==": "in",
    "!=": "not in",
    "contains": "contains",
    "startswith": "starts with",
    "endswith": "ends with",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text reads in its place: what goes before its keys, and what its two calls mean."""

    prefix: str = ""
    every: tuple[Step, ...] = (ALL,)
    outside: tuple[Step, ...] = (ALL,)


PLAIN = Reading()


def is_blank(text: str) -> bool:
    """Whether there is nothing in it. Alone that means all; between brackets it is no selector."""
    return not text.strip(" \t")


def parse(text: str, reading: Reading = PLAIN) -> Expression:
    """The expression of a text. Raises InvalidExpression."""
    if is_blank(text):
        return Expression(reading.every)
    return Expression(tuple(_Parser(text, reading).steps()))


@dataclass(slots=True)
class _Group:
    """What stands between two brackets: how many operands wait to be joined."""

    negated: bool = False
    ands: int = 0
    ors: int = 0


class _Parser:
    """One text, token by token; open brackets wait in a list, not on Python's stack."""

    def __init__(self, text: str, reading: Reading) -> None:
        self._text = text
        self._reading = reading
        self._tokens = tokens(text)
        self._next = next(self._tokens)

    def steps(self) -> Iterator[Step]:
        """The steps of the whole text."""
        groups = [_Group()]
        while True:
            negated = self._negation()
            if self._take("mark", "("):
                groups.append(_Group(negated))
                continue
            yield from self._operand()
            while True:
                if negated:
                    yield Join("not")
                groups[-1].ands += 1
                if self._take("mark", "&&"):
                    break
                yield from _join("and", groups[-1].ands)
                groups[-1].ands, groups[-1].ors = 0, groups[-1].ors + 1
                if self._take("mark", "||"):
                    break
                yield from _join("or", groups[-1].ors)
                negated = groups.pop().negated
                if not groups:
                    self._expect("end", "", "&& or || or the end")
                    return
                self._expect("mark", ")", "&& or || or )")

    def _negation(self) -> bool:
        negated = False
        while self._take("mark", "!"):
            negated = not negated
        return negated

    def _operand(self) -> Iterator[Step]:
        kind, value, _ = self._advance()
        match kind:
            case "has":
                yield Condition(f"{self._reading.prefix}{value}", "has")
            case "call":
                yield from self._reading.every if value == "all" else self._reading.outside
            case "label":
                yield self._condition(f"{self._reading.prefix}{value}")
            case _:
                self._fail("a label, has(), all(), ! or (")

    def _condition(self, key: str) -> Condition:
        kind, value, _ = self._advance()
        if kind == "word" and value in _MEMBERSHIPS:
            return Condition(key, _MEMBERSHIPS[value], tuple(self._set()))
        operator = _COMPARISONS.get(value) if kind in ("mark", "word") else None
        if operator is None:
            self._fail("an operator such as == or in")
        return Condition(key, operator, (self._quoted(),))

    def _set(self) -> Iterator[str]:
        self._expect("mark", "{", "{")
        while self._next.kind == "text":
            yield self._advance().value
            if not self._take("mark", ","):
                break
        self._expect("mark", "}", "a quoted text or }")

    def _quoted(self) -> str:
        kind, value, _ = self._advance()
        if kind != "text":
            self._fail("a quoted text")
        return value

    def _advance(self) -> Token:
        self._last = self._next
        if self._next.kind != "end":
            self._next = next(self._tokens)
        return self._last

    def _take(self, kind: str, value: str) -> bool:
        found = self._next.kind == kind and self._next.value == value
        if found:
            self._advance()
        return found

    def _expect(self, kind: str, value: str, wanted: str) -> None:
        if (self._advance().kind, self._last.value) != (kind, value):
            self._fail(wanted)

    def _fail(self, wanted: str) -> NoReturn:
        rest = self._text[self._last.at :]
        found = describe(rest) if rest else "its end"
        raise InvalidExpression(f"with {found} where {wanted} must stand")


def _join(operator: Literal["and", "or"], count: int) -> Iterator[Step]:
    if count > 1:
        yield Join(operator, count)


_Rope: TypeAlias = "str | list[_Rope]"
_SIGNS = {"and": " && ", "or": " || "}


def write(expression: Expression) -> str:
    """A text that reads as the expression, with brackets around everything that is joined."""
    ropes: list[_Rope] = []
    for step in expression.steps:
        if isinstance(step, Condition):
            ropes.append(_written(step))
            continue
        first = len(ropes) - step.count
        ropes[first:] = [_joined(step, ropes[first:])]
    return "".join(_flat(ropes))


def _joined(join: Join, ropes: list[_Rope]) -> _Rope:
    if join.operator == "not":
        return ["!", *ropes]
    if not ropes:
        return "all()"
    signs: list[_Rope] = [_SIGNS[join.operator]] * len(ropes)
    signs[0] = "("
    return [*(each for pair in zip(signs, ropes, strict=True) for each in pair), ")"]


def _written(condition: Condition) -> str:
    if condition.operator == "has":
        return f"has({condition.key})"
    values = [f"'{each}'" if '"' in each else f'"{each}"' for each in condition.values]
    if condition.operator in ("in", "not in"):
        return f"{condition.key} {condition.operator} {{{', '.join(values)}}}"
    return f"{condition.key} {condition.operator} {values[0]}"


def _flat(ropes: list[_Rope]) -> Iterator[str]:
    waiting = ropes[::-1]
    while waiting:
        rope = waiting.pop()
        if isinstance(rope, str):
            yield rope
        else:
            waiting += rope[::-1]
