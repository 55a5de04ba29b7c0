"""All addresses outside the cluster, cut where the verdict of a side changes.

The addresses are swept in order, with those rules at hand that may match them, so that a thousand
rules of one network each cost no more than one rule of a thousand networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter, or_
from typing import TypeAlias

from rules.netpol.engines.calico import set_labels
from rules.netpol.inventory import Inventory
from rules.netpol.match import ALWAYS, NEVER, Match
from rules.netpol.matching import Matcher, Strip
from rules.netpol.model import Grant, NamedPort, PeerEntry, Unknown
from rules.netpol.names import ends_of, fixed_part
from rules.netpol.peers import (
    Fqdn,
    Labelled,
    NetworkGroup,
    Networks,
    Peer,
    ServiceRef,
    Services,
    leaves,
)
from rules.netpol.sets import V4, Addresses, Edges, Family
from rules.netpol.sides import NO_PORTS, Applied, Side, Verdict

ALL = Verdict(~NO_PORTS)
_Spot: TypeAlias = tuple[int, int, int]
"""Which grant of a side: the numbers of its stage, of its rung there, and of itself in that."""
_Turns: TypeAlias = dict[int, list[tuple[_Spot, tuple[Grant, Match]]]]
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
    for edge in _ends(family):
        turns[edge] = []
    for spot, rule in _spots(side):
        for first, match in _strip(side, rule, family):
            turns[first].append((spot, (rule.cause, match)))
    return merged(_sweep(side, family, turns))


class Names:
    """The verdicts of a side on names, with those rules at hand that may match one.

    A rule of one name costs nothing where another is asked about, nor does one of some networks:
    which address a name stands for nobody knows.
    """

    def __init__(self, side: Side) -> None:
        self._side = side
        self._named: dict[str, list[_Spot]] = defaultdict(list)
        self._others: list[_Spot] = []
        for spot, rule in _spots(side):
            parts = _named_parts(rule.cause)
            if parts is not None:
                for part in parts:
                    self._named[part].append(spot)
            elif _may_be_named(rule.cause):
                self._others.append(spot)

    def verdict(self, end: Fqdn) -> Verdict:
        """What passes between the pod and what has the name."""
        return self.near(end).verdict(end)

    def near(self, end: Fqdn) -> Side:
        """The side with no other rules than those that may match."""
        near = {spot for part in ends_of(end.pattern) for spot in self._named.get(part, ())}
        return _narrowed(self._side, [*self._others, *near])


def _narrowed(side: Side, spots: Iterable[_Spot]) -> Side:
    """The side with no other rules than those at the spots."""
    kept: dict[int, dict[int, list[Applied[Grant]]]] = defaultdict(lambda: defaultdict(list))
    for stage, rung, number in sorted(spots):
        kept[stage][rung].append(side.stages[stage].rungs[rung][number])
    stages = (
        replace(stage, rungs=tuple(map(tuple, kept[at].values())))
        for at, stage in enumerate(side.stages)
    )
    return replace(side, stages=tuple(stages))


def _named_parts(grant: Grant) -> set[str] | None:
    """What is fixed of the names of a rule that is about nothing but names."""
    peers = [entry.peer for entry in grant.peers if isinstance(entry, PeerEntry)]
    names = [fixed_part(peer.pattern) for peer in peers if isinstance(peer, Fqdn)]
    return set(names) if len(names) == len(grant.peers) else None


def _may_be_named(grant: Grant) -> bool:
    footprint = _footprint(grant)
    return footprint is None or Addresses.every(V4) <= footprint


def everywhere(family: Family) -> tuple[Run, ...]:
    """All addresses of the family, where no policy counts."""
    return (Run(family, *_ends(family), ALL),)


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
    heard: dict[_Spot, tuple[Grant, Match]] = {}
    additive = side.additive
    for first, end in pairwise(sorted(turns)):
        for spot, (grant, match) in turns[first]:
            if match:
                heard[spot] = grant, match
            else:
                heard.pop(spot, None)
        block = Networks(Addresses.run(family, first, end - 1))
        if additive and not side.matcher.engine.spares(side.direction, block):
            match = Match.any(each for _, each in heard.values())
            verdict = Verdict(match.sure, match.maybe - match.sure)
        else:
            verdict = Verdict.of(side.walk(block, _by_stage(heard, len(side.stages))))
        yield Run(family, first, end, verdict)


def _by_stage(
    heard: dict[_Spot, tuple[Grant, Match]], stages: int
) -> list[list[list[tuple[Grant, Match]]]]:
    """What rules say, rung after rung, in each of so many stages."""
    found: list[list[list[tuple[Grant, Match]]]] = [[] for _ in range(stages)]
    for (stage, _), spots in groupby(sorted(heard), key=itemgetter(0, 1)):
        found[stage].append([heard[spot] for spot in spots])
    return found


def _spots(side: Side) -> Iterator[tuple[_Spot, Applied[Grant]]]:
    for at, stage in enumerate(side.stages):
        for rank, rung in enumerate(stage.rungs):
            for number, rule in enumerate(rung):
                yield (at, rank, number), rule


def _strip(side: Side, rule: Applied[Grant], family: Family) -> Strip:
    """Where the rule matches, and on which ports."""
    if rule.about is not ALWAYS or _asks_names(rule.cause):
        return tuple(_cut(side, rule, family))
    known = side.matcher.strips.of(rule.cause, lambda _: {})
    if family not in known:
        known[family] = tuple(_cut(side, rule, family))
    return known[family]


def _asks_names(grant: Grant) -> bool:
    """Whether it depends on the names of the pod's own ports."""
    entries = (*grant.ports, *grant.excluded)
    return grant.direction == "ingress" and any(isinstance(each, NamedPort) for each in entries)


def _cut(side: Side, rule: Applied[Grant], family: Family) -> Iterator[tuple[int, Match]]:
    footprint = _area(rule.cause, side.matcher)
    if footprint is None:
        asked = _asked(rule.cause, side.matcher.inventory, family)
        start, stop = _ends(family)
        for first, end in pairwise(sorted({start, stop, *asked})):
            yield first, _match(side, rule, Addresses.run(family, first, end - 1))
        return
    inside: Match | None = None
    for first, last in footprint.intervals(family):
        inside = inside or _match(side, rule, Addresses.run(family, first, last))
        yield first, inside
        yield last + 1, NEVER


def _match(side: Side, rule: Applied[Grant], addresses: Addresses) -> Match:
    end = Networks(addresses)
    return side.matcher.grant(rule.cause, rule.about, side.pod, end)


def _area(grant: Grant, matcher: Matcher) -> Addresses | None:
    """The addresses that a grant may match in this cluster; None if only its peers can say."""
    found = []
    for entry in grant.peers:
        held = held_by(entry.peer, matcher) if isinstance(entry, PeerEntry) else None
        if held is None:
            return None
        found.append(held)
    return Addresses.union(found)


def held_by(peer: Peer, matcher: Matcher) -> Addresses | None:
    """The addresses of a peer that is nothing but addresses; None of another."""
    inventory = matcher.inventory
    match peer:
        case Networks(addresses):
            return addresses
        case NetworkGroup():
            return inventory.networks(peer)
        case Labelled(labels) if matcher.engine.addresses_match == "pods":
            sets = (
                each.addresses
                for each in inventory.network_sets
                if labels.matches(set_labels(each, inventory))
            )
            return Addresses.union(sets)
    return None


def _footprint(grant: Grant) -> Addresses | None:
    """The addresses that a grant may match; None if only its peers can say."""
    if all(isinstance(each, PeerEntry) and isinstance(each.peer, Networks) for each in grant.peers):
        return Addresses.union(_networks(grant))
    return None


def _networks(grant: Grant) -> Iterator[Addresses]:
    for entry in grant.peers:
        if isinstance(entry, PeerEntry) and isinstance(entry.peer, Networks):
            yield entry.peer.addresses


def _asked(grant: Grant, inventory: Inventory, family: Family) -> Iterator[int]:
    """Where a grant whose peers are not just networks may change its mind."""
    for entry in grant.peers:
        if not isinstance(entry, Unknown):
            for addresses in named(entry.peer, inventory):
                yield from edges_of(addresses, family)


def named(peer: Peer, inventory: Inventory) -> Iterator[Addresses]:
    """The address sets that decide whether an address is one of the peer's.

    Of what the cluster holds only that which the peer can mean: there are thousands of slices.
    """
    for leaf in leaves(peer):
        match leaf:
            case Networks(addresses):
                yield addresses
            case NetworkGroup():
                yield from (each.addresses for each in inventory.cidr_groups)
            case ServiceRef():
                yield from _behind((leaf,), inventory)
            case Services(refs):
                yield from _behind(refs, inventory)
            case Labelled():
                yield from (each.addresses for each in inventory.network_sets)


def _behind(refs: Iterable[ServiceRef], inventory: Inventory) -> Iterator[Addresses]:
    """The addresses that may stand behind some of the Services."""
    for each in inventory.slices:
        if any(
            ref.namespace in (None, each.namespace) and (ref.labels or ref.name == each.service)
            for ref in refs
        ):
            yield each.addresses


def edges_of(addresses: Addresses, family: Family) -> Edges:
    """The addresses of a family, as numbers, at which membership changes."""
    return addresses.v4 if family == V4 else addresses.v6


def _ends(family: Family) -> tuple[int, int]:
    """The first number of a family, and the first that is none of it."""
    return 0, 1 << (32 if family == V4 else 128)
