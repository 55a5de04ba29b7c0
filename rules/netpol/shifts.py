"""Where outside the cluster one of two sides lets pass what the other does not.

for shift in shifts(before, after, V4):
    shift.addresses, shift.was, shift.now

The sides of a pod before and after a change have nearly all of their rules in common. As long as
both isolate alike, the verdicts differ only where a rule matches that one of them alone has; the
others are asked there and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from rules.netpol.match import Match
from rules.netpol.model import Grant
from rules.netpol.outside import Heard, Spot, conclude, spots
from rules.netpol.peers import Networks
from rules.netpol.sets import Addresses, Family
from rules.netpol.sides import Applied, Side, Verdict
from rules.netpol.strips import asks_names, ends, strip

_Pair: TypeAlias = tuple[Side, Side]
_Identity: TypeAlias = tuple[int, int]
"""Of a rule, and of how far it is about the pod."""
_Turn: TypeAlias = tuple[int, Spot, bool, tuple[Grant, Match]]
"""Of which of two sides a rule matches otherwise from here on, and whether it alone has it."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Addresses, and what passes there by each of two sides."""

    addresses: Addresses
    was: Verdict
    now: Verdict


def shifts(old: Side, new: Side, family: Family) -> Iterator[Shift]:
    """All addresses of the family at which two sides of a pod differ, in order."""
    pair = old.brief(), new.brief()
    alike = _isolate_alike(*pair)
    common = _common(*pair) if alike else frozenset()
    if not alike or any(_matches(side, common, family) for side in pair):
        yield from _sweep(pair, common, family, everywhere=not alike)


def _isolate_alike(old: Side, new: Side) -> bool:
    """Whether both drop in the same tiers what nothing allows, in one state of the cluster."""
    return old.matcher is new.matcher and _drops(old) == _drops(new)


def _drops(side: Side) -> list[tuple[str, bool]]:
    closing = (stage for stage in side.stages if stage.isolations)
    return [(each.tier.name, bool(each.isolations[0].about.sure)) for each in closing]


def _common(old: Side, new: Side) -> frozenset[_Identity]:
    """The rules of both sides that say the same of both pods."""
    both = set(map(_identity, _rules(old))) & set(map(_identity, _rules(new)))
    if old.pod.pod.ports != new.pod.pod.ports:
        both -= {_identity(rule) for rule in _rules(old) if asks_names(rule.cause)}
    return frozenset(both)


def _rules(side: Side) -> Iterator[Applied[Grant]]:
    return (rule for stage in side.stages for rung in stage.rungs for rule in rung)


def _identity(rule: Applied[Grant]) -> _Identity:
    # what did not change is shared by both sides
    return id(rule.cause), id(rule.about)


def _matches(side: Side, common: frozenset[_Identity], family: Family) -> bool:
    """Whether any rule but the common ones matches some address."""
    own = (rule for rule in _rules(side) if _identity(rule) not in common)
    return any(match for rule in own for _, match in strip(side, rule, family))


def _sweep(
    pair: _Pair, common: frozenset[_Identity], family: Family, *, everywhere: bool
) -> Iterator[Shift]:
    heard: tuple[Heard, Heard] = {}, {}
    additive = tuple(side.additive for side in pair)
    turns, loud = _turns(pair, common, family), set[tuple[int, Spot]]()
    for first, end in pairwise(sorted(turns)):
        for number, spot, own, (grant, match) in turns[first]:
            if match:
                heard[number][spot] = grant, match
            else:
                heard[number].pop(spot, None)
            if own:
                (loud.add if match else loud.discard)((number, spot))
        if loud or everywhere:
            addresses = Addresses.run(family, first, end - 1)
            was, now = (
                conclude(side, heard[number], Networks(addresses), additive=additive[number])
                for number, side in enumerate(pair)
            )
            if was != now:
                yield Shift(addresses, was, now)


def _turns(pair: _Pair, common: frozenset[_Identity], family: Family) -> dict[int, list[_Turn]]:
    turns: dict[int, list[_Turn]] = defaultdict(list)
    for edge in ends(family):
        turns[edge] = []
    for number, side in enumerate(pair):
        for spot, rule in spots(side):
            own = _identity(rule) not in common
            for first, match in strip(side, rule, family):
                turns[first].append((number, spot, own, (rule.cause, match)))
    return turns
