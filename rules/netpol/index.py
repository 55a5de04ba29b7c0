"""All policies and pods of a cluster as one value, changed an object at a time.

    index = Index.of(engine, objects)
    changed = index.put(policy)                     # the object under review, laid over
    for pod, count in changed.pods("red"):
        changed.side(pod, "egress").isolated

Nothing is changed in place: every change gives a new value, which shares with the old one all that
stayed the same, so a review sees one state from its first question to its last. Objects are read
once, when they come, and nothing of them is kept but what they mean. Pods that no policy can tell
apart are one group; labels that differ among the pods of one workload are not kept.

What is asked of a pod takes as long as there are policies of its namespace and of the cluster that
ask for one of its labels, or for none; to find whose pods a policy is about, as long as its
namespace has groups, or, for a policy of the cluster, as there are namespaces, and groups in those
that do not settle it. What is found out on the way is remembered by identity (`known`), which
changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rules.netpol import census
from rules.netpol.engine import Engine
from rules.netpol.entries import (
    ACCOUNT,
    NAMESPACE,
    POD,
    Entry,
    Group,
    entry_of,
    group_of,
)
from rules.netpol.fields import mapping
from rules.netpol.holdings import Policies, Population
from rules.netpol.inventory import (
    NAME_LABEL,
    NOWHERE,
    Inventory,
    Namespace,
    Pod,
    PodEnd,
    ServiceAccount,
)
from rules.netpol.keys import EVERYWHERE, Key, key_of
from rules.netpol.known import Known
from rules.netpol.languages import LANGUAGES
from rules.netpol.matching import Matcher
from rules.netpol.model import Direction, Policy
from rules.netpol.reach import Network, read
from rules.netpol.selection import Selection
from rules.netpol.sets import Addresses
from rules.netpol.shards import Shards
from rules.netpol.sharing import shared, thrifty
from rules.netpol.sides import Side
from rules.netpol.surroundings import Surroundings

_TOLD_BY = ("containers", "initContainers", "serviceAccountName", "hostNetwork")
_NO_POLICIES = Policies()
_NOBODY = Population()


@dataclass(frozen=True, slots=True)
class _Residents:
    """The groups of a namespace as pods, and what that was found from besides the groups."""

    home: Namespace
    accounts: Shards[Key, ServiceAccount]
    pods: tuple[tuple[Pod, int], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """The state of a cluster, as far as network policies are about it or name it."""

    engine: Engine
    policies: Shards[str, Policies] = field(default_factory=Shards)
    members: Shards[str, Population] = field(default_factory=Shards)
    namespaces: Shards[str, Namespace] = field(default_factory=Shards)
    accounts: Shards[Key, ServiceAccount] = field(default_factory=Shards)
    surroundings: Surroundings = field(default_factory=Surroundings)
    _residents: Known[Population, _Residents] = field(
        default_factory=Known, compare=False, repr=False
    )
    _matchers: Known[Inventory, Matcher] = field(
        default_factory=partial(Known, 1), compare=False, repr=False
    )

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
        return self.hold(entry_of(node, namespace=namespace))

    def take(self, node: Any, *, namespace: str = "default") -> Index:
        """The index without the object of that kind, namespace and name."""
        return self.hold(Entry(key_of(node, namespace), None))

    def hold(self, entry: Entry) -> Index:
        """The index with what an object is now, in the place of what it was."""
        key, value = entry
        if isinstance(value, Group):
            return self._with_member(key, self._known(value))
        if isinstance(value, Namespace):
            return replace(self, namespaces=self.namespaces.put(key.name, value))
        if isinstance(value, ServiceAccount):
            return replace(self, accounts=self.accounts.put(key, value))
        if isinstance(value, tuple):
            heeded = self.engine.implements(key.api)
            return self._with_policies(key, tuple(self._read(value))) if heeded else self
        return self._with_piece(key, value) if value else self._without(key)

    def pod(self, node: Any, namespace: str) -> Pod:
        """A pod that is to come, as it would be known in its namespace."""
        spec = mapping(node, "spec")
        whole = {
            "metadata": {"labels": mapping(node, "metadata").get("labels")},
            "spec": {field: spec.get(field) for field in _TOLD_BY},
        }
        group = group_of(census.pod_of(whole, POD, namespace))
        return self.resident(self.home(namespace), self._known(group))

    def pods(self, namespace: str) -> tuple[tuple[Pod, int], ...]:
        """The groups of pods in a namespace, each as one pod without a name, and how many."""
        held, home = self.members.get(namespace), self.home(namespace)
        if held is None:
            return ()
        known = self._residents.of(held, partial(self._reside, home))
        if known.home != home or known.accounts is not self.accounts:
            known = self._reside(home, held)
        return known.pods

    def resident(self, home: Namespace, group: Group) -> Pod:
        """One pod of a group, without a name."""
        account = Key(ACCOUNT, home.name, group.account)
        return Pod(
            home,
            name="",
            labels=dict(group.labels),
            service_account=self.accounts.get(account) or ServiceAccount(home.name, group.account),
            ports=group.ports,
            addresses=group.addresses,
            host_network=group.host_network,
        )

    def subjects(self, namespace: str, policies: Iterable[Policy]) -> Iterator[tuple[Pod, int]]:
        """The groups to which some of the policies apply, or may; EVERYWHERE: of all namespaces."""
        for home, groups in self.selected(namespace, policies):
            for group, count in groups:
                yield self.resident(home, group), count

    def selected(
        self, namespace: str, policies: Iterable[Policy]
    ) -> Iterator[tuple[Namespace, list[tuple[Group, int]]]]:
        """The same by namespaces, each group as what policies may tell of its pods."""
        selection = Selection.of(self._matcher(), (each.subject for each in policies))
        wide = namespace == EVERYWHERE
        for name in self.members if wide else (namespace,):
            held, home = self.members.get(name) or _NOBODY, self.home(name)
            make = partial(self.resident, home)
            groups = selection.groups(home, held.groups, make, wide=wide)
            if groups:
                yield home, groups

    def meaning(self, node: Any, *, namespace: str = "default") -> tuple[Policy, ...]:
        """What the object of that name means here, as the engine reads it."""
        return self.policies_at(key_of(node, namespace))

    def policies_at(self, key: Key) -> tuple[Policy, ...]:
        """The policies that one object means."""
        return (self.policies.get(key.namespace) or _NO_POLICIES).meant.get(key, ())

    def network(self, namespace: str) -> Network:
        """The policies that may apply to pods of a namespace."""
        places = (namespace, EVERYWHERE) if namespace != EVERYWHERE else (EVERYWHERE,)
        held = (self.policies.get(place) for place in places)
        return Network(self._matcher(), tuple(each.roster for each in held if each))

    def ends(self, pod: Pod) -> tuple[PodEnd, ...]:
        """The pod at each of its addresses; at none in particular where that does not matter."""
        return self._matcher().ends(pod)

    def sides(self, pod: Pod, direction: Direction) -> tuple[Side, ...]:
        """What applies to a pod in a direction, at each of its addresses."""
        network = self.network(pod.namespace.name)
        return tuple(network.side(end, direction) for end in self.ends(pod))

    def _matcher(self) -> Matcher:
        inventory, homes = self.surroundings.inventory, self.surroundings.homes
        known = {name: home for name in homes if (home := self.namespaces.get(name))}
        if not known:
            return self._matchers.of(inventory, partial(Matcher, self.engine))
        return Matcher(self.engine, replace(inventory, namespaces=known))

    def _without(self, key: Key) -> Index:
        if key.api in LANGUAGES:
            return self._with_policies(key, ())
        if key.api == NAMESPACE:
            return replace(self, namespaces=self.namespaces.put(key.name, None))
        if key.api == ACCOUNT:
            return replace(self, accounts=self.accounts.put(key, None))
        if key.api in census.MAKE_PODS:
            return self._with_member(key, None)
        return self._with_piece(key, None)

    def home(self, namespace: str) -> Namespace:
        """The namespace; one that is not known has no labels but its name."""
        return self.namespaces.get(namespace) or Namespace(namespace, {NAME_LABEL: namespace})

    def _known(self, group: Group) -> Group:
        """The group without what the engine does not look at."""
        if self.engine.addresses_match == "pods" or not group.addresses:
            return group
        return shared(replace(group, addresses=NOWHERE))

    def _read(self, meant: Iterable[Policy]) -> Iterator[Policy]:
        """What the engine makes of policies; what it leaves as it is stays the same value."""
        for policy in meant:
            for each in read((policy,), self.engine):
                yield policy if each is policy else thrifty(each)

    def _reside(self, home: Namespace, held: Population) -> _Residents:
        pods = ((self.resident(home, group), count) for group, count in held.groups.items())
        return _Residents(home, self.accounts, tuple(pods))

    def _with_policies(self, key: Key, meant: tuple[Policy, ...]) -> Index:
        held = self.policies.get(key.namespace) or _NO_POLICIES
        if held.meant.get(key, ()) == meant:
            return self
        own = Key(shared(key.api), shared(key.namespace), shared(key.name))
        return replace(self, policies=self.policies.put(own.namespace, held.put(own, meant)))

    def _with_member(self, key: Key, group: Group | None) -> Index:
        name = key.name if key.api == POD else f"{key.api.kind}/{key.name}"
        held = self.members.get(key.namespace) or _NOBODY
        kept = held.put(name, group)
        return (
            self if kept is held else replace(self, members=self.members.put(key.namespace, kept))
        )

    def _with_piece(self, key: Key, piece: Inventory | None) -> Index:
        around = self.surroundings.put(key, piece)
        return self if around is self.surroundings else replace(self, surroundings=around)
