"""All addresses outside the cluster, cut where the verdict of a side changes.

The addresses are swept in order, with those rules at hand that may match them, so that a thousand
rules of one network each cost no more than one rule of a thousand networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter, or_
from typing import TypeAlias

from rules.netpol.inventory import End
from rules.netpol.match import NEVER, Match
from rules.netpol.matching import Matcher
from rules.netpol.model import Grant, PeerEntry, Unknown
from rules.netpol.names import ByEnd
from rules.netpol.peers import Fqdn, Labelled, Networks
from rules.netpol.sets import V4, Addresses, Family
from rules.netpol.sides import NO_PORTS, Applied, Side, Verdict
from rules.netpol.spans import Spans
from rules.netpol.strips import ends, footprint, strips

ALL = Verdict(~NO_PORTS)
Spot: TypeAlias = tuple[int, int, int]
"""Which grant of a side: the numbers of its stage, of its rung there, and of itself in that."""
Heard: TypeAlias = dict[Spot, tuple[Grant, Match]]
"""The rules of a side that match at some address, and on which ports."""
_Turns: TypeAlias = dict[int, list[tuple[Spot, tuple[Grant, Match]]]]
"""The addresses at which grants match otherwise than before, and on which ports from there on."""


@dataclass(frozen=True, slots=True)
class Run:
    """Addresses of one family, from the number `first` up to `end`, and what passes there."""

    family: Family
    first: int
    end: int
    verdict: Verdict

    @property
    def addresses(self) -> Addresses:
        """The addresses as a set."""
        return Addresses.run(self.family, self.first, self.end - 1)


def runs(side: Side, family: Family) -> tuple[Run, ...]:
    """All addresses of the family in order, with the side's verdict; neighbours fare not alike."""
    side = side.brief()
    turns: _Turns = defaultdict(list)
    for edge in ends(family):
        turns[edge] = []
    for spot, rule in spots(side):
        for first, match in strips(side, rule)[family]:
            turns[first].append((spot, (rule.cause, match)))
    return merged(_sweep(side, family, turns))


class Shortlist:
    """A side, with those rules at hand that may match some end outside.

    Where a name is asked about, rules of other names cost nothing, nor do those of some networks:
    which address a name stands for nobody knows. Where addresses are, rules of others cost nothing.
    """

    def __init__(self, side: Side) -> None:
        self._side = side

    def near(self, end: End) -> Side:
        """The side with no other rules than those that may match."""
        match end:
            case Fqdn(pattern):
                named, others = self._named
                return self._narrowed({*others, *named.near(pattern)})
            case Networks(addresses):
                placed, others = self._placed
                return self._narrowed({*others, *placed.near(addresses)})
        return self._side

    @cached_property
    def _named(self) -> tuple[ByEnd[Spot], list[Spot]]:
        """The rules by their names, and those that may hold any."""
        named: ByEnd[Spot] = ByEnd()
        others: list[Spot] = []
        for spot, rule in spots(self._side):
            names = _names_alone(rule.cause)
            if names is not None:
                for name in names:
                    named.put(name, spot)
            elif _may_be_named(rule.cause, self._side.matcher):
                others.append(spot)
        return named, others

    @cached_property
    def _placed(self) -> tuple[Spans[Spot], list[Spot]]:
        """The rules by their addresses, and those that may hold any."""
        placed: list[tuple[Addresses, Spot]] = []
        others: list[Spot] = []
        for spot, rule in spots(self._side):
            held = footprint(rule.cause, self._side.matcher)
            if held is None:
                others.append(spot)
            else:
                placed.append((held, spot))
        return Spans(placed), others

    def _narrowed(self, kept_at: Iterable[Spot]) -> Side:
        """The side with no other rules than those at the spots."""
        kept: dict[int, dict[int, list[Applied[Grant]]]] = defaultdict(lambda: defaultdict(list))
        for stage, rung, number in sorted(kept_at):
            kept[stage][rung].append(self._side.stages[stage].rungs[rung][number])
        stages = (
            replace(stage, rungs=tuple(map(tuple, kept[at].values())))
            for at, stage in enumerate(self._side.stages)
        )
        return replace(self._side, stages=tuple(stages))


def _names_alone(grant: Grant) -> list[str] | None:
    """The names of a rule that is about nothing but names."""
    peers = [entry.peer for entry in grant.peers if isinstance(entry, PeerEntry)]
    names = [peer.pattern for peer in peers if isinstance(peer, Fqdn)]
    return names if len(names) == len(grant.peers) else None


def _may_be_named(grant: Grant, matcher: Matcher) -> bool:
    """Whether a rule may hold names: sets may have some, and all addresses are those of a name."""
    held = footprint(grant, matcher)
    return held is None or Addresses.every(V4) <= held or any(map(_is_of_sets, grant.peers))


def _is_of_sets(entry: PeerEntry | Unknown) -> bool:
    return isinstance(entry, PeerEntry) and isinstance(entry.peer, Labelled)


def everywhere(family: Family) -> tuple[Run, ...]:
    """All addresses of the family, where no policy counts."""
    return (Run(family, *ends(family), ALL),)


def merged(found: Iterable[Run]) -> tuple[Run, ...]:
    """The runs, those that follow upon each other and fare alike as one."""
    joined = []
    for verdict, group in groupby(found, key=attrgetter("verdict")):
        same = list(group)
        joined.append(Run(same[0].family, same[0].first, same[-1].end, verdict))
    return tuple(joined)


def overlay(many: Sequence[tuple[Run, ...]]) -> tuple[Run, ...]:
    """What passes to or from some of several sides, each of whose runs are all of a family."""
    if len(many) == 1:
        return many[0]
    return merged(replace(run, verdict=reduce(or_, verdicts)) for run, verdicts in align(many))


def align(many: Sequence[tuple[Run, ...]]) -> Iterator[tuple[Run, tuple[Verdict, ...]]]:
    """Runs so short that each of several sides has one verdict there, and these verdicts.

    The run itself has the first of them.
    """
    edges = sorted({edge for each in many for run in each for edge in (run.first, run.end)})
    places = [0] * len(many)
    for first, end in pairwise(edges):
        for at, each in enumerate(many):
            places[at] += each[places[at]].end <= first
        here = [each[place] for each, place in zip(many, places, strict=True)]
        verdicts = tuple(run.verdict for run in here)
        yield Run(here[0].family, first, end, verdicts[0]), verdicts


def _sweep(side: Side, family: Family, turns: _Turns) -> Iterator[Run]:
    heard: Heard = {}
    additive = side.additive
    for first, end in pairwise(sorted(turns)):
        for spot, (grant, match) in turns[first]:
            if match:
                heard[spot] = grant, match
            else:
                heard.pop(spot, None)
        block = Networks(Addresses.run(family, first, end - 1))
        yield Run(family, first, end, conclude(block, side, heard, additive))


def conclude(block: Networks, side: Side, heard: Heard, additive: bool) -> Verdict:  # noqa: FBT001
    """What passes at the addresses of a block, in all of which the same rules are heard.

    `additive` is that of the side, found once.
    """
    if additive and not side.matcher.engine.spares(side.direction, block):
        found = NEVER
        for _, match in heard.values():
            found |= match
        return Verdict(found.sure, found.maybe - found.sure)
    return Verdict.of(side.walk(block, _by_stage(heard, len(side.stages))))


def _by_stage(heard: Heard, stages: int) -> list[list[list[tuple[Grant, Match]]]]:
    """What rules say, rung after rung, in each of so many stages."""
    found: list[list[list[tuple[Grant, Match]]]] = [[] for _ in range(stages)]
    for (stage, _), rung in groupby(sorted(heard), key=itemgetter(0, 1)):
        found[stage].append([heard[spot] for spot in rung])
    return found


def spots(side: Side) -> Iterator[tuple[Spot, Applied[Grant]]]:
    """The rules of a side, and where each stands."""
    for at, stage in enumerate(side.stages):
        for rank, rung in enumerate(stage.rungs):
            for number, rule in enumerate(rung):
                yield (at, rank, number), rule
