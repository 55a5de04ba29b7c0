"""One pod in one direction: what the policies that apply to it let through, and how it comes to it.

Tiers are walked in their order, rungs within a tier in the engine's. All that differs between
engines is in `Engine`; nothing here knows one by name. What nobody knows is carried along: each
port ends as allowed, denied, or unknown, and unknown is never allowed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

from rules.netpol.engine import Engine
from rules.netpol.inventory import End, PodEnd, Tier
from rules.netpol.match import Match
from rules.netpol.matching import Matcher
from rules.netpol.model import Action, Direction, Grant, Isolation, Origin
from rules.netpol.sets import Ports

_PREFERENCE: dict[str, tuple[Action, ...]] = {
    "deny": ("deny", "allow", "pass"),
    "weakest": ("allow", "pass", "deny"),
}


NO_PORTS = Ports.empty()
_Cause = TypeVar("_Cause", Grant, Isolation)


class Applied(NamedTuple, Generic[_Cause]):
    """A grant or an isolation, and how far it is known to be about the pod of a side."""

    cause: _Cause
    about: Match


Weighed = Iterable[tuple[Grant, Match]]
"""Rules that are asked at once, and on which ports each is about traffic with some end."""


@dataclass(frozen=True, slots=True)
class Step:
    """On these ports the cause takes the action, or may, if any traffic comes so far.

    cause: a Grant, an Isolation that drops what nothing allowed, or None: nothing decided it, and
    so it passes. `sure` are those of the ports on which it is known that it does.
    """

    action: Action
    ports: Ports
    cause: Grant | Isolation | None
    sure: Ports

    def on(self, ports: Ports) -> Step:
        """The step, as far as these ports go."""
        return Step(self.action, self.ports & ports, self.cause, self.sure & ports)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ports on which traffic passes, and those on which nobody can say."""

    allowed: Ports
    unknown: Ports = NO_PORTS

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Verdict:
        """What the steps come to: unknown is what may end both ways."""
        passes = drops = Ports.empty()
        for step in steps:
            if step.action == "allow":
                passes |= step.ports
            elif step.action == "deny":
                drops |= step.ports
        return cls(passes - drops, passes & drops)

    def __and__(self, other: Verdict) -> Verdict:
        """What passes both; unknown is what may."""
        allowed = self.allowed & other.allowed
        return Verdict(
            allowed, (self.allowed | self.unknown) & (other.allowed | other.unknown) - allowed
        )

    def __or__(self, other: Verdict) -> Verdict:
        """What passes one of them, or may."""
        allowed = self.allowed | other.allowed
        return Verdict(allowed, (self.unknown | other.unknown) - allowed)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one tier says of one pod in one direction, rung after rung."""

    tier: Tier
    rungs: tuple[tuple[Applied[Grant], ...], ...]
    isolations: tuple[Applied[Isolation], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One pod, met at one of its addresses, in one direction, and all that applies to it."""

    matcher: Matcher
    pod: PodEnd
    direction: Direction
    stages: tuple[Stage, ...]

    @property
    def isolated(self) -> bool:
        """Whether something drops, or may drop, what nothing allows."""
        return any(stage.isolations and self._closes(stage.tier) for stage in self.stages)

    def grants(self) -> Iterator[Grant]:
        """All rules that are about the pod, in the order in which they are asked."""
        return (each.cause for stage in self.stages for rung in stage.rungs for each in rung)

    def causes(self) -> tuple[Grant | Isolation, ...]:
        """All that its verdicts come from, besides the pod itself and what the cluster holds."""
        isolations = (each.cause for stage in self.stages for each in stage.isolations)
        return (*self.grants(), *isolations)

    @property
    def additive(self) -> bool:
        """Whether all rules allow, and what none allows is surely dropped: no order counts."""
        surely = False
        for stage in self.stages:
            surely = surely or any(each.about.sure for each in stage.isolations)
            for rung in stage.rungs:
                for rule in rung:
                    if rule.cause.action != "allow":
                        return False
        if self._engine.drops == "last":
            return surely
        return surely and len(self.stages) == 1 and self._closes(self.stages[0].tier)

    def brief(self) -> Side:
        """The side with no more isolations than its verdicts need: all drop the same."""
        if all(len(stage.isolations) < 2 for stage in self.stages):  # noqa: PLR2004  # it is
            return self
        stages = (Stage(each.tier, each.rungs, _deciding(each.isolations)) for each in self.stages)
        return Side(self.matcher, self.pod, self.direction, tuple(stages))

    def verdict(self, end: End) -> Verdict:
        """What passes between the pod and the end, as far as this side's policies say."""
        return Verdict.of(self.steps(end))

    def steps(self, end: End) -> Iterator[Step]:
        """How it comes to that, in the order in which it is decided."""
        return self.walk(
            end, ((self.weighed(each, end) for each in stage.rungs) for stage in self.stages)
        )

    def weighed(self, rules: Iterable[Applied[Grant]], end: End) -> Iterator[tuple[Grant, Match]]:
        """What the rules say of the end."""
        return (
            (rule.cause, self.matcher.grant(rule.cause, rule.about, self.pod, end))
            for rule in rules
        )

    def walk(self, end: End, weighed: Iterable[Iterable[Weighed]]) -> Iterator[Step]:
        """The steps, from what the rules say of the end, rung after rung in each of the stages.

        Rungs without a rule that matches may be left out.
        """
        left = Ports.full()
        for stage, rungs in zip(self.stages, weighed, strict=True):
            passed = Ports.empty()
            for rung in rungs:
                left, skipping = yield from self._rung(rung, left)
                passed |= skipping
            if self._engine.drops == "tier" and self._closes(stage.tier):
                left = yield from self._drop(stage.isolations, end, left)
            left |= passed
        if self._engine.drops == "last":
            isolations = [each for stage in self.stages for each in stage.isolations]
            left = yield from self._drop(isolations, end, left)
        if left:
            yield Step("allow", left, None, left)

    @property
    def _engine(self) -> Engine:
        return self.matcher.engine

    def _closes(self, tier: Tier) -> bool:
        return self._engine.drops == "last" or tier.end == "deny"

    def _rung(self, rung: Weighed, left: Ports) -> Generator[Step, None, tuple[Ports, Ports]]:
        """The steps of grants that are asked at once; gives what is left, and what skips on."""
        passed = Ports.empty()
        matches = tuple(self._matches(rung))
        if not matches:
            return left, passed
        for action in _PREFERENCE[self._engine.ties]:
            sure = Ports.empty()
            for grant, match in matches:
                if grant.action != action:
                    continue
                ports = left & match.maybe
                if ports:
                    yield Step(action, ports, grant, ports & match.sure)
                    sure |= match.sure
                    passed |= ports if action == "pass" else Ports.empty()
            left -= sure
        return left, passed

    def _matches(self, rung: Weighed) -> Iterator[tuple[Grant, Match]]:
        """Those of the grants that match on some port, and on which ports each is asked."""
        answered: dict[Origin, Ports] = defaultdict(Ports)
        for grant, match in rung:
            if not match:
                continue
            if self._engine.ties == "weakest":  # of one object the first rule counts
                before = answered[grant.origin]
                answered[grant.origin] |= match.sure
                yield grant, Match(match.sure - before, match.maybe - before)
            else:
                yield grant, match

    def _drop(
        self, isolations: Iterable[Applied[Isolation]], end: End, left: Ports
    ) -> Generator[Step, None, Ports]:
        """What isolation does to what is left; gives what is left after it."""
        if not left or self._engine.spares(self.direction, end):
            return left
        surely = False
        for isolation, about in isolations:
            surely |= bool(about.sure)
            yield Step("deny", left, isolation, left & about.sure)
        return Ports.empty() if surely else left


def _deciding(isolations: tuple[Applied[Isolation], ...]) -> tuple[Applied[Isolation], ...]:
    """One that surely holds, or else one that may."""
    sure = (each for each in isolations if each.about.sure)
    return tuple(islice(chain(sure, isolations), 1))
