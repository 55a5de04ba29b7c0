"""Whose pods some subjects are, among all that there are.

A cluster has thousands of namespaces, and most selectors are settled by the namespace, or by a
label that few pods have: only what these leave open is asked of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rules.netpol.engine import Engine
from rules.netpol.entries import Group
from rules.netpol.homes import Home
from rules.netpol.inventory import Namespace, Pod
from rules.netpol.matching import Matcher
from rules.netpol.model import Subject, Unknown
from rules.netpol.peers import Labelled, Pods
from rules.netpol.roster import wanted

_Label: TypeAlias = tuple[str, str]
_GIVEN = ("io.cilium.", "io.kubernetes.", "reserved:", "projectcalico.org/", "pcns.", "pcsa.")
"""How keys begin under which engines know more than the labels that a pod has of its own."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A subject, and the labels one of which a pod of it must have of its own, if any."""

    subject: Subject
    labels: frozenset[_Label] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Some subjects, to be asked of many groups of pods."""

    matcher: Matcher
    asked: tuple[_Asked, ...]

    @classmethod
    def of(cls, matcher: Matcher, subjects: Iterable[Subject]) -> Selection:
        """The selection of all that any of the subjects is about, or may be."""
        asked = (_Asked(each, _own(each, matcher.engine)) for each in dict.fromkeys(subjects))
        return cls(matcher, tuple(asked))

    def groups(
        self,
        home: Namespace,
        groups: Mapping[Group, int],
        make: Callable[[Group], Pod],
        *,
        wide: bool,
    ) -> list[tuple[Group, int]]:
        """Those of the groups of a namespace that are selected; `make` makes a pod of a group.

        `wide`: there are many namespaces, and so it pays to ask each as a whole first.
        """
        settled = [self._settled(home, each.subject) if wide else None for each in self.asked]
        every, left = any(settled), self.asked
        if False in settled:
            pairs = zip(left, settled, strict=True)
            left = tuple(each for each, verdict in pairs if verdict is not False)
        return [
            (group, count)
            for group, count in groups.items()
            # a pod on the network of its node is known as that, whatever its namespace
            if (every and not group.host_network)
            or self._has(self.asked if group.host_network else left, group, make)
        ]

    def _settled(self, home: Namespace, subject: Subject) -> bool | None:
        """Whether a subject is about all pods of a namespace, or none; None: about some, maybe."""
        if isinstance(subject, Unknown):
            return True
        if self.matcher.engine.addresses_match == "pods":
            return None  # labels of a pod's own hide those of its namespace, and sets add to them
        return Home(home.name, home.labels).may_have(subject)

    def _has(self, asked: tuple[_Asked, ...], group: Group, make: Callable[[Group], Pod]) -> bool:
        open_ = [e for e in asked if e.labels is None or not e.labels.isdisjoint(group.labels)]
        if not open_:
            return False
        matcher = self.matcher
        ends = matcher.ends(make(group))
        return any(matcher.subject(each.subject, end) for each in open_ for end in ends)


def _own(subject: Subject, engine: Engine) -> frozenset[_Label] | None:
    """The labels one of which a pod must have of its own; None where others may stand for them."""
    labels = wanted(subject)
    if labels is None or isinstance(subject, Pods):
        return None if labels is None else frozenset(labels)
    by_sets = isinstance(subject, Labelled) and engine.addresses_match == "pods"
    return (
        None if by_sets or any(key.startswith(_GIVEN) for key, _ in labels) else frozenset(labels)
    )
