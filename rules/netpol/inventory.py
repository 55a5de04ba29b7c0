"""What a cluster holds besides its policies, as far as policies can mean it.

Values only: `census` reads them off objects. Ends of connections are here, too. An `End` is a peer
so small that no policy in play divides it: a pod met at one of its addresses, a run of addresses
outside, a pattern of names, an entity. Pods without an address of their own lie somewhere: an
address set of which one, nobody knows which, is the pod's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rules.netpol.model import ADMIN, BASELINE, DEFAULT, Action
from rules.netpol.peers import (
    Entity,
    Fqdn,
    Labelled,
    NetworkGroup,
    Networks,
    Peer,
    ServiceRef,
    Services,
    leaves,
)
from rules.netpol.sets import V4, V6, Addresses, Family, Protocol

NAME_LABEL = "kubernetes.io/metadata.name"
Labels = Mapping[str, str]
NOWHERE = Addresses.empty()


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels, `kubernetes.io/metadata.name` among them."""

    name: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account and its labels."""

    namespace: str
    name: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortName:
    """A name that a container gives to one of its ports."""

    name: str
    protocol: Protocol
    number: int


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or what a template makes. `kind` and `name` are those of its owner, if it has one.

    `addresses` are its own, none if they are not known.
    """

    namespace: Namespace
    name: str
    kind: str = "Pod"
    labels: Labels = field(default_factory=dict)
    service_account: ServiceAccount | None = None
    ports: tuple[PortName, ...] = ()
    addresses: Addresses = NOWHERE
    host_network: bool = False

    def __str__(self) -> str:
        return f"{self.namespace.name}/{self.name}[{self.kind}]"


@dataclass(frozen=True, slots=True)
class PodEnd:
    """A pod, met at an address that is one of `at`, all of one family."""

    pod: Pod
    at: Addresses

    @property
    def family(self) -> Family:
        """The family of the address."""
        return V6 if self.at.v6 else V4


End = PodEnd | Networks | Fqdn | Entity


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service; `target` is what its pods call it: a number, or the name of a port.

    `application` is the protocol within `protocol`, as far as the Service states one.
    """

    number: int
    target: int | str
    name: str = ""
    protocol: Protocol = "TCP"
    application: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service; `selector` None: it has none, its endpoints are written by hand."""

    namespace: str
    name: str
    labels: Labels = field(default_factory=dict)
    selector: Labels | None = None
    external_name: str = ""
    ports: tuple[ServicePort, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Addresses behind a Service, and the ports there; no ports: none, a None number: every one."""

    namespace: str
    service: str
    addresses: Addresses
    ports: tuple[tuple[Protocol, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """Calico's NetworkSet, or GlobalNetworkSet where `namespace` is empty.

    `names` are patterns of domains, of which only Calico Enterprise knows.
    """

    namespace: str
    name: str
    labels: Labels = field(default_factory=dict)
    addresses: Addresses = NOWHERE
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CidrGroup:
    """A CiliumCIDRGroup."""

    name: str
    labels: Labels = field(default_factory=dict)
    addresses: Addresses = NOWHERE


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier of policies; lower orders first, None last. `end`: what becomes of what is left over.

    A tier that selects a pod and ends in deny drops it; pass leaves it to the next tier.
    """

    name: str
    order: float | None = None
    end: Action = "deny"


TIERS = {
    tier.name: tier
    for tier in (
        Tier(ADMIN, 1_000, "pass"),
        Tier(DEFAULT, 1_000_000, "deny"),
        Tier(BASELINE, 10_000_000, "pass"),
    )
}
"""Those that always exist."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that policies may name. `pod_networks`: where pods without a known address may be."""

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    network_sets: tuple[NetworkSet, ...] = ()
    cidr_groups: tuple[CidrGroup, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=lambda: TIERS)
    pod_networks: Addresses = NOWHERE

    @property
    def dual_stack(self) -> bool:
        """Whether pods have IPv6 addresses, too."""
        return bool(self.pod_networks.v6) or any(pod.addresses.v6 for pod in self.pods)

    def networks(self, group: NetworkGroup) -> Addresses | None:
        """The addresses of the groups that are meant; None where one is named that is not known."""
        meant = [
            each.addresses
            for each in self.cidr_groups
            if (group.labels.matches(each.labels) if group.labels else each.name == group.name)
        ]
        return Addresses.union(meant) if meant or group.labels else None

    def about(self, peer: Peer) -> Inventory:
        """What of it the peer may name; the rest cannot change what that is outside."""
        named = tuple(leaves(peer))
        refs = [ref for leaf in named for ref in _refs(leaf)]
        services = tuple(
            each
            for each in self.services
            if any(ref.means(each.namespace, each.name, each.labels) for ref in refs)
        )
        behind = {(each.namespace, each.name) for each in services}
        behind |= {(ref.namespace or "", ref.name) for ref in refs}
        return Inventory(
            namespaces=self.namespaces,
            services=services,
            slices=tuple(each for each in self.slices if (each.namespace, each.service) in behind),
            network_sets=self.network_sets if any(map(_is_by_label, named)) else (),
            cidr_groups=self.cidr_groups,
        )

    def ends(self, pod: Pod) -> Iterator[PodEnd]:
        """The pod at each of its addresses; one of each family that it may have, if not known."""
        if pod.addresses:
            for family in (V4, V6):
                for first, last in pod.addresses.intervals(family):
                    for number in range(first, last + 1):
                        yield PodEnd(pod, Addresses.run(family, number, number))
            return
        anywhere = self.pod_networks or Addresses.full()
        for family in (V4, V6) if self.dual_stack else (V4,):
            held = anywhere & Addresses.every(family)
            yield PodEnd(pod, held or Addresses.every(family))


def _refs(leaf: Peer) -> tuple[ServiceRef, ...]:
    match leaf:
        case Services(refs):
            return refs
        case ServiceRef():
            return (leaf,)
    return ()


def _is_by_label(leaf: Peer) -> bool:
    return isinstance(leaf, Labelled)
