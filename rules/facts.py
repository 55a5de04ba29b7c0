"""What a Cluster holds of single objects: of each as much as rules read, and no more.

Whole objects come from files, and of the API server's no more is decoded than is kept here; either
way the same facts come of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rules.model import (
    AUTHORIZATION_POLICY,
    DESTINATION_RULE,
    JSON,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    NETWORK_POLICIES,
    PEER_AUTHENTICATION,
    PODS,
    RUNTIME_CLASS,
    SERVICE,
    SERVICE_ENTRY,
    Kind,
)
from rules.pods import labels_of, mapping

MANAGED_LABEL = "sallyport.dev/managed"
"""Marks the platform's own objects of Istio, where its value is `true`."""

MESH_POLICIES = (PEER_AUTHENTICATION, DESTINATION_RULE, AUTHORIZATION_POLICY, SERVICE_ENTRY)
"""The kinds of which a Cluster holds MeshPolicies."""


_COUNTED: Mapping[str, tuple[Kind, ...]] = {
    "network policy": NETWORK_POLICIES,
    "pod, nor a workload that makes one,": PODS,
    "Service": (SERVICE,),
}
"""What does not exist where none is given; for other kinds something stands in."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """What rules know of a namespace; `terminating`: it is on its way out, with all in it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False


class Term(NamedTuple):
    """A term of a label selector; a label and its value is one with `In`."""

    key: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.key, self.operator, *self.values])


class Webhooks(NamedTuple):
    """What a webhook configuration injects, a revision by the name that it is known by, if any.

    `terms` are those of its selectors, as far as they are known.
    """

    known: str = ""
    revision: str = ""
    terms: tuple[Term, ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str], terms: Iterable[Term] = ()) -> Webhooks:
        """What a configuration with these labels injects: only one of Istio's does."""
        if labels.get("app") != "sidecar-injector":
            return cls(terms=tuple(terms))
        revision = labels.get("istio.io/rev", "")
        return cls(labels.get("istio.io/tag") or revision, revision, tuple(terms))


@dataclass(frozen=True, slots=True)
class MeshPolicy:
    """A stored object of Istio, as far as rules compare others with it.

    `created` is its creation timestamp as text, "" where it was never stored; `managed` says that
    it belongs to the platform.
    """

    namespace: str
    name: str
    created: str
    managed: bool
    spec: Mapping[str, JSON]

    @classmethod
    def of(cls, value: JSON) -> MeshPolicy:
        """What rules know of this object; one that names no namespace is in `default`."""
        metadata = mapping(value, "metadata")
        return cls(
            str(metadata.get("namespace") or "default"),
            str(metadata.get("name") or ""),
            str(metadata.get("creationTimestamp") or ""),
            is_managed(labels_of(value)),
            mapping(value, "spec"),
        )


MeshPolicies = Mapping[str, tuple[MeshPolicy, ...]]
"""Objects of one kind by namespace, the oldest first."""

Facts = Mapping[Kind, Mapping[str, Any]]
"""By kind and by `namespace/name`, or the name alone: a Namespace, the handler of a RuntimeClass,
Webhooks, a MeshPolicy."""


def facts_of(objects: Iterable[JSON]) -> Facts:
    """What there is to know of these objects; of two with one name the later counts."""
    found: dict[Kind, dict[str, Any]] = {}
    for value in objects:
        kind = _BY_NAME.get(kind_of(value))
        if kind is not None:
            key, fact = _READERS[kind](value)
            found.setdefault(kind, {})[key] = fact
    return found


def absent_from(objects: Iterable[JSON]) -> tuple[str, ...]:
    """What these objects, all that are given, hold none of, in words."""
    given = frozenset(map(kind_of, objects))
    return tuple(
        name
        for name, kinds in _COUNTED.items()
        if given.isdisjoint((kind.group, kind.kind) for kind in kinds)
    )


def kind_of(value: JSON) -> tuple[str, str]:
    """The API group and the kind that an object states, "" for what it does not."""
    stated = mapping(value)
    return str(stated.get("apiVersion", "")).rpartition("/")[0], str(stated.get("kind", ""))


def by_namespace(policies: Iterable[MeshPolicy]) -> MeshPolicies:
    """The policies by namespace in the order of Istio: the oldest first, ties by name."""
    found: dict[str, list[MeshPolicy]] = {}
    for policy in policies:
        found.setdefault(policy.namespace, []).append(policy)
    return {namespace: tuple(sorted(own, key=_age)) for namespace, own in found.items()}


def is_managed(labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels belongs to the platform."""
    return labels.get(MANAGED_LABEL) == "true"


def _age(policy: MeshPolicy) -> tuple[bool, str, str]:
    return not policy.created, policy.created, policy.name


def _name(value: JSON) -> str:
    return str(mapping(value, "metadata").get("name", ""))


def _namespace(value: JSON) -> tuple[str, Namespace]:
    terminating = mapping(value, "metadata").get("deletionTimestamp") is not None
    return _name(value), Namespace(_name(value), labels_of(value), terminating)


def _runtime_class(value: JSON) -> tuple[str, str]:
    return _name(value), str(value.get("handler"))


def _webhooks(value: JSON) -> tuple[str, Webhooks]:
    return _name(value), Webhooks.of(labels_of(value))


def _mesh_policy(value: JSON) -> tuple[str, MeshPolicy]:
    policy = MeshPolicy.of(value)
    return f"{policy.namespace}/{policy.name}", policy


_READERS: Mapping[Kind, Callable[[JSON], tuple[str, Any]]] = {
    NAMESPACE: _namespace,
    RUNTIME_CLASS: _runtime_class,
    MUTATING_WEBHOOKS: _webhooks,
    **dict.fromkeys(MESH_POLICIES, _mesh_policy),
}
_BY_NAME = {(kind.group, kind.kind): kind for kind in _READERS}
