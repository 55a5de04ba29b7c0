"""What is under review, laid over all that network policies say: how pods fare before and after.

Rules that ask the same of one review share one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import islice
from typing import NamedTuple, TypeAlias

from rules.content import Content
from rules.model import NAMESPACE, POD
from rules.netpol.changes import DIRECTIONS
from rules.netpol.entries import Entry
from rules.netpol.exits import is_closed
from rules.netpol.index import Index
from rules.netpol.inventory import Pod, PodEnd
from rules.netpol.keys import Key, twins_of
from rules.netpol.model import Direction, Grant, Origin, Policy
from rules.netpol.reach import Applying
from rules.netpol.sides import Side
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.statement import key_in, stated
from rules.words import printable

Sides: TypeAlias = Mapping[Direction, tuple[Side, ...]]
MOST_GROUPS = 5_000
"""More than so many groups of pods are not looked at while somebody waits (contracts 9)."""
SOME_LABELS = 3
_OF_MESH = ("security.istio.io/", "service.istio.io/")
"""Labels that the injector gives to pods."""
_TYPES = {"networking.k8s.io": "policyTypes", "cilium.io": "", "policy.networking.k8s.io": ""}
"""The field that names the directions in which a policy isolates; "": its sections do."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A pod under review among all policies; an engine may know it by several addresses."""

    index: Index
    pod: Pod
    sides: Sides

    def isolated(self, direction: Direction) -> bool:
        """Whether policies drop what none of them allows, be it by denying all that is outside."""
        return all(map(is_closed, self.sides[direction]))

    def open_by(self, direction: Direction, follows: str) -> str:
        """Why nothing isolates the pod in the direction, what follows, and what would, in words."""
        other: Direction = "ingress" if direction == "egress" else "egress"
        stages = (stage for side in self.sides[other] for stage in side.stages)
        origin = next((each.cause.origin for stage in stages for each in stage.isolations), None)
        named = direction.title()
        if origin is None:
            cure = f"add a NetworkPolicy with policyTypes [{named}] that selects it"
            return f"are selected by no policy that isolates {direction}, {follows}; {cure}"
        field = _TYPES.get(origin.group, "types")
        lack, cure = f"has no {direction}", f"add {direction}: [{{}}] to it"
        if field:
            lack = f"lacks {named} in {field}"
            cure = f"add {named} to it: without rules it allows none"
        return f"are selected by {printable(origin_shown(origin))}, which {lack}, {follows}; {cure}"


class Swap(NamedTuple):
    """The policies that go, and those that come in their place; all others stay."""

    gone: Sequence[Policy]
    come: Sequence[Policy]


@dataclass(frozen=True)  # without slots: what applies is found out when first asked for
class Subject:
    """Pods that no policy can tell apart, as they were and as they will be, and how many.

    `swap` is what changes between both indexes where that is nothing but policies.
    """

    before: Index
    after: Index
    was: Pod
    now: Pod
    count: int
    swap: Swap | None = None

    @cached_property
    def former(self) -> Sides:
        """What applied to them."""
        network = self.before.network(self.was.namespace.name)
        return _by_direction(network.told(end, about) for end, about in self._applying)

    @cached_property
    def future(self) -> Sides:
        """What will apply to them."""
        if self.after is self.before and self.now is self.was:
            return self.former
        if self.swap is None:
            return _sides(self.after, self.now)
        network = self.after.network(self.now.namespace.name)
        return _by_direction(
            network.told(end, network.swapped(end, about, *self.swap))
            for end, about in self._applying
        )

    @cached_property
    def _applying(self) -> list[tuple[PodEnd, Applying]]:
        """The policies that were about them, at each of their addresses."""
        network = self.before.network(self.was.namespace.name)
        return [(end, network.applying(end)) for end in self.before.ends(self.was)]

    def freed(self, direction: Direction) -> bool:
        """Whether some policy isolated them before, and none does after."""
        was, now = self.former[direction], self.future[direction]
        return all(s.isolated for s in was) and not all(s.isolated for s in now)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The index without and with a change, and the tenants' pods that it is about.

    `loosened` are the directions in which somebody may be isolated less. Of those groups of pods
    that are over the limit there are `left_out`.
    """

    before: Index
    after: Index
    loosened: frozenset[Direction]
    subjects: tuple[Subject, ...]
    left_out: int

    def freed(self, direction: Direction) -> Iterator[Pod]:
        """The pods that some policy isolated before, and none does after."""
        if direction not in self.loosened:
            return iter(())
        return (each.now for each in self.subjects if each.freed(direction))

    def limit(self, most: int = MOST_GROUPS) -> str:
        """What was looked at and what not, in words, where few were; "" where all was."""
        every = len(self.subjects) + self.left_out
        seen = min(most, len(self.subjects))
        return f"judged on {seen} of {every} groups" if seen < every else ""


def stand(review: Review, cluster: Cluster) -> Standing:
    """How the pod under review stands."""
    index = cluster.network
    return review.new.once("standing", index, partial(_stand, review, index))


def propose(review: Review, cluster: Cluster) -> Proposal:
    """What the creation, change or deletion of a policy, namespace or pod would do."""
    index = cluster.network
    return _content(review).once("proposal", index, partial(_propose, review, cluster, index))


def shown(pod: Pod) -> str:
    """A group of pods in few words: by its namespace and some of the labels of its author."""
    stated = sorted(item for item in pod.labels.items() if not item[0].startswith(_OF_MESH))
    labels = [f"{key}={value}" for key, value in stated]
    more = ",..." if len(labels) > SOME_LABELS else ""
    said = ",".join(labels[:SOME_LABELS]) or "without labels"
    return f"pods {said}{more} in namespace {pod.namespace.name}"


def grants(sides: Iterable[Side]) -> list[Grant]:
    """All rules that are about a pod."""
    return [grant for side in sides for grant in side.grants()]


def _sides(index: Index, pod: Pod) -> Sides:
    network = index.network(pod.namespace.name)
    return _by_direction(network.sides(end) for end in index.ends(pod))


def _by_direction(ends: Iterable[Mapping[Direction, Side]]) -> Sides:
    found = tuple(ends)
    return {each: tuple(sides[each] for sides in found) for each in DIRECTIONS}


def _stand(review: Review, index: Index) -> Standing:
    pod = index.pod(mapping(review.object), review.namespace)
    return Standing(index, pod, _sides(index, pod))


def _propose(review: Review, cluster: Cluster, index: Index) -> Proposal:
    created, before, after = review.operation == "CREATE", index, index
    key = key_in(review)
    if review.kind != POD.kind:
        gone = Entry(key, None)
        before = index.hold(gone if created else stated(review, key, review.former))
        after = before
        if review.operation == "DELETE":
            after = _alone(index, key).hold(gone)
        elif review.object is not review.old:
            after = _alone(index, key).hold(stated(review, key, review.new))
    taken, left_out = _subjects(review, cluster, key, before, after)
    return Proposal(before, after, _loosened(review, key, before, after), taken, left_out)


def _loosened(review: Review, key: Key, before: Index, after: Index) -> frozenset[Direction]:
    """Of a policy, the directions in which it isolates less than it did."""
    if review.kind in (POD.kind, NAMESPACE.kind):
        return frozenset(DIRECTIONS)
    was, now = (
        {
            (each.direction, each.subject, each.tier)
            for policy in index.policies_at(key)
            for each in policy.isolations
        }
        for index in (before, after)
    )
    return frozenset(direction for direction, _, _ in was - now)


def _alone(index: Index, key: Key) -> Index:
    """The index without what else is known of the object: that goes, and changes, with it."""
    for twin in twins_of(key):
        if index.policies_at(twin):
            index = index.hold(Entry(twin, None))
    return index


def _subjects(
    review: Review, cluster: Cluster, key: Key, before: Index, after: Index
) -> tuple[tuple[Subject, ...], int]:
    """The tenants' pods that a change is about, and how many groups of them are over the limit."""
    if review.kind in (POD.kind, NAMESPACE.kind):
        found = _relabelled(review, key, before, after)
        own = [each for each in found if not cluster.trusts(each.now.namespace.name)]
        return tuple(own[:MOST_GROUPS]), max(len(own) - MOST_GROUPS, 0)
    trusts = cache(cluster.trusts)
    swap = Swap(
        [policy for each in (key, *twins_of(key)) for policy in before.policies_at(each)],
        after.policies_at(key),
    )
    about = (*before.policies_at(key), *swap.come)
    chosen = (each for each in after.selected(key.namespace, about) if not trusts(each[0].name))
    taken = []
    for home, group, count in islice(chosen, MOST_GROUPS):
        pod = after.resident(home, group)
        taken.append(Subject(before, after, pod, pod, count, swap))
    return tuple(taken), sum(1 for _ in chosen)


def _relabelled(review: Review, key: Key, before: Index, after: Index) -> Iterator[Subject]:
    if review.kind == POD.kind:
        former, new = mapping(review.old), mapping(review.object)
        where = review.namespace
        yield Subject(before, after, before.pod(former, where), after.pod(new, where), 1)
        return
    name = key.name
    for pod, count in after.pods(name):
        was = replace(pod, namespace=before.home(name))
        yield Subject(before, after, was, pod, count)


def _content(review: Review) -> Content:
    return review.former if review.operation == "DELETE" else review.new


def origin_shown(origin: Origin) -> str:
    """An object in few words: its kind, and where and how it is called."""
    return f"{origin.kind} {f'{origin.namespace}/' if origin.namespace else ''}{origin.name}"
