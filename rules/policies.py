"""The network policy under review as rules ask it: what it means here, and about whose pods.

An object is read once, whatever number of rules ask. What counts is what the engine of this cluster
makes of it: of a kind that nobody enforces, and of a staged one, nothing. Of an object that lies in
no namespace only that counts which is about pods outside the platform's namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

from rules.model import JSON, Path
from rules.netpol.destinations import Compass, Outside, union
from rules.netpol.dialects import calico, kubernetes
from rules.netpol.dialects.calico import is_of_enterprise
from rules.netpol.engine import Api, Engine
from rules.netpol.engines import engine_of
from rules.netpol.homes import Home, confinement, named_homes
from rules.netpol.index import Index
from rules.netpol.inventory import NAME_LABEL, Inventory
from rules.netpol.keys import EVERYWHERE
from rules.netpol.masking import Mask, mask, pins
from rules.netpol.model import (
    Action,
    Direction,
    Grant,
    PeerEntry,
    Policy,
    PortEntry,
    Subject,
    Unknown,
)
from rules.netpol.peers import Anywhere, Entity, Fqdn, Networks, Peer, ServiceRef, Services
from rules.patch import lookup
from rules.pods import mapping
from rules.proposal import propose
from rules.review import Cluster, Review
from rules.site import Network
from rules.statement import named, written
from rules.words import quote

STAGED = "Staged"
CALICO = frozenset(calico.GROUPS)
CILIUM = "cilium.io"
_NAMES_ARE_RESOLVED = (1, 20)
"""From here on Cilium knows a port's name per destination, and addresses have none."""
MOST_WEIGHED = 100_000
"""So many pairs of own rules and of all are weighed while somebody waits."""
STRANGER = ""
"""Stands for a namespace that nobody has made yet: no namespace has this name."""


def faults(review: Review, network: Network) -> tuple[Unknown, ...]:
    """All of the object that means not what it says, or cannot be read.

    Of what users write for Calico's API server both readings count, with it and without: it may
    not be there, and what it would refuse then is stored. Names of domains are at fault as far as
    the Calico of this cluster does not know them.
    """
    policies = written(review)
    found = _told(policies[0], network) if policies else ()
    if review.group != calico.API_GROUP or review.kind not in calico.KINDS:
        return found
    stored = calico.translate(
        named(review.object, review), namespace=review.namespace, door="native"
    )
    unknowns = _told(stored, network)
    told = tuple(each for each in unknowns if each.consequence in {"void", "as-read"})
    places = {each.path for each in told}
    return (*told, *(each for each in found if each.path not in places))


def _told(policy: Policy, network: Network) -> tuple[Unknown, ...]:
    if policy.origin.group == CILIUM:
        return engine_at(network).reads(policy).unknowns
    knows = network.engine == "calico" and network.enterprise
    return tuple(each for each in policy.unknowns if is_of_enterprise(each) in (None, knows))


def api_of(review: Review) -> Api:
    """The kind of the object; a staged one is of the kind that it would be if it counted."""
    kind = review.kind.removeprefix(STAGED)
    if kind.startswith("Kubernetes"):
        return Api(kubernetes.GROUP, kubernetes.KIND)
    return Api(review.group, kind)


def engine_at(network: Network) -> Engine:
    """The engine that the rulebook names."""
    return engine_of(network.engine, network.version, enterprise=network.enterprise)


def _key(network: Network) -> tuple[str, str, bool]:
    """Which engine it is: hashed more often than all that a Network says should be."""
    return network.engine, network.version, network.enterprise


def is_enforced(review: Review, network: Network) -> bool:
    """Whether the engine of this cluster enforces objects of the kind."""
    return engine_at(network).enforces(api_of(review), network.enforced)


@lru_cache(maxsize=16)
def _compass(name: str, version: str, enterprise: bool) -> Compass:  # noqa: FBT001  # a key
    """For what does not depend on the cluster."""
    return Compass(engine_of(name, version, enterprise=enterprise), Inventory())


@lru_cache(maxsize=1 << 14)
def _outside(key: tuple[str, str, bool], entry: PeerEntry | Unknown) -> Outside:
    """What an entry holds outside: many rules ask, and most policies ask alike."""
    return _compass(*key).outside(entry)


@dataclass(frozen=True)  # without slots: what follows is found once
class Asked:
    """The object under review: its policies, as far as they count here."""

    review: Review
    cluster: Cluster

    @property
    def network(self) -> Network:
        """What the operator says of the engine."""
        return self.cluster.site.network

    @cached_property
    def engine(self) -> Engine:
        """What enforces policies here."""
        return engine_at(self.network)

    @property
    def names_reach_addresses(self) -> bool:
        """Whether the name of a port opens any pod's number of that name to addresses, too."""
        return self.engine.name == "cilium" and self.engine.version < _NAMES_ARE_RESOLVED

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that count, as the engine reads them."""
        return self.review.content.once("counted policies", self.cluster.namespaces, self._counted)

    def _counted(self) -> tuple[Policy, ...]:
        if not is_enforced(self.review, self.network) or self.review.kind.startswith(STAGED):
            return ()
        meant = (self.engine.reads(policy) for policy in written(self.review))
        return tuple(policy for policy in meant if self.concerns(policy.subject))

    def grants(
        self, direction: Direction | None = None, action: Action = "allow"
    ) -> Iterator[Grant]:
        """The grants, of one direction or of both."""
        for policy in self.policies:
            for grant in policy.grants:
                if grant.action == action and direction in (None, grant.direction):
                    yield grant

    def met(self, direction: Direction) -> Iterator[Grant]:
        """The grants that allow; those of Services on the ports that stand behind these here.

        Of a Service behind which nothing is known they are all ports. Needs all of NETWORK.
        """
        for grant in self.grants(direction):
            yield self._served(grant)

    def _served(self, grant: Grant) -> Grant:
        refs = [entry.peer for entry in grant.peers if isinstance(entry, PeerEntry)]
        services = [ref for ref in refs if isinstance(ref, ServiceRef) and not ref.every_port]
        if not services or len(services) < len(grant.peers):
            return grant
        around = self.cluster.network.surroundings
        behind = {port for ref in services for port in around.ports(ref.namespace or "", ref.name)}
        held = {name for e in grant.ports if isinstance(e, PortEntry) for name in e.protocols}
        path = (*grant.path, "destination", "services")
        ports = tuple(
            PortEntry(path, (protocol,), *((number, number) if number else ()))
            for protocol, number in sorted(behind, key=str)
            if protocol in held
        )
        return replace(grant, ports=ports) if behind else grant

    def outside(self, entry: PeerEntry | Unknown) -> Outside:
        """What an entry of a grant holds outside the cluster, here and now."""
        key = _key(self.network)
        if not _compass(*key).depends(entry):
            return _outside(key, entry)
        index = self.cluster.network
        known: dict[PeerEntry | Unknown, Outside] = self.review.new.once("outside", index, dict)
        if entry not in known:
            inventory = index.network(self.review.namespace).matcher.inventory
            known[entry] = Compass(self.engine, inventory).outside(entry)
        return known[entry]

    def mask(self, grant: Grant) -> Mask | None:
        """What policies deny of a grant to all whom it is about; None where nothing is.

        Nothing is, too, where there are so many rules that it would take too long to say.
        """
        index = propose(self.review, self.cluster).after
        network = index.network(self.review.namespace or EVERYWHERE)
        own = sum(len(policy.grants) for policy in self.policies)
        if own * sum(len(policy.grants) for policy in network.policies) > MOST_WEIGHED:
            return None
        return mask(network, grant, partial(self._covers, grant.subject))

    def beside(self, index: Index, own: Sequence[Grant]) -> Iterator[Grant]:
        """The rules of other objects that are about all whom each of the own ones is about."""
        subjects = {grant.subject for grant in own}
        origins = {grant.origin for grant in own}
        for policy in index.network(self.review.namespace or EVERYWHERE).policies:
            if policy.origin not in origins and all(
                self._covers(each, policy.subject) for each in subjects
            ):
                yield from policy.grants

    def _covers(self, narrow: Subject, wide: Subject) -> bool:
        """Whether all pods of one subject, whoever makes some, are of the other."""
        if isinstance(wide, Unknown) or isinstance(narrow, Unknown):
            return False
        if narrow == wide:
            return True
        labels = pins(narrow)
        homes = (replace(home, pinned=labels) for home in self._all_homes(narrow, wide))
        return all(home.may_have(wide) for home in homes)

    def _all_homes(self, narrow: Peer, wide: Peer) -> Iterator[Home]:
        """The namespaces in which pods of the first may be, as far as the second sees them."""
        if self.review.namespace:
            yield self._home(self.review.namespace)
        else:
            yield from self.homes(narrow)
            yield from map(self._home, named_homes(wide))

    def concerns(self, subject: Subject) -> bool:
        """Whether a subject may be pods of some namespace that is not the platform's."""
        if self.review.namespace or isinstance(subject, Unknown):
            return True
        return any(True for _ in self.homes(subject))

    def homes(self, peer: Peer, *, free: bool = False) -> Iterator[Home]:
        """The namespaces outside the platform that may have pods in a peer.

        The first is STRANGER, where any namespace that comes may have some; `free`: even if it
        must give itself labels for that, which nobody guards.
        """
        limit = confinement(peer)
        stranger = self._stranger(free=free)
        if limit is None and stranger.may_have(peer) is not False:
            yield stranger
        if free:
            return
        for name in {*named_homes(peer), *self.cluster.namespaces} if limit is None else limit:
            if not self.cluster.trusts(name):
                home = self._home(name)
                if home.may_have(peer) is not False:
                    yield home

    def are_neighbours(self, one: str, other: str) -> bool:
        """Whether two namespaces belong to one tenant."""
        tenant = self.cluster.tenant(one)
        return one == other or (tenant != "" and tenant == self.cluster.tenant(other))

    def _home(self, name: str) -> Home:
        known = self.cluster.namespaces.get(name)
        labels: Mapping[str, str] = known.labels if known else {}
        return Home(name, {**labels, NAME_LABEL: name})

    def _stranger(self, *, free: bool) -> Home:
        site = self.cluster.site
        guarded = {NAME_LABEL, site.tenant_label, *site.override_labels}
        return Home(STRANGER, {NAME_LABEL: STRANGER}, free=free, guarded=frozenset(guarded))


def reaches_pods(asked: Asked, entry: PeerEntry) -> bool:
    """Whether a network is one of pods, where the engine lets addresses match them."""
    if asked.engine.addresses_match != "pods" or not isinstance(entry.peer, Networks):
        return False
    return bool(entry.peer.addresses & union(tuple(asked.network.cidrs.pods)))


def whereto(review: Review, entry: PeerEntry | Unknown) -> str:
    """A peer in few words, those of its author where they have any."""
    if isinstance(entry, Unknown):
        return f"what nobody can say ({entry.found})"
    match entry.peer:
        case Anywhere():
            return "any address"
        case Fqdn(pattern):
            return quote(pattern)
        case Entity(name):
            return f"the entity {name}"
        case Services():
            return "Services that no pod stands behind"
    return _networks(lookup(review.object, entry.path)) or "what the rule selects"


def _networks(stated: JSON) -> str:
    """The networks that a peer states, as its author wrote them."""
    if isinstance(stated, str):
        return stated
    nets = mapping(stated).get("nets")
    listed = nets if isinstance(nets, list) else []
    one = mapping(stated, "ipBlock").get("cidr") or mapping(stated).get("cidr")
    texts = [text for text in (one, *listed) if isinstance(text, str)]
    return f"{texts[0]} and {len(texts) - 1} more" if len(texts) > 1 else "".join(texts)


def place_of_name(review: Review, entry: PeerEntry) -> Path:
    """Where the name or pattern of a domain stands."""
    stated = lookup(review.object, entry.path)
    named = [field for field in ("matchPattern", "matchName") if field in mapping(stated)]
    return (*entry.path, *named[:1])


def subject_of(review: Review) -> str:
    """Whose pods the object is about, in words."""
    return f"namespace {review.namespace}" if review.namespace else "the pods it selects"
