"""Where outside the cluster one of two sides lets pass what the other does not.

for shift in shifts(before, after):
    shift.addresses, shift.was, shift.now

The sides of a pod before and after a change have nearly all of their rules in common. As long as
both isolate alike, the verdicts differ only where a rule matches that one of them alone has; the
others are asked there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from rules.netpol.match import Match
from rules.netpol.matching import Strips
from rules.netpol.model import Grant
from rules.netpol.outside import Heard, Spot, conclude, spots
from rules.netpol.peers import Networks
from rules.netpol.sets import FAMILIES, Addresses, Family
from rules.netpol.sides import Applied, Side, Verdict
from rules.netpol.strips import asks_names, ends, strips

_Identity: TypeAlias = tuple[int, int]
"""Of a rule, and of how far it is about the pod."""
_Rules: TypeAlias = dict[_Identity, tuple[Spot, Applied[Grant]]]
"""The rules of a side, and where each stands."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Addresses, and what passes there by each of two sides."""

    addresses: Addresses
    was: Verdict
    now: Verdict


class _Voice(NamedTuple):
    """A rule of one of two sides, and where it stands there; `own`: only that side has it."""

    side: int
    spot: Spot
    own: bool
    cause: Grant
    strips: Strips


def shifts(old: Side, new: Side) -> Iterator[Shift]:
    """All addresses at which two sides of a pod differ; together where the same rules match."""
    pair = old.brief(), new.brief()
    alike = _isolate_alike(*pair)
    rules = [_named(side) for side in pair]
    common = _common(rules, pair) if alike else frozenset()
    own = list(_voices(pair, rules, common, own=True))
    loud = [f for f in FAMILIES if not alike or any(match for v in own for _, match in v.strips[f])]
    if loud:
        voices = [*own, *_voices(pair, rules, common, own=False)]
        for family in loud:
            yield from _sweep(pair, voices, family, everywhere=not alike)


def _isolate_alike(old: Side, new: Side) -> bool:
    """Whether both drop in the same tiers what nothing allows, in one state of the cluster."""
    return old.matcher is new.matcher and _drops(old) == _drops(new)


def _drops(side: Side) -> list[tuple[str, bool]]:
    closing = (stage for stage in side.stages if stage.isolations)
    return [(each.tier.name, bool(each.isolations[0].about.sure)) for each in closing]


def _named(side: Side) -> _Rules:
    # by identity: what did not change is shared by both sides
    return {(id(rule.cause), id(rule.about)): (spot, rule) for spot, rule in spots(side)}


def _common(rules: list[_Rules], pair: tuple[Side, Side]) -> frozenset[_Identity]:
    """The rules of both sides that say the same of both pods."""
    old, new = rules
    both = old.keys() & new.keys()
    if pair[0].pod.pod.ports != pair[1].pod.pod.ports:
        both -= {name for name, (_, rule) in old.items() if asks_names(rule.cause)}
    return frozenset(both)


def _voices(
    pair: tuple[Side, Side], rules: list[_Rules], common: frozenset[_Identity], *, own: bool
) -> Iterator[_Voice]:
    """The rules that one side alone has, or those in common."""
    for number, side in enumerate(pair):
        for name, (spot, rule) in rules[number].items():
            if (name not in common) is own:
                yield _Voice(number, spot, own, rule.cause, strips(side, rule))


def _sweep(
    pair: tuple[Side, Side], voices: list[_Voice], family: Family, *, everywhere: bool
) -> Iterator[Shift]:
    additive = [side.additive for side in pair]
    found: dict[Hashable, tuple[list[Verdict], list[Addresses]]] = {}
    for addresses, heard in _heard(voices, family, everywhere=everywhere):
        said = tuple(map(_said, heard, additive))
        known = found.get(said)
        if known is None:
            verdicts = map(partial(conclude, Networks(addresses)), pair, heard, additive)
            found[said] = list(verdicts), [addresses]
        else:
            known[1].append(addresses)
    for (was, now), held in found.values():
        if was != now:
            yield Shift(Addresses.union(held), was, now)


def _heard(
    voices: list[_Voice], family: Family, *, everywhere: bool
) -> Iterator[tuple[Addresses, tuple[Heard, Heard]]]:
    """Which rules match where some match that one side alone has; or everywhere."""
    turns: dict[int, list[tuple[_Voice, Match]]] = {edge: [] for edge in ends(family)}
    for voice in voices:
        for first, match in voice.strips[family]:
            turns.setdefault(first, []).append((voice, match))
    heard: tuple[Heard, Heard] = {}, {}
    loud = set[int]()
    for first, end in pairwise(sorted(turns)):
        for voice, match in turns[first]:
            if match:
                heard[voice.side][voice.spot] = voice.cause, match
            else:
                heard[voice.side].pop(voice.spot, None)
            if voice.own:
                (loud.add if match else loud.discard)(id(voice))
        if loud or everywhere:
            yield Addresses.run(family, first, end - 1), heard


def _said(heard: Heard, additive: bool) -> Hashable:  # noqa: FBT001  # of the side that is heard
    """What decides a verdict: of a sum the parts, else also where each stands."""
    if additive:
        return frozenset([id(match) for _, match in heard.values()])
    return frozenset([(spot, id(match)) for spot, (_, match) in heard.items()])
