"""Whom a pod meets: the pods of other namespaces that its policies and theirs let it reach.

search(index, pod, index.sides(pod, "egress"), wanted, 1000).found    # a Meeting, or None
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rules.netpol.index import Index
from rules.netpol.inventory import Pod, PodEnd
from rules.netpol.model import Direction, Grant, Unknown
from rules.netpol.peers import Networks, Peer, Pods, leaves
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
    for side in filter(_may_leave, sides):
        leaving = [grant for grant in side.grants() if _leaves(grant, pod)]
        for name in index.members:
            if not wanted(name) or not any(_covers(grant, index, name) for grant in leaving):
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


def _may_leave(side: Side) -> bool:
    return any(True for _ in side.grants())


def _leaves(grant: Grant, pod: Pod) -> bool:
    """Whether a grant may let traffic to or from other namespaces than the pod's own."""
    own = pod.namespace.name
    return grant.action != "deny" and any(
        isinstance(entry, Unknown) or not _stays(entry.peer, own) for entry in grant.peers
    )


def _stays(peer: Peer, own: str) -> bool:
    return all(isinstance(leaf, Pods) and leaf.namespaces == own for leaf in leaves(peer))


def _covers(grant: Grant, index: Index, name: str) -> bool:
    """The quick question whether a grant may be about pods of that namespace."""
    home = index.home(name)
    return any(
        isinstance(entry, Unknown)
        or any(
            leaf.covers(home.name, home.labels)
            if isinstance(leaf, Pods)
            else not (isinstance(leaf, Networks) and index.engine.addresses_match == "outside")
            for leaf in leaves(entry.peer)
        )
        for entry in grant.peers
    )
