"""Policies, found by the labels that they ask of pods, so that few of many are looked at for one.

A policy that wants a label of certain values can be about no pod without it. Whether it is about
one that has it is still to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from rules.netpol.dialects.cilium import NAMESPACE, EndpointSelector
from rules.netpol.engine import View
from rules.netpol.model import Policy, Subject
from rules.netpol.peers import Endpoints, Labelled, Pods
from rules.selectors import LabelSelector

_Label: TypeAlias = tuple[str, str]
_NO_LABEL = (None,)


@dataclass(frozen=True)  # without slots: the places are found when first asked for
class Roster:
    """Policies in their order."""

    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, policies: Iterable[Policy]) -> Roster:
        """The roster of these policies."""
        return cls(tuple(policies))

    @cached_property
    def _places(self) -> dict[_Label | None, list[int]]:
        """Of each label, and of none, which of them ask for it."""
        places: dict[_Label | None, list[int]] = defaultdict(list)
        for place, policy in enumerate(self.policies):
            for label in wanted(policy.subject) or _NO_LABEL:
                places[label].append(place)
        return dict(places)

    def unlabelled(self) -> Iterator[Policy]:
        """Those that ask for no label that a pod must have."""
        return (self.policies[place] for place in self._places.get(None, ()))

    def candidates(self, views: Iterable[View]) -> Iterator[Policy]:
        """The policies that may be about a pod that is known by these views, in their order."""
        known: set[_Label | None] = {None}
        for view in views:
            known.update(view.labels.items(), view.own.items())
        places = self._places
        found = {place for label in known & places.keys() for place in places[label]}
        return (self.policies[place] for place in sorted(found))


def wanted(subject: Subject) -> list[_Label] | None:
    """The labels one of which a pod must have; None: nobody can say which."""
    asked = subject.pods if isinstance(subject, Pods) else None
    if isinstance(subject, Labelled | Endpoints):
        asked = subject.labels
    if isinstance(asked, EndpointSelector):
        asked = asked.requirements
    if isinstance(asked, LabelSelector):
        for each in asked.requirements:
            if each.operator == "In" and each.key != NAMESPACE:  # that one holds for all pods
                key = each.key
                return [(key, value) for value in each.values]
    return None
