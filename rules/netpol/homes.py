"""In which namespaces a peer may have pods.

Labels of pods are anybody's to choose, so what a peer asks of them may hold everywhere; what it
asks of namespaces decides. The answer is that of three-valued logic: True, False, or None for
"some pods of it, perhaps".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rules.netpol.dialects import cilium
from rules.netpol.dialects.calico import labels as calico
from rules.netpol.expressions import Condition, Expression, Join
from rules.netpol.inventory import NAME_LABEL
from rules.netpol.peers import (
    AllOf,
    AnyOf,
    Anywhere,
    Endpoints,
    Entity,
    Fqdn,
    LabelExpression,
    Labelled,
    Namespaces,
    NetworkGroup,
    Networks,
    Nodes,
    Not,
    Peer,
    Pods,
    ServiceRef,
    Services,
    leaves,
)
from rules.selectors import LabelSelector, Requirement

Settled = Callable[[str], bool]

_WITH_PODS = frozenset({"all", "cluster", "cluster-mesh"})
_OF_NAMESPACES = (cilium.NAMESPACE_LABELS, calico.OF_NAMESPACE)
_NEVER_OF_PODS = cilium.RESERVED


@dataclass(frozen=True, slots=True)
class Home:
    """A namespace by its name and labels.

    `free`: labels that it does not have here it may give itself, but for those in `guarded`.
    `pinned`: labels that all pods in question have; of others nothing is known.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    free: bool = False
    guarded: frozenset[str] = frozenset({NAME_LABEL})
    pinned: Mapping[str, str] = field(default_factory=dict)

    def may_have(self, peer: Peer) -> bool | None:
        """Whether pods of the namespace are in the peer; None: some may be."""
        match peer:
            case Anywhere():
                return True
            case Entity(name):
                return name in _WITH_PODS
            case Services(refs):
                return _some(self.may_have(each) for each in refs)
            case ServiceRef(namespace=namespace):
                return None if namespace in (None, self.name) else False
            case AllOf() | AnyOf() | Not():
                return self._combined(peer)
        return self._labelled(peer)

    def _labelled(self, peer: Peer) -> bool | None:
        match peer:
            case Namespaces(labels):
                return self._own(labels)
            case Pods(namespaces=str() as name, pods=pods):
                return _every([self.name == name, self._of_pods(pods)])
            case Pods(namespaces=namespaces, pods=pods) if not isinstance(namespaces, str):
                return _every([self._own(namespaces), self._of_pods(pods)])
            case Labelled(labels) | Endpoints(labels):
                return self._engine(labels)
        return False

    def _combined(self, peer: AllOf | AnyOf | Not) -> bool | None:
        match peer:
            case AllOf(peers):
                return _every(self.may_have(each) for each in peers)
            case AnyOf(peers):
                return _some(self.may_have(each) for each in peers)
            case Not(inner):
                found = self.may_have(inner)
                return None if found is None else not found

    def _own(self, labels: LabelExpression) -> bool | None:
        """What a selector says of the labels of the namespace itself."""
        return _truth(labels, self.labels, self._settled)

    def _of_pods(self, labels: LabelExpression) -> bool | None:
        return _truth(labels, self.pinned, self.pinned.__contains__)

    def _engine(self, labels: LabelExpression) -> bool | None:
        """What an expression says, where labels of namespaces stand among those of pods."""
        if not labels.keys:
            return labels.matches({})
        known = {
            **self.pinned,
            cilium.NAMESPACE: self.name,
            cilium.CLUSTER: cilium.LOCAL_CLUSTER,
            calico.NAMESPACE: self.name,
            calico.ORCHESTRATOR: calico.KUBERNETES,
            f"{calico.OF_NAMESPACE}{calico.NAME}": self.name,
        }
        for prefix in _OF_NAMESPACES:
            known |= {f"{prefix}{key}": value for key, value in self.labels.items()}
        return _truth(labels, known, lambda key: key in known or self._settled_of_pod(key))

    def _settled(self, key: str) -> bool:
        """Whether it is known that the namespace has the label, or has it not."""
        return not self.free or key in self.labels or key in self.guarded

    def _settled_of_pod(self, key: str) -> bool:
        for prefix in _OF_NAMESPACES:
            if key.startswith(prefix):
                return self._settled(key.removeprefix(prefix))
        return key.startswith(_NEVER_OF_PODS)


def named_homes(peer: Peer) -> frozenset[str]:
    """The namespaces that a peer names, whether they are there or not."""
    found: set[str] = set()
    for leaf in leaves(peer):
        match leaf:
            case Pods(namespaces=str() as name):
                found.add(name)
            case Pods(namespaces=labels) if not isinstance(labels, str):
                found |= _names(labels)
            case Namespaces(labels) | Labelled(labels) | Endpoints(labels):
                found |= _names(labels)
            case Services(refs):
                found |= {each.namespace for each in refs if each.namespace}
            case ServiceRef(namespace=str() as name):
                found.add(name)
    return frozenset(found)


def confinement(peer: Peer) -> _Limit:
    """The namespaces outside of which a peer has no pods; None where it names no such limit."""
    match peer:
        case Networks() | Fqdn() | NetworkGroup() | Nodes():
            return frozenset()
        case Pods(namespaces=str() as name):
            return frozenset({name})
        case Pods(namespaces=labels) if not isinstance(labels, str):
            return _limit(labels)
        case Namespaces(labels) | Labelled(labels) | Endpoints(labels):
            return _limit(labels)
        case AllOf(peers):
            return _both(map(confinement, peers))
    return None


_Limit: TypeAlias = frozenset[str] | None


def _limit(labels: LabelExpression) -> _Limit:
    """The namespaces to which a condition on labels keeps."""
    if not isinstance(labels, Expression):
        asked = _requirements(labels) or ()
        named = (each for each in asked if each.key in _NAME_KEYS and each.operator == "In")
        return _both(each.values for each in named)
    limits: list[_Limit] = []
    for step in labels.steps:
        if isinstance(step, Condition):
            named_here = step.key in _NAME_KEYS and step.operator == "in"
            limits.append(frozenset(step.values) if named_here else None)
            continue
        first = len(limits) - step.count
        limits[first:] = [_joined(step, limits[first:])]
    return limits[0]


def _joined(step: Join, limits: list[_Limit]) -> _Limit:
    if step.operator == "and":
        return _both(limits)
    known = [limit for limit in limits if limit is not None]
    if step.operator == "or" and len(known) == len(limits):
        return frozenset[str]().union(*known)
    return None


def _both(limits: Iterable[_Limit]) -> _Limit:
    known = [limit for limit in limits if limit is not None]
    return frozenset.intersection(*known) if known else None


_NAME_KEYS = frozenset(
    {
        NAME_LABEL,
        cilium.NAMESPACE,
        f"{cilium.NAMESPACE_LABELS}{NAME_LABEL}",
        calico.NAMESPACE,
        f"{calico.OF_NAMESPACE}{NAME_LABEL}",
        f"{calico.OF_NAMESPACE}{calico.NAME}",
    }
)


def _names(labels: LabelExpression) -> set[str]:
    if isinstance(labels, Expression):
        steps = (step for step in labels.steps if isinstance(step, Condition))
        return {v for s in steps if s.key in _NAME_KEYS and s.operator == "in" for v in s.values}
    asked = _requirements(labels) or ()
    return {v for each in asked if each.key in _NAME_KEYS for v in each.values}


def _requirements(labels: LabelExpression) -> tuple[Requirement, ...] | None:
    if isinstance(labels, cilium.EndpointSelector):
        labels = labels.requirements
    return labels.requirements if isinstance(labels, LabelSelector) else None


def _truth(labels: LabelExpression, known: Mapping[str, str], settled: Settled) -> bool | None:
    """What the expression comes to where only labels under settled keys are known."""
    if isinstance(labels, Expression):
        return _stepwise(labels, known, settled)
    asked = _requirements(labels)
    if asked is None:
        return None
    return _every(each.matches(known) if settled(each.key) else None for each in asked)


def _stepwise(labels: Expression, known: Mapping[str, str], settled: Settled) -> bool | None:
    results: list[bool | None] = []
    for step in labels.steps:
        if isinstance(step, Condition):
            results.append(step.holds(known) if settled(step.key) else None)
            continue
        first = len(results) - step.count
        inner = results[first:]
        match step.operator:
            case "and":
                joined = _every(inner)
            case "or":
                joined = _some(inner)
            case "not":
                joined = None if inner[0] is None else not inner[0]
        results[first:] = [joined]
    return results[0]


def _every(results: Iterable[bool | None]) -> bool | None:
    found = set(results)
    return False if False in found else None if None in found else True


def _some(results: Iterable[bool | None]) -> bool | None:
    found = set(results)
    return True if True in found else None if None in found else False
