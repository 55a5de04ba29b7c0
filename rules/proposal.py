"""What is under review, laid over all that network policies say: how pods fare before and after.

Rules that ask the same of one review share one answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from rules.model import NAMESPACE, POD
from rules.netpol import naming
from rules.netpol.changes import DIRECTIONS
from rules.netpol.entries import Entry, Group
from rules.netpol.exits import is_closed
from rules.netpol.index import Index
from rules.netpol.inventory import Namespace, Pod
from rules.netpol.keys import EVERYWHERE, Key, twins_of
from rules.netpol.model import Direction, Grant, Origin, Policy
from rules.netpol.sides import Side
from rules.netpol.swaps import Swap
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.statement import key_in, stated
from rules.subject import Ground, Sides, Subject, sides_of
from rules.words import printable

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
            cure = f"add it: {named} without rules allows none"
        return f"are under {printable(origin_shown(origin))}, which {lack}, {follows}; {cure}"


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
    return review.content.once("proposal", index, partial(_propose, review, cluster, index))


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


def _stand(review: Review, index: Index) -> Standing:
    pod = index.pod(mapping(review.object), review.namespace)
    return Standing(index, pod, sides_of(index, pod))


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
    if review.kind in (POD.kind, NAMESPACE.kind, naming.TIER):
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
        index = index.hold(Entry(twin, None))
    return index


def _subjects(
    review: Review, cluster: Cluster, key: Key, before: Index, after: Index
) -> tuple[tuple[Subject, ...], int]:
    """The tenants' pods that a change is about, and how many groups of them are over the limit."""
    if review.kind in (POD.kind, NAMESPACE.kind):
        return _counted(_relabelled(review, key, before, after), cluster)
    if key.api.kind in naming.KINDS:
        return _counted(_concerned(key, before, after), cluster)
    own, twins = before.policies_at(key), map(before.policies_at, twins_of(key))
    swap = Swap((*own, *chain.from_iterable(twins)), after.policies_at(key))
    taken: list[Subject] = []
    left_out = 0
    for home, groups in after.selected(key.namespace, (*own, *swap.come)):
        if cluster.trusts(home.name):
            continue
        ground, room = Ground(before, after, home, swap), MOST_GROUPS - len(taken)
        for group, count in groups[:room]:
            make = partial(_unchanged, after, home, group)
            taken.append(Subject(ground, make, count, apart=not group.host_network))
        left_out += max(len(groups) - room, 0)
    return tuple(taken), left_out


def _counted(found: Iterable[Subject], cluster: Cluster) -> tuple[tuple[Subject, ...], int]:
    tenants = [each for each in found if not cluster.trusts(each.now.namespace.name)]
    return tuple(tenants[:MOST_GROUPS]), max(len(tenants) - MOST_GROUPS, 0)


def _concerned(key: Key, before: Index, after: Index) -> Iterator[Subject]:
    """The pods that policies may select which name the object, a set of addresses or a tier.

    They are looked up everywhere where one of the policies is about all of the cluster.
    """
    policies: dict[str, list[Policy]] = defaultdict(list)
    for where, policy in naming.naming(before, after, key):
        policies[where].append(policy)
    if EVERYWHERE in policies:
        policies = defaultdict(list, {EVERYWHERE: list(chain.from_iterable(policies.values()))})
    for where, some in policies.items():
        for pod, count in after.subjects(where, some):
            yield Subject(Ground(before, after, pod.namespace), partial(_pair, pod, pod), count)


def _unchanged(index: Index, home: Namespace, group: Group) -> tuple[Pod, Pod]:
    pod = index.resident(home, group)
    return pod, pod


def _relabelled(review: Review, key: Key, before: Index, after: Index) -> Iterator[Subject]:
    ground = Ground(before, after, after.home(key.namespace or key.name))
    if review.kind == POD.kind:
        both = (before, review.old), (after, review.object)
        one, other = (index.pod(mapping(node), review.namespace) for index, node in both)
        yield Subject(ground, partial(_pair, one, other), 1)
        return
    home = before.home(key.name)
    for pod, count in after.pods(key.name):
        yield Subject(ground, partial(_pair, replace(pod, namespace=home), pod), count)


def _pair(was: Pod, now: Pod) -> tuple[Pod, Pod]:
    return was, now


def origin_shown(origin: Origin) -> str:
    """An object in few words: its kind, and where and how it is called."""
    return f"{origin.kind} {f'{origin.namespace}/' if origin.namespace else ''}{origin.name}"
