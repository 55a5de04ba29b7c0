"""Where a host lies, as the objects of a namespace mean it: outside of the cluster, and how far.

Addresses of the cluster, names of Services and the loopback are nobody's outside. A name of two
labels is a Service where the second is a namespace that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from rules.hosts import is_listed, normal
from rules.netpol import destinations
from rules.netpol.destinations import PRIVATE, Reach, Surroundings, union
from rules.netpol.inventory import NOWHERE
from rules.netpol.peers import Fqdn, Networks
from rules.netpol.sets import Addresses
from rules.review import Cluster
from rules.urls import address_of

Place = Reach | Literal["metadata"]
"""Outside: on the Internet, on the networks around the cluster, or the cloud's metadata service."""

METADATA = ("169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32")
INTERNAL_ZONES = ("internal", "local", "lan")
_CLUSTER_ZONES = frozenset({"svc", "cluster.local", "localhost"})
_NAME_AND_NAMESPACE = 2
_MOST_ALIASES = 8


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside, as one namespace sees it. `allowed` are hosts and CIDRs that may be reached."""

    cluster: Cluster
    namespace: str
    around: Surroundings
    zones: tuple[str, ...]
    allowed: tuple[str, ...]

    @classmethod
    def of(
        cls,
        cluster: Cluster,
        namespace: str,
        *,
        private: Iterable[str] = PRIVATE,
        zones: Iterable[str] = INTERNAL_ZONES,
        allowed: Sequence[str] = (),
    ) -> Outside:
        """The outside of a cluster; all of NETWORK must be declared as read."""
        around = Surroundings.of(private, cluster.site.network.cidrs.every)
        return cls(cluster, namespace, around, tuple(zones), tuple(allowed))

    def place(self, host: str, aliases: Mapping[str, str] | None = None) -> Place | None:
        """Where the host lies; None for what is inside, and for what is no host.

        `aliases` are the pod's own: names that it resolves by itself, and to what.
        """
        name = self.meant(host, aliases or {})
        address = address_of(name)
        if address is not None:
            return self._locate(address)
        return None if self._is_inside(name) else self._zone(name)

    def meant(self, host: str, aliases: Mapping[str, str]) -> str:
        """The host behind a name: of an alias, or of a Service that leads outside."""
        name = normal(host)
        for _ in range(_MOST_ALIASES):
            found = aliases.get(name) or self._served_by(name)
            if not found:
                break
            name = normal(found)
        return name

    def home(self, host: str, aliases: Mapping[str, str]) -> str | None:
        """The namespace of the Service that a name means; None for addresses and what is outside.

        Of a pod's own name in a Service, too, the last label is the namespace.
        """
        name = self.meant(host, aliases)
        if address_of(name) is not None or not self._is_inside(name):
            return None
        labels = name.removesuffix(".cluster.local").removesuffix(".svc").split(".")
        return labels[-1] if len(labels) > 1 else self.namespace

    def is_allowed(self, host: str) -> bool:
        """Whether the host, or its address, is one that may be reached by plain HTTP."""
        names = [one for one in self.allowed if "/" not in one]
        address = address_of(normal(host))
        if address is None:
            return is_listed(host, names)
        return str(address) in names or _one(address) <= union(self._allowed_networks)

    def classes(self, end: Networks | Fqdn) -> Iterable[Reach]:
        """How far outside an end lies, as far as it may not be reached by plain HTTP anyway."""
        if isinstance(end, Fqdn):
            return () if self.is_allowed(end.pattern) else (self._zone(end.pattern),)
        left = end.addresses - union(self._allowed_networks)
        return self.around.classes(destinations.Outside(left))

    @property
    def _allowed_networks(self) -> tuple[str, ...]:
        return tuple(one for one in self.allowed if "/" in one)

    def _locate(self, address: IPv4Address | IPv6Address) -> Place | None:
        if address.is_unspecified or address.is_loopback:
            return None
        single = _one(address)
        if single <= union(METADATA):
            return "metadata"
        return next(iter(self.around.classes(destinations.Outside(single))), None)

    def _served_by(self, name: str) -> str:
        """What a Service leads to by whose name nobody would tell: a name, or a public address."""
        labels = name.removesuffix(".cluster.local").removesuffix(".svc").split(".")
        if len(labels) > _NAME_AND_NAMESPACE:
            return ""
        namespace = labels[1] if len(labels) == _NAME_AND_NAMESPACE else self.namespace
        around = self.cluster.network.surroundings
        service = around.service(namespace, labels[0])
        if service is None or service.external_name or service.selector is not None:
            return service.external_name if service else ""
        behind = destinations.Outside(around.behind(namespace, labels[0]))
        public = self.around.classes(behind).get("public", NOWHERE)
        return next(public.texts(), "").partition("-")[0]

    def _is_inside(self, name: str) -> bool:
        labels = name.split(".")
        if len(labels) == 1 or _ends_in(name, _CLUSTER_ZONES):
            return True
        known = labels[1] == self.namespace or labels[1] in self.cluster.namespaces
        return len(labels) == _NAME_AND_NAMESPACE and known

    def _zone(self, name: str) -> Reach:
        return "private" if _ends_in(name, self.zones) else "public"


def _ends_in(name: str, zones: Iterable[str]) -> bool:
    return any(name == zone or name.endswith(f".{zone}") for zone in zones)


def _one(address: IPv4Address | IPv6Address) -> Addresses:
    return Addresses.between(address, address).unmapped()
