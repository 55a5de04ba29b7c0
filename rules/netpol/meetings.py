"""Whom a pod meets: the pods of other namespaces that its policies and theirs let it reach.

search(index, pod, index.sides(pod, "egress"), wanted, 1000).found    # a Meeting, or None
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from rules.netpol.index import Index
from rules.netpol.inventory import Namespace, Pod, PodEnd
from rules.netpol.model import Direction, Grant, Unknown
from rules.netpol.peers import Peer, Pods, leaves
from rules.netpol.sets import Ports
from rules.netpol.sides import Side

OPPOSITE: dict[Direction, Direction] = {"egress": "ingress", "ingress": "egress"}


@dataclass(frozen=True, slots=True)
class Meeting:
    """Another pod, the ports that both sides let pass or may, and the rules that let them."""

    other: Pod
    ports: Ports
    causes: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """The first meeting, if there is one, and how many groups of pods were looked at."""

    found: Meeting | None
    seen: int
    stopped: bool


def search(
    index: Index, pod: Pod, sides: Iterable[Side], wanted: Callable[[str], bool], most: int
) -> Search:
    """Look for one of the pods in wanted namespaces, at no more than so many groups of them."""
    seen = 0
    own = pod.namespace.name
    for side in sides:
        for name in _homes(index, side, own):
            if not wanted(name):
                continue
            for other, _ in index.pods(name):
                if seen == most:
                    return Search(None, seen, stopped=True)
                seen += 1
                meeting = _meet(index, side, other)
                if meeting is not None:
                    return Search(meeting, seen, stopped=False)
    return Search(None, seen, stopped=False)


def _meet(index: Index, side: Side, other: Pod) -> Meeting | None:
    for end in index.ends(other):
        ports = _passing(side, end)
        if not ports:
            continue
        for far in index.sides(other, OPPOSITE[side.direction]):
            both = ports & _passing(far, side.pod)
            if both:
                return Meeting(
                    other, both, (*_causes(side, end, both), *_causes(far, side.pod, both))
                )
    return None


def _passing(side: Side, end: PodEnd) -> Ports:
    verdict = side.verdict(end)
    return verdict.allowed | verdict.unknown


def _causes(side: Side, end: PodEnd, ports: Ports) -> Iterator[Grant]:
    for step in side.steps(end):
        if step.action == "allow" and step.ports & ports and isinstance(step.cause, Grant):
            yield step.cause
            return


def _homes(index: Index, side: Side, own: str) -> Iterator[str]:
    """The other namespaces of whose pods some rule may be about: those named, or all that fit."""
    leaving = [leaf for grant in side.grants() if grant.action != "deny" for leaf in _leaves(grant)]
    named = [None if leaf is None else index.engine.homes(leaf) for leaf in leaving]
    if None not in named:
        names = frozenset[str]().union(*(each for each in named if each is not None))
        yield from sorted(names - {own})
        return
    for name in index.members:
        if name != own and any(map(partial(_fits, index.home(name)), leaving)):
            yield name


def _leaves(grant: Grant) -> Iterator[Peer | None]:
    """The peers of a grant; None for one that nobody can read."""
    for entry in grant.peers:
        yield from (None,) if isinstance(entry, Unknown) else leaves(entry.peer)


def _fits(home: Namespace, leaf: Peer | None) -> bool:
    """The quick question whether a peer may be a pod of that namespace."""
    return leaf.covers(home.name, home.labels) if isinstance(leaf, Pods) else True
