"""What is under review, laid over all that network policies say: how pods fare before and after.

Rules that ask the same of one review share one answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from rules.model import JSON, NAMESPACE, POD
from rules.netpol.engine import Api
from rules.netpol.entries import Entry, entry_of
from rules.netpol.exits import is_closed
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.keys import EVERYWHERE, Key
from rules.netpol.model import Direction, Origin
from rules.netpol.sides import Side
from rules.pods import mapping
from rules.review import Cluster, Content, Review

MOST_GROUPS = 5_000
"""More than so many groups of pods are not looked at while somebody waits (contracts 9)."""
SOME_LABELS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """A pod under review among all policies; an engine may know it by several addresses."""

    index: Index
    pod: Pod
    egress: tuple[Side, ...]
    ingress: tuple[Side, ...]

    @property
    def sides(self) -> tuple[Side, ...]:
        """What applies to it in both directions."""
        return (*self.egress, *self.ingress)

    def isolated(self, direction: Direction) -> bool:
        """Whether policies drop what none of them allows, be it by denying all that is outside."""
        return all(map(is_closed, self.egress if direction == "egress" else self.ingress))


@dataclass(frozen=True, slots=True)
class Subject:
    """Pods that no policy can tell apart, as they were and as they will be, and how many."""

    was: Pod
    now: Pod
    count: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """The index without and with a change, and the tenants' pods that it is about.

    Of those groups of pods that are over the limit there are `left_out`.
    """

    before: Index
    after: Index
    subjects: tuple[Subject, ...]
    left_out: int

    def freed(self, direction: Direction) -> Iterator[Pod]:
        """The pods that some policy isolated before, and none does after."""
        for each in self.subjects:
            if not _isolated(self.before, each.was, direction):
                continue
            if not _isolated(self.after, each.now, direction):
                yield each.now

    @property
    def limit(self) -> str:
        """What was looked at and what not, in words; "" where all was."""
        seen = len(self.subjects)
        return f"judged on {seen} of {seen + self.left_out} groups" if self.left_out else ""


def _isolated(index: Index, pod: Pod, direction: Direction) -> bool:
    return all(side.isolated for side in index.sides(pod, direction))


def stand(review: Review, cluster: Cluster) -> Standing:
    """How the pod under review stands."""
    index = cluster.network
    return review.new.once(index, partial(_stand, review, index))


def propose(review: Review, cluster: Cluster) -> Proposal:
    """What the creation, change or deletion of a policy, namespace or pod would do."""
    index = cluster.network
    return _content(review).once(index, partial(_propose, review, cluster, index))


def shown(pod: Pod) -> str:
    """A group of pods in few words: by its namespace and some of its labels."""
    labels = [f"{key}={value}" for key, value in sorted(pod.labels.items())]
    more = ",..." if len(labels) > SOME_LABELS else ""
    said = ",".join(labels[:SOME_LABELS]) or "without labels"
    return f"pods {said}{more} in namespace {pod.namespace.name}"


def _stand(review: Review, index: Index) -> Standing:
    pod = index.pod(mapping(review.object), review.namespace)
    return Standing(index, pod, index.sides(pod, "egress"), index.sides(pod, "ingress"))


def _propose(review: Review, cluster: Cluster, index: Index) -> Proposal:
    created = review.operation == "CREATE"
    before = index.hold(_entry(review, None if created else review.old))
    after = index.hold(_entry(review, None if review.operation == "DELETE" else review.object))
    found = _subjects(review, before, after)
    counted = (each for each in found if not cluster.trusts(each.now.namespace.name))
    taken = tuple(islice(counted, MOST_GROUPS))
    return Proposal(before, after, taken, sum(1 for _ in counted))


def _subjects(review: Review, before: Index, after: Index) -> Iterator[Subject]:
    if review.kind == POD.kind:
        former, new = mapping(review.old), mapping(review.object)
        where = review.namespace
        yield Subject(before.pod(former, where), after.pod(new, where), 1)
        return
    if review.kind == NAMESPACE.kind:
        name = key_in(review).name
        for pod, count in after.pods(name):
            yield Subject(replace(pod, namespace=before.home(name)), pod, count)
        return
    key = key_in(review)
    meant = (*before.policies_at(key), *after.policies_at(key))
    for pod, count in after.subjects(key.namespace, meant):
        yield Subject(pod, pod, count)


def key_in(review: Review) -> Key:
    """Which object of the index is under review."""
    where = EVERYWHERE if review.kind == NAMESPACE.kind else review.namespace
    stored = mapping(review.old, "metadata").get("name")
    name = stored if isinstance(stored, str) else review.own_name
    return Key(Api(review.group, review.kind), where, name)


def _entry(review: Review, value: JSON) -> Entry:
    """What a version of the object under review is; it lies where the request says."""
    key = key_in(review)
    if value is None:
        return Entry(key, None)
    node: Mapping[str, JSON] = mapping(value)
    metadata = {**mapping(node, "metadata"), "namespace": key.namespace, "name": key.name}
    about = {"apiVersion": f"{key.api.group}/v1".lstrip("/"), "kind": key.api.kind}
    return entry_of({**node, **about, "metadata": metadata}, namespace=key.namespace, key=key)


def _content(review: Review) -> Content:
    return review.former if review.operation == "DELETE" else review.new


def origin_shown(origin: Origin) -> str:
    """An object in few words: its kind, and where and how it is called."""
    return f"{origin.kind} {f'{origin.namespace}/' if origin.namespace else ''}{origin.name}"
