"""Who reaches whom, with what: every pair of workloads, and each of them with the outside.

Pods of one owner are one workload, and reach what one of them reaches. Pods that no policy can tell
apart are asked about once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from operator import or_

from rules.netpol.classes import Classes
from rules.netpol.connections import (
    Connection,
    Party,
    Question,
    Reason,
    Selection,
    Workload,
)
from rules.netpol.engine import Conflict
from rules.netpol.inventory import End, Pod, PodEnd
from rules.netpol.model import Direction
from rules.netpol.outside import Run, Shortlist, everywhere, merged, overlay, runs
from rules.netpol.peers import Networks
from rules.netpol.reach import Network
from rules.netpol.sets import V4, V6, Addresses, Family
from rules.netpol.sides import NO_PORTS, Side, Verdict

NOTHING = Verdict(NO_PORTS)
DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A pod at one address, its sides, and all by which a policy may tell it from others."""

    end: PodEnd
    key: Hashable
    sides: dict[Direction, Side]


class Survey:
    """All connections of a cluster, as far as a question asks for them.

    `workloads` are all there are. `conflicts` are policies that the engine cannot merge, and pods
    to which they apply: of these nothing is said.
    """

    def __init__(self, network: Network, question: Question) -> None:
        self.question = question
        self.workloads = _workloads(network.matcher.inventory.pods)
        self.conflicts: list[tuple[Pod, Conflict]] = []
        self._network = network
        self._by_address = network.matcher.engine.addresses_match == "pods"
        self._classes = Classes(network)
        self._sides: dict[Hashable, dict[Direction, Side]] = {}
        self._verdicts: dict[Hashable, Verdict] = {}
        self._shortlists: dict[Hashable, Shortlist] = {}
        self._outside_of: dict[Hashable, tuple[Run, ...]] = {}
        self._seen = {each.name: tuple(self._look(each.pods)) for each in self.workloads}

    def connections(self) -> Iterator[Connection]:
        """Every pair of parties between which something passes, or may; by the source's name."""
        sources, targets = self.question.sources, self.question.targets
        for source in filter(sources.has, self.workloads):
            for target in filter(targets.has, self.workloads):
                if source is not target:
                    yield from _told(source, target, self._between(source, target))
            for party, verdict in self._outside(source, "egress", targets):
                yield from _told(source, party, verdict)
        for target in filter(targets.has, self.workloads):
            for party, verdict in self._outside(target, "ingress", sources):
                yield from _told(party, target, verdict)

    def isolated(self, workload: Workload, direction: Direction) -> bool:
        """Whether policies drop, or may drop, what none of them allows, for each of its pods."""
        return all(seen.sides[direction].isolated for seen in self._seen[workload.name])

    def reasons(self, connection: Connection) -> Iterator[Reason]:
        """The steps to the verdict, of the first pods and addresses between which it holds.

        Of a run of addresses they are all that are taken anywhere in it; of those that are not
        `sure` none is taken everywhere in it.
        """
        source, target = connection.source, connection.target
        for one, other in product(self._ends(source), self._ends(target)):
            verdict = self._verdict(one, other)
            if not verdict.allowed and not verdict.unknown:
                continue
            for near, far, direction in _halves(one, other):
                if isinstance(near, _Seen) and self._counts(direction):
                    for step in self._asked(near, far, direction).steps(_end(far)):
                        if step.ports & self.question.ports:
                            yield Reason(near.end.pod, direction, step.on(self.question.ports))
            return

    def doubtful(self, connection: Connection) -> Iterator[Reason]:
        """The steps of which nobody knows whether they are taken, for a connection in doubt."""
        source, target = map(_witness, (connection.source, connection.target))
        for reason in self.reasons(Connection(source, target, connection.verdict)):
            if (reason.step.ports - reason.step.sure) & connection.verdict.unknown:
                yield reason

    def _ends(self, party: Party) -> tuple[_Seen | End, ...]:
        return self._seen[party.name] if isinstance(party, Workload) else (party,)

    def _look(self, pods: Iterable[Pod]) -> Iterator[_Seen]:
        """The pods at each of their addresses; of those that nothing tells apart the first."""
        keys = set()
        for pod in pods:
            for end in self._addresses(pod):
                key = self._classes.of(end)
                if key not in self._sides:
                    self._sides[key] = {each: self._network.side(end, each) for each in DIRECTIONS}
                sides = self._sides[key]
                grants = [grant for side in sides.values() for grant in side.grants()]
                conflicts = list(self._network.matcher.engine.conflicts(grants))
                self.conflicts += ((pod, conflict) for conflict in conflicts)
                if not conflicts and key not in keys:
                    keys.add(key)
                    yield _Seen(end, key, sides)

    def _addresses(self, pod: Pod) -> Iterable[PodEnd]:
        if not self._by_address:
            return (PodEnd(pod, Addresses.empty()),)  # where it is does not matter
        ends = self._network.matcher.inventory.ends(pod)
        return (end for end in ends if end.family in self.question.families)

    def _between(self, source: Workload, target: Workload) -> Verdict:
        """What passes between two workloads; of those of the same classes it is the same."""
        sources, targets = self._seen[source.name], self._seen[target.name]
        asked = tuple(each.key for each in sources), tuple(each.key for each in targets)
        if asked not in self._verdicts:
            pairs = product(sources, targets)
            self._verdicts[asked] = reduce(or_, (self._verdict(*pair) for pair in pairs), NOTHING)
        return self._verdicts[asked]

    def _outside(
        self, workload: Workload, direction: Direction, selection: Selection
    ) -> Iterator[tuple[Party, Verdict]]:
        """The ends outside the cluster, and what passes between them and the workload."""
        for family in self.question.families:
            near = [each for each in self._seen[workload.name] if self._meets(each, family)]
            for run in overlay([self._runs(each, direction, family) for each in near]):
                for block in _clip(run, selection):
                    yield block, run.verdict
        for party in filter(selection.has, self._network.ends(direction)):
            yield party, self._union(self._seen[workload.name], party, direction)

    def _runs(self, pod: _Seen, direction: Direction, family: Family) -> tuple[Run, ...]:
        """What passes between a pod and the addresses of a family.

        Pods to which the same rules apply are asked about once.
        """
        side = pod.sides[direction] if self._counts(direction) else None
        key = family, direction, _applying(pod, side, by_address=self._by_address)
        if key not in self._outside_of:
            asked = Verdict(self.question.ports)
            found = runs(side, family) if side else everywhere(family)
            masked = (replace(run, verdict=run.verdict & asked) for run in found)
            self._outside_of[key] = merged(masked)
        return self._outside_of[key]

    def _union(self, near: Iterable[_Seen], party: End, direction: Direction) -> Verdict:
        pairs = (((each, party) if direction == "egress" else (party, each)) for each in near)
        return reduce(or_, (self._verdict(*pair) for pair in pairs), NOTHING)

    def _verdict(self, source: _Seen | End, target: _Seen | End) -> Verdict:
        """What passes between two ends, as far as the policies that count say."""
        if isinstance(source, _Seen) and isinstance(target, _Seen) and self._apart(source, target):
            return NOTHING
        verdict = Verdict(self.question.ports)
        for near, far, direction in _halves(source, target):
            if isinstance(near, _Seen) and self._counts(direction) and verdict != NOTHING:
                verdict &= self._half(near, far, direction)
        return verdict

    def _half(self, near: _Seen, far: _Seen | End, direction: Direction) -> Verdict:
        if not isinstance(far, _Seen):
            return self._asked(near, far, direction).verdict(far)
        asked = near.key, far.key, direction
        if asked not in self._verdicts:
            self._verdicts[asked] = near.sides[direction].verdict(far.end)
        return self._verdicts[asked]

    def _asked(self, near: _Seen, far: _Seen | End, direction: Direction) -> Side:
        """The side of a pod, with no rule that another end outside need not be held against."""
        if isinstance(far, _Seen):
            return near.sides[direction]
        key = near.key, direction
        if key not in self._shortlists:
            self._shortlists[key] = Shortlist(near.sides[direction])
        return self._shortlists[key].near(far)

    def _counts(self, direction: Direction) -> bool:
        return self.question.side in ("both", direction)

    def _apart(self, source: _Seen, target: _Seen) -> bool:
        return self._by_address and source.end.family != target.end.family

    def _meets(self, pod: _Seen, family: Family) -> bool:
        return not self._by_address or pod.end.family == family


def _halves(
    source: _Seen | End, target: _Seen | End
) -> tuple[tuple[_Seen | End, _Seen | End, Direction], ...]:
    """Both ends, each with the other and the direction in which its policies are asked."""
    return (source, target, "egress"), (target, source, "ingress")


def _workloads(pods: Iterable[Pod]) -> tuple[Workload, ...]:
    by_name: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        by_name[str(pod)].append(pod)
    return tuple(Workload(name, tuple(by_name[name])) for name in sorted(by_name))


def _applying(pod: _Seen, side: Side | None, *, by_address: bool) -> Hashable:
    """All that decides what a side says of the outside."""
    if side is None:
        return None
    names = pod.end.pod.ports if side.direction == "ingress" else ()
    return tuple(map(id, side.causes())), names, pod.end.at if by_address else None


def _witness(party: Party) -> Party:
    """One address for a run of them, all of which fare alike."""
    if not isinstance(party, Networks):
        return party
    family = V4 if party.addresses.v4 else V6
    first, _ = next(party.addresses.intervals(family))
    return Networks(Addresses.run(family, first, first))


def _told(source: Party, target: Party, verdict: Verdict) -> Iterator[Connection]:
    if verdict != NOTHING:
        yield Connection(source, target, verdict)


def _end(seen: _Seen | End) -> End:
    return seen.end if isinstance(seen, _Seen) else seen


def _clip(run: Run, selection: Selection) -> Iterator[Networks]:
    """The selected addresses of a run, each maximal stretch of them by itself."""
    left = selection.clip(Networks(run.addresses)).addresses
    for first, last in left.intervals(run.family):
        yield Networks(Addresses.run(run.family, first, last))
