"""All policies and pods of a cluster as one value, changed an object at a time.

    index = Index.of(engine, objects)
    changed = index.put(policy)                     # the object under review, laid over
    for pod, count in changed.pods("red"):
        changed.side(pod, "egress").isolated

Nothing is changed in place: every change gives a new value, which shares with the old one all that
stayed the same, so a review sees one state from its first question to its last. Objects are read
once, when they come, and nothing of them is kept but what they mean. Pods that no policy can tell
apart are one group; labels that differ among the pods of one workload are not kept.

What is asked of a pod takes as long as its namespace and the cluster have policies; to find whose
pods a policy is about, as long as its namespace has groups, or, for a policy of the cluster, all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from rules.netpol import census
from rules.netpol.engine import Api, Engine
from rules.netpol.fields import labels_of
from rules.netpol.inventory import (
    NAME_LABEL,
    NOWHERE,
    TIERS,
    Inventory,
    Namespace,
    Pod,
    PodEnd,
    PortName,
    ServiceAccount,
)
from rules.netpol.keys import EVERYWHERE, Key, key_of
from rules.netpol.languages import LANGUAGES, translate
from rules.netpol.matching import Matcher
from rules.netpol.model import Direction, Policy
from rules.netpol.reach import Network, read
from rules.netpol.sets import Addresses
from rules.netpol.shards import Shards
from rules.netpol.sides import Side

VOLATILE = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "apps.kubernetes.io/pod-index",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels that the controllers of Kubernetes give each pod or each rollout anew."""

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")
_POD, _NAMESPACE = Api("", "Pod"), Api("", "Namespace")
_ACCOUNT = Api("", "ServiceAccount")


class Group(NamedTuple):
    """All by which a policy may tell a pod from the others of its namespace."""

    labels: frozenset[tuple[str, str]]
    account: str
    ports: tuple[PortName, ...]
    host_network: bool
    addresses: Addresses


@dataclass(frozen=True)  # without slots: the inventory is made when first asked for
class Surroundings:
    """What policies name besides pods and namespaces: Services, sets of networks, tiers ..."""

    pieces: Shards[Key, Inventory] = field(default_factory=Shards)
    pod_networks: Addresses = NOWHERE

    @cached_property
    def inventory(self) -> Inventory:
        """All of it."""
        pieces = dict(self.pieces.items())
        found = pieces.values()
        return Inventory(
            services=tuple(each for piece in found for each in piece.services),
            slices=tuple(each for piece in found for each in piece.slices),
            network_sets=tuple(each for piece in found for each in piece.network_sets),
            cidr_groups=tuple(each for piece in found for each in piece.cidr_groups),
            tiers=TIERS
            | {key.name: piece.tiers[key.name] for key, piece in pieces.items() if _is_tier(key)},
            pod_networks=self.pod_networks,
        )

    @cached_property
    def homes(self) -> frozenset[str]:
        """The namespaces whose labels count for something that lies in them besides pods."""
        return frozenset(each.namespace for each in self.inventory.network_sets)


@dataclass(frozen=True, slots=True)
class Index:
    """The state of a cluster, as far as network policies are about it or name it."""

    engine: Engine
    policies: Shards[str, Mapping[Key, tuple[Policy, ...]]] = field(default_factory=Shards)
    members: Shards[str, Mapping[str, Group]] = field(default_factory=Shards)
    namespaces: Shards[str, Namespace] = field(default_factory=Shards)
    accounts: Shards[Key, ServiceAccount] = field(default_factory=Shards)
    surroundings: Surroundings = field(default_factory=Surroundings)

    @classmethod
    def of(
        cls, engine: Engine, objects: Iterable[Any], *, pod_networks: Addresses = NOWHERE
    ) -> Index:
        """The index of these objects; see `put`."""
        index = cls(engine, surroundings=Surroundings(pod_networks=pod_networks))
        for node in objects:
            index = index.put(node)
        return index

    def put(self, node: Any, *, namespace: str = "default") -> Index:
        """The index with this object, in the place of the one of that name if there was one.

        `namespace` is where it lies if it does not say. Kinds that no policy can name, and those
        of policies that the engine does not implement, change nothing.
        """
        key = key_of(node, namespace)
        if key.api in LANGUAGES:
            if not self.engine.implements(key.api):
                return self
            meant = read(translate(node, namespace=key.namespace), self.engine)
            return self._with_policies(key, tuple(map(_thrifty, meant)))
        if key.api == _NAMESPACE:
            known = Namespace(key.name, {**labels_of(node), NAME_LABEL: key.name})
            return replace(self, namespaces=self.namespaces.put(key.name, known))
        if key.api == _ACCOUNT:
            account = ServiceAccount(key.namespace, key.name, labels_of(node))
            return replace(self, accounts=self.accounts.put(key, account))
        found = census.take([node], namespace=key.namespace)
        if key.api == _POD:
            return self._with_member(key, _group(found.pods[0]))
        return self._with_piece(key, found if found != census.take([]) else None)

    def take(self, node: Any, *, namespace: str = "default") -> Index:
        """The index without the object of that kind, namespace and name."""
        key = key_of(node, namespace)
        if key.api in LANGUAGES:
            return self._with_policies(key, ())
        if key.api == _NAMESPACE:
            return replace(self, namespaces=self.namespaces.put(key.name, None))
        if key.api == _ACCOUNT:
            return replace(self, accounts=self.accounts.put(key, None))
        if key.api == _POD:
            return self._with_member(key, None)
        return self._with_piece(key, None)

    def pods(self, namespace: str) -> Iterator[tuple[Pod, int]]:
        """The groups of pods in a namespace, each as one pod without a name, and how many."""
        home = self.namespaces.get(namespace) or Namespace(namespace, {NAME_LABEL: namespace})
        for group, count in Counter((self.members.get(namespace) or {}).values()).items():
            yield self._pod(home, group), count

    def subjects(self, namespace: str, policies: Iterable[Policy]) -> Iterator[tuple[Pod, int]]:
        """The groups to which some of the policies apply, or may; EVERYWHERE: of all namespaces."""
        matcher, policies = self._matcher(), tuple(policies)
        for name in self.members if namespace == EVERYWHERE else (namespace,):
            for pod, count in self.pods(name):
                ends = list(self.ends(pod))
                if any(matcher.subject(each.subject, end) for each in policies for end in ends):
                    yield pod, count

    def meaning(self, node: Any, *, namespace: str = "default") -> tuple[Policy, ...]:
        """What the object of that name means here, as the engine reads it."""
        key = key_of(node, namespace)
        return (self.policies.get(key.namespace) or {}).get(key, ())

    def network(self, namespace: str) -> Network:
        """The policies that may apply to pods of a namespace."""
        meant = (self.policies.get(place) or {} for place in {namespace, EVERYWHERE})
        policies = (policy for place in meant for each in place.values() for policy in each)
        return Network(self._matcher(), tuple(policies))

    def ends(self, pod: Pod) -> Iterator[PodEnd]:
        """The pod at each of its addresses; at none in particular where that does not matter."""
        if self.engine.addresses_match == "outside":
            yield PodEnd(pod, NOWHERE)
        else:
            yield from self.surroundings.inventory.ends(pod)

    def sides(self, pod: Pod, direction: Direction) -> tuple[Side, ...]:
        """What applies to a pod in a direction, at each of its addresses."""
        network = self.network(pod.namespace.name)
        return tuple(network.side(end, direction) for end in self.ends(pod))

    def _matcher(self) -> Matcher:
        inventory, homes = self.surroundings.inventory, self.surroundings.homes
        known = {name: home for name in homes if (home := self.namespaces.get(name))}
        return Matcher(self.engine, replace(inventory, namespaces=known) if known else inventory)

    def _pod(self, home: Namespace, group: Group) -> Pod:
        account = Key(_ACCOUNT, home.name, group.account)
        return Pod(
            home,
            name="",
            labels=dict(group.labels),
            service_account=self.accounts.get(account) or ServiceAccount(home.name, group.account),
            ports=group.ports,
            addresses=group.addresses,
            host_network=group.host_network,
        )

    def _with_policies(self, key: Key, meant: tuple[Policy, ...]) -> Index:
        kept = _changed(self.policies.get(key.namespace), key, meant or None)
        return replace(self, policies=self.policies.put(key.namespace, kept))

    def _with_member(self, key: Key, group: Group | None) -> Index:
        kept = _changed(self.members.get(key.namespace), key.name, group and _shared(group))
        return replace(self, members=self.members.put(key.namespace, kept))

    def _with_piece(self, key: Key, piece: Inventory | None) -> Index:
        around = self.surroundings
        if piece is None and around.pieces.get(key) is None:
            return self
        changed = Surroundings(around.pieces.put(key, piece), around.pod_networks)
        return replace(self, surroundings=changed)


def _group(pod: Pod) -> Group:
    labels = frozenset(item for item in pod.labels.items() if item[0] not in VOLATILE)
    account = pod.service_account.name if pod.service_account else ""
    return Group(labels, account, pod.ports, pod.host_network, pod.addresses)


def _thrifty(policy: Policy) -> Policy:
    """The policy, with whatever it has in common with others kept once for all of them."""
    grants = (
        replace(
            grant,
            path=_shared(grant.path),
            peers=_shared(tuple(map(_shared, grant.peers))),
            ports=_shared(tuple(map(_shared, grant.ports))),
        )
        for grant in policy.grants
    )
    isolations = (replace(each, path=_shared(each.path)) for each in policy.isolations)
    return replace(policy, grants=tuple(grants), isolations=tuple(isolations))


@lru_cache(maxsize=1 << 15)
def _shared(value: _Value) -> _Value:
    """The first of all equal values: in a large cluster most of them are met again and again."""
    return value


def _changed(
    entries: Mapping[_Name, _Value] | None, name: _Name, value: _Value | None
) -> Mapping[_Name, _Value] | None:
    """The entries with this one, or for None without it; None if there is none left."""
    kept = {each: old for each, old in (entries or {}).items() if each != name}
    if value is not None:
        kept[name] = value
    return kept or None


def _is_tier(key: Key) -> bool:
    return key.api.kind == "Tier"
