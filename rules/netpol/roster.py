"""Policies, found by the labels that they ask of pods, so that few of many are looked at for one.

A policy that wants a label of certain values can be about no pod without it. Whether it is about
one that has it is still to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from rules.netpol.dialects.cilium import NAMESPACE, EndpointSelector
from rules.netpol.engine import View
from rules.netpol.model import Policy, Subject
from rules.netpol.peers import Endpoints, LabelExpression, Labelled, Pods
from rules.selectors import LabelSelector

_Label: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Roster:
    """Policies in their order; of each label, and of none, which of them ask for it."""

    policies: tuple[Policy, ...]
    places: dict[_Label | None, list[int]]

    @classmethod
    def of(cls, policies: Iterable[Policy]) -> Roster:
        """The roster of these policies."""
        policies = tuple(policies)
        places: dict[_Label | None, list[int]] = defaultdict(list)
        for place, policy in enumerate(policies):
            for label in _wanted(policy.subject):
                places[label].append(place)
        return cls(policies, dict(places))

    def candidates(self, views: Iterable[View]) -> Iterator[Policy]:
        """The policies that may be about a pod that is known by these views, in their order."""
        known: set[_Label | None] = {None}
        for view in views:
            known.update(view.labels.items(), view.own.items())
        found = {place for label in known & self.places.keys() for place in self.places[label]}
        return (self.policies[place] for place in sorted(found))


def _wanted(subject: Subject) -> Iterator[_Label | None]:
    """The labels one of which a pod must have; None: nobody can say which."""
    match subject:
        case Pods(pods=asked) | Labelled(labels=asked) | Endpoints(labels=asked):
            yield from _labels(asked)
        case _:
            yield None


def _labels(asked: LabelExpression) -> Iterator[_Label | None]:
    if isinstance(asked, EndpointSelector):
        asked = asked.requirements
    for each in asked.requirements if isinstance(asked, LabelSelector) else ():
        if each.operator == "In" and each.key != NAMESPACE:  # that one holds for all pods there are
            yield from ((each.key, value) for value in each.values)
            return
    yield None
