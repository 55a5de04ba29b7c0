"""An engine: what enforces policies, and how it differs from others.

One value of `Engine` holds all differences; each engine's value is made in its module under
`engines`. What evaluates policies asks this value and knows no engine by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from rules.netpol.inventory import End, Inventory, Labels, Namespace, PodEnd
from rules.netpol.match import Match
from rules.netpol.model import Direction, Grant, NamedPort, Origin, Policy, Unknown
from rules.netpol.peers import Entity, Fqdn, NetworkGroup, Nodes, Peer, Pods, ServiceRef, Services
from rules.netpol.sets import Ports
from rules.selectors import Path

Version = tuple[int, ...]
"""Such as (1, 18); compared number by number."""

Rung: TypeAlias = tuple[Any, ...]
"""A position within a tier; lower ones are asked first."""


class Api(NamedTuple):
    """A kind of policies as engines tell them apart, whatever version it is written in."""

    group: str
    kind: str


@dataclass(frozen=True, slots=True)
class View:
    """Labels under which an engine knows an end; an end may have several views, or none.

    `labels` are what `Labelled` sees: all that the engine keeps, under the engine's own keys.
    `namespace` and `own` are what `Pods` sees: the namespace, and the end's own labels as far as
    the engine keeps them; namespace None: this view is no pod's, and no `Pods` matches it. Not
    `certain`: nobody knows whether the end is known so (an address that may be in a set).
    """

    labels: Labels
    namespace: Namespace | None = None
    own: Labels = field(default_factory=dict)
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Conflict:
    """Policies that the engine cannot merge for a pod: the object, the place, and why, in words."""

    origin: Origin
    path: Path
    reason: str


def as_written(policy: Policy) -> Policy:
    """A policy means what its dialect says."""
    return policy


def nothing_refused(policy: Policy, inventory: Inventory) -> Iterable[Unknown]:  # noqa: ARG001
    """No policy is refused for what the cluster holds."""
    return ()


def plain_views(end: End, inventory: Inventory) -> Iterable[View]:  # noqa: ARG001  # a hook
    """Pods under the labels that they carry; nothing else has labels."""
    if isinstance(end, PodEnd):
        yield View(end.pod.labels, end.pod.namespace, end.pod.labels)


Resolved: TypeAlias = NetworkGroup | Fqdn | Entity | ServiceRef | Services | Nodes
"""Peers that say nothing by themselves: what they hold is for the cluster or the engine to say."""


def unresolved(peer: Resolved, end: End, inventory: Inventory) -> Match:  # noqa: ARG001  # a hook
    """No pod, and of what lies outside the cluster no node; of the rest nobody knows."""
    return Match.of(holds=False if isinstance(end, PodEnd) or isinstance(peer, Nodes) else None)


def ports_by_name(entry: NamedPort, destination: End, inventory: Inventory) -> Match:  # noqa: ARG001
    """The destination's own numbers for the name, protocol by protocol; only pods have names."""
    ports = Ports.empty()
    if isinstance(destination, PodEnd):
        for port in destination.pod.ports:
            if port.name == entry.name and port.protocol in entry.protocols:
                ports |= Ports.of(port.protocol, port.number)
    return Match.on(ports)


def homes_named(peer: Peer) -> frozenset[str] | None:
    """A namespace that is named; of addresses, where these match no pods, and names there is none.

    None: pods of any namespace may be such.
    """
    match peer:
        case Pods(namespaces=str() as name):
            return frozenset({name})
        case Fqdn():
            return frozenset()
    return None


def nothing_spared(direction: Direction, end: End) -> bool:  # noqa: ARG001  # a hook
    """Isolation holds for every end."""
    return False


class FindsConflicts(Protocol):
    """Names what cannot be merged among grants; `any_order`: in some order of the objects."""

    def __call__(self, grants: Sequence[Grant], *, any_order: bool = False) -> Iterable[Conflict]:
        """The conflicts, those in the engine's own order first."""


def no_conflicts(grants: Sequence[Grant], *, any_order: bool = False) -> Iterable[Conflict]:  # noqa: ARG001  # a hook
    """All policies can be merged."""
    return ()


def by_order(grant: Grant) -> Rung:
    """By the priority of the object."""
    return (grant.place.order or 0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """All in which engines differ. What stands as a default is the words of the APIs themselves.

    name            as the command line has it
    kinds           the kinds that it implements, and since which of its versions
    on_aks          those of them that AKS enforces without being asked
    version         which version this is; () where it does not matter
    addresses_match whether address blocks match pods by their addresses, too ("pods"), or only what
                    lies outside the cluster ("outside")
    drops           where what isolation leaves over is dropped: at the end of its own "tier" (if
                    that tier ends in deny), or after the "last" of all tiers
    spares          ends that isolation does not hold for
    host_network    whether pods on the network of their node have policies
    rung            where in its tier a grant is asked; all grants of one rung are asked at once
    ties            within a rung, where several match: "deny" before allow before pass; or the
                    "weakest" (allow before pass before deny), of objects that each ask their own
                    rules in turn
    reads           what it makes of a policy before any is weighed, where that is not what the
                    dialect says: rules that it reads wider, void ones that it brings to life
    refuses         for what of the cluster a policy is not even stored (a tier that is not there)
    homes           the only namespaces whose pods may be what a peer means, if it names them
    views           labels under which it knows an end
    resolve         on which ports an end is what a peer of these kinds means
    port_names      the numbers that a name stands for at a destination
    entities        entities that are ends of their own in the answers
    names           whether patterns of names are ends of their own
    set_names       whether sets of networks hold names, too
    learns          how addresses of names are learnt: from DNS that rules send through a "proxy",
                    or from all DNS that passes
    conflicts       what it cannot merge among the grants that apply to one pod, in both directions
    """

    name: Literal["spec", "cilium", "calico", "npm"]
    kinds: Mapping[Api, Version]
    on_aks: frozenset[Api] = frozenset()
    version: Version = ()
    addresses_match: Literal["outside", "pods"] = "outside"
    drops: Literal["tier", "last"] = "tier"
    spares: Callable[[Direction, End], bool] = nothing_spared
    host_network: bool = True
    rung: Callable[[Grant], Rung] = by_order
    ties: Literal["deny", "weakest"] = "weakest"
    reads: Callable[[Policy], Policy] = as_written
    refuses: Callable[[Policy, Inventory], Iterable[Unknown]] = nothing_refused
    homes: Callable[[Peer], frozenset[str] | None] = homes_named
    views: Callable[[End, Inventory], Iterable[View]] = plain_views
    resolve: Callable[[Resolved, End, Inventory], Match] = unresolved
    port_names: Callable[[NamedPort, End, Inventory], Match] = ports_by_name
    entities: tuple[str, ...] = ()
    names: bool = False
    set_names: bool = False
    learns: Literal["proxy", "traffic"] = "proxy"
    conflicts: FindsConflicts = no_conflicts

    def implements(self, api: Api) -> bool:
        """Whether this version enforces the kind, if it is asked to."""
        since = self.kinds.get(api)
        return since is not None and (not self.version or self.version >= since)

    def enforces(self, api: Api, enforced: Iterable[str] | None = None) -> bool:
        """Whether it enforces the kind on AKS with these kinds (`group/Kind`, `group/*`) besides.

        None: it enforces all that it implements.
        """
        if not self.implements(api):
            return False
        wanted = {f"{api.group}/{api.kind}", f"{api.group}/*"}
        return enforced is None or api in self.on_aks or not wanted.isdisjoint(enforced)
