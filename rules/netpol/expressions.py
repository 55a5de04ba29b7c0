"""Conditions on labels, joined by and, or, not: immutable values, evaluated in linear time.

An expression is kept as its steps in postfix order, so that no depth of brackets is too deep: each
step is a condition on one label, or joins the results of the steps before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rules.selectors import LabelSelector

Operator = Literal["in", "not in", "has", "contains", "starts with", "ends with"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one label; an absent label meets `not in` and nothing else.

    `values` are those of `in` and `not in`, or the one text of the last three; `has` has none.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition."""
        value = labels.get(self.key)
        if value is None:
            return self.operator == "not in"
        return _HOLDS[self.operator](value, self.values)


_HOLDS: dict[Operator, Callable[[str, tuple[str, ...]], bool]] = {
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
    "has": lambda _value, _values: True,
    "contains": lambda value, values: values[0] in value,
    "starts with": lambda value, values: value.startswith(values[0]),
    "ends with": lambda value, values: value.endswith(values[0]),
}


@dataclass(frozen=True, slots=True)
class Join:
    """Joins the last `count` results. An `and` of none holds; `not` joins one."""

    operator: Literal["and", "or", "not"]
    count: int = 1

    def of(self, results: list[bool]) -> bool:
        """What the results come to."""
        match self.operator:
            case "and":
                return all(results)
            case "or":
                return any(results)
            case "not":
                return not results[0]


Step: TypeAlias = Condition | Join
ALL: Step = Join("and", 0)


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition on labels, by its steps in postfix order; they leave exactly one result."""

    steps: tuple[Step, ...] = (ALL,)

    @classmethod
    def every(cls, *expressions: Expression) -> Expression:
        """All of them must hold."""
        steps = (step for expression in expressions for step in expression.steps)
        return cls((*steps, Join("and", len(expressions))))

    @classmethod
    def of(cls, selector: LabelSelector, prefix: str = "") -> Expression:
        """What a selector of Kubernetes asks of labels, under keys that start with `prefix`."""
        conditions = tuple(_conditions(selector, prefix))
        return cls((*conditions, Join("and", len(selector.requirements))))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition."""
        results: list[bool] = []
        for step in self.steps:
            if isinstance(step, Condition):
                results.append(step.holds(labels))
            else:
                first = len(results) - step.count
                results[first:] = [step.of(results[first:])]
        return results[0]

    @property
    def keys(self) -> frozenset[str]:
        """The label keys on which the answer depends."""
        return frozenset(step.key for step in self.steps if isinstance(step, Condition))


def _conditions(selector: LabelSelector, prefix: str) -> Iterator[Step]:
    for asked in selector.requirements:
        key, values = f"{prefix}{asked.key}", tuple(sorted(asked.values))
        match asked.operator:
            case "In":
                yield Condition(key, "in", values)
            case "NotIn":
                yield Condition(key, "not in", values)
            case "Exists":
                yield Condition(key, "has")
            case "DoesNotExist":
                yield Condition(key, "has")
                yield Join("not")
