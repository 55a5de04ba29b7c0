"""What the peers are that say nothing by themselves: entities, names, groups and Services."""

from __future__ import annotations

from collections.abc import Iterable

from rules.netpol.engine import Resolved, unresolved
from rules.netpol.engines.cilium.ends import selectors, views
from rules.netpol.inventory import End, Inventory, PodEnd, Service
from rules.netpol.match import ALWAYS, Match
from rules.netpol.matching import within
from rules.netpol.names import covers
from rules.netpol.peers import Entity, Fqdn, NetworkGroup, Networks, ServiceRef, Services
from rules.netpol.sets import Addresses


def resolve(peer: Resolved, end: End, inventory: Inventory) -> Match:
    """On which ports an end is what a peer means that is neither labels nor addresses."""
    match peer:
        case Entity(name):
            return _entity(name, end, inventory)
        case Fqdn(pattern):
            return Match.of(holds=isinstance(end, Fqdn) and covers(pattern, end.pattern))
        case NetworkGroup():
            return _group(peer, end, inventory)
        case Services(refs, open=True) if not any(_backed(ref, inventory) for ref in refs):
            return ALWAYS
        case Services(refs):
            return _services(refs, end, inventory)
    return unresolved(peer, end, inventory)


def _entity(name: str, end: End, inventory: Inventory) -> Match:
    found = [
        any(selector.matches(view.labels) for selector in selectors(name))
        for view in views(end, inventory)
    ]
    return Match.of(holds=True if all(found) else None if any(found) else False)


def _group(group: NetworkGroup, end: End, inventory: Inventory) -> Match:
    """The addresses of groups; of one that is not given nobody knows which of the outside."""
    found = inventory.networks(group)
    if found is None:
        return Match.of(holds=None if isinstance(end, Networks) else False)
    return within(found, end, inventory)


def _services(refs: Iterable[ServiceRef], end: End, inventory: Inventory) -> Match:
    """The pods that Services select; of Services without selector, their endpoints outside."""
    meant = [service for ref in refs for service in inventory.services if _is_meant(ref, service)]
    if isinstance(end, PodEnd):
        labels = next(iter(views(end, inventory))).own
        return Match.of(
            holds=any(
                service.namespace == end.pod.namespace.name
                and service.selector is not None
                and service.selector.items() <= labels.items()
                for service in meant
            )
        )
    manual = {(each.namespace, each.name) for each in meant if each.selector is None}
    addresses = (
        each.addresses for each in inventory.slices if (each.namespace, each.service) in manual
    )
    return within(Addresses.union(addresses), end, inventory)


def _backed(ref: ServiceRef, inventory: Inventory) -> bool:
    return any(
        service.selector is not None or _endpoints(service, inventory)
        for service in inventory.services
        if _is_meant(ref, service)
    )


def _endpoints(service: Service, inventory: Inventory) -> bool:
    return any(
        each.addresses
        for each in inventory.slices
        if (each.namespace, each.service) == (service.namespace, service.name)
    )


def _is_meant(ref: ServiceRef, service: Service) -> bool:
    return ref.means(service.namespace, service.name, service.labels)
