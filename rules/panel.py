"""Rules, seated: how they are asked in one state of the cluster, and what need not be asked again.

A rule is a function of the review and the cluster, so what was said once holds as long as neither
changes. Of most rules only their silence is remembered: whoever is told something is told it of his
own object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.memory import Memory
from rules.model import NAMESPACE, NETWORK, ActiveRule, Check, Finding, Rule
from rules.review import Cluster

_PASSING = frozenset(NETWORK) - {NAMESPACE}
"""What changes with every pod that comes or goes."""


class Seat(NamedTuple):
    """A rule, how it is asked, and the view of the cluster that is limited to what it reads."""

    active: ActiveRule
    check: Check
    view: Cluster


@dataclass(frozen=True, slots=True)
class Panel:
    """Rules as they stand in one state of the cluster.

    every    all of them
    steady   those for which a pod that comes or goes changes nothing
    passing  those that look at other pods and policies
    grouped  those of them that are declared `by_group`
    spoke    which of the steady ones had something to say of a pod
    told     what the grouped ones said of a group
    """

    every: tuple[Seat, ...]
    steady: tuple[Seat, ...]
    passing: tuple[Seat, ...]
    grouped: tuple[Seat, ...]
    spoke: Memory[bytes, frozenset[str]]
    told: Memory[bytes, list[Finding]] = field(default_factory=Memory)

    @classmethod
    def of(cls, rules: Sequence[ActiveRule], cluster: Cluster) -> Panel:
        """These rules in this state of the cluster."""
        every = tuple(
            Seat(active, active.check, cluster.limited_to(active.rule.reads)) for active in rules
        )
        steady, passing, grouped = (
            tuple(seat for seat in every if _place(seat.active.rule) == place)
            for place in ("steady", "passing", "grouped")
        )
        return cls(
            every, steady, passing, grouped, cluster.steadily(rules, Memory[bytes, frozenset[str]])
        )

    def of_steady(self, names: frozenset[str]) -> Iterable[Seat]:
        """Those of the steady ones that have one of these names."""
        return [seat for seat in self.steady if seat.active.rule.name in names] if names else ()


def _place(rule: Rule) -> str:
    if rule.by_group:
        return "grouped"
    return "steady" if rule.reads.isdisjoint(_PASSING) else "passing"
