"""Rules, seated: how they are asked in one state of the cluster, and what need not be asked again.

A rule is a function of the review and the cluster, so what was said once holds as long as neither
changes. Of most rules only their silence is remembered: whoever is told something is told it of his
own object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
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


def seat(rules: Iterable[ActiveRule], cluster: Cluster) -> tuple[Seat, ...]:
    """These rules in this state of the cluster."""
    return tuple(
        [Seat(active, active.check, cluster.limited_to(active.rule.reads)) for active in rules]
    )


@dataclass(frozen=True, slots=True)
class Steady:
    """What stays as it is while pods come and go.

    seats    the rules for which that changes nothing
    passing  those that look at other pods and policies
    grouped  those of them that are declared `by_group`
    spoke    which of the steady ones had something to say of a pod
    """

    seats: tuple[Seat, ...]
    passing: tuple[ActiveRule, ...]
    grouped: tuple[ActiveRule, ...]
    spoke: Memory[bytes, frozenset[str]] = field(default_factory=Memory)

    @classmethod
    def of(cls, rules: Iterable[ActiveRule], cluster: Cluster) -> Steady:
        """These rules, in a cluster whose networks none of the steady ones looks at."""
        placed: dict[str, list[ActiveRule]] = {"steady": [], "passing": [], "grouped": []}
        for active in rules:
            placed[_place(active.rule)].append(active)
        seats = seat(placed["steady"], cluster.with_networks(None))  # else old ones would be kept
        return cls(seats, tuple(placed["passing"]), tuple(placed["grouped"]))

    def who_spoke(self, names: frozenset[str]) -> Iterable[Seat]:
        """Those of the steady ones that have one of these names."""
        return [one for one in self.seats if one.active.rule.name in names] if names else ()


@dataclass(frozen=True, slots=True)
class Panel:
    """Rules as they are asked about pods in one state of the cluster.

    `told` is what the grouped ones said of a group.
    """

    steady: Steady
    passing: tuple[Seat, ...]
    grouped: tuple[Seat, ...]
    told: Memory[bytes, list[Finding]] = field(default_factory=Memory)

    @classmethod
    def of(cls, rules: tuple[ActiveRule, ...], cluster: Cluster) -> Panel:
        """These rules in this state of the cluster."""
        steady = cluster.steadily(rules, partial(Steady.of, rules, cluster))
        return cls(steady, seat(steady.passing, cluster), seat(steady.grouped, cluster))


def _place(rule: Rule) -> str:
    if rule.by_group:
        return "grouped"
    return "steady" if rule.reads.isdisjoint(_PASSING) else "passing"
