"""Where outside the cluster one rule matches, and on which ports: its strip of all addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from rules.netpol.engines.calico import set_labels
from rules.netpol.inventory import Inventory
from rules.netpol.match import ALWAYS, NEVER, Match
from rules.netpol.matching import Matcher, Strips
from rules.netpol.model import Grant, NamedPort, Unknown
from rules.netpol.peers import (
    Endpoints,
    Labelled,
    Namespaces,
    NetworkGroup,
    Networks,
    Peer,
    Pods,
    ServiceRef,
    Services,
    leaves,
)
from rules.netpol.sets import FAMILIES, V4, Addresses, Edges, Family
from rules.netpol.sides import Applied, Side


def strips(side: Side, rule: Applied[Grant]) -> Strips:
    """Where the rule matches, and on which ports."""
    if rule.about is not ALWAYS or asks_names(rule.cause):
        return _cut(side, rule)
    return side.matcher.strips.of(rule.cause, lambda _: _cut(side, rule))


def asks_names(grant: Grant) -> bool:
    """Whether it depends on the names of the pod's own ports."""
    entries = (*grant.ports, *grant.excluded)
    return grant.direction == "ingress" and any(isinstance(each, NamedPort) for each in entries)


def _cut(side: Side, rule: Applied[Grant]) -> Strips:
    held = footprint(rule.cause, side.matcher)
    if held is None:
        return {family: tuple(_asked_everywhere(side, rule, family)) for family in FAMILIES}
    return {family: tuple(_laid(side, rule, held, family)) for family in FAMILIES}


def _asked_everywhere(
    side: Side, rule: Applied[Grant], family: Family
) -> Iterator[tuple[int, Match]]:
    asked = _asked(rule.cause, side.matcher.inventory, family)
    start, stop = ends(family)
    for first, end in pairwise(sorted({start, stop, *asked})):
        yield first, _match(side, rule, Addresses.run(family, first, end - 1))


def _laid(
    side: Side, rule: Applied[Grant], held: Addresses, family: Family
) -> Iterator[tuple[int, Match]]:
    inside: Match | None = None
    for first, last in held.intervals(family):
        if inside is None:  # each address there is of some peer: what is left are the ports
            block = Networks(Addresses.run(family, first, last))
            met = block if rule.cause.direction == "egress" else side.pod
            inside = rule.about & side.matcher.ports(rule.cause, met)
        yield first, inside
        yield last + 1, NEVER


def _match(side: Side, rule: Applied[Grant], addresses: Addresses) -> Match:
    end = Networks(addresses)
    return side.matcher.grant(rule.cause, rule.about, side.pod, end)


def footprint(grant: Grant, matcher: Matcher) -> Addresses | None:
    """The addresses that a grant may match in this cluster; None if only its peers can say."""
    found = []
    for entry in grant.peers:
        if isinstance(entry, Unknown):
            return None
        if isinstance(entry.peer, Pods | Namespaces | Endpoints):  # those are never addresses
            continue
        held = held_by(entry.peer, matcher)
        if held is None:
            return None
        found.append(held)
    return Addresses.union(found)


def held_by(peer: Peer, matcher: Matcher) -> Addresses | None:
    """The addresses of a peer that is nothing but addresses; None of another."""
    inventory = matcher.inventory
    match peer:
        case Networks(addresses):
            return addresses
        case NetworkGroup():
            return inventory.networks(peer)
        case Labelled(labels) if matcher.engine.addresses_match == "pods":
            sets = (
                each.addresses
                for each in inventory.network_sets
                if labels.matches(set_labels(each, inventory))
            )
            return Addresses.union(sets)
    return None


def _asked(grant: Grant, inventory: Inventory, family: Family) -> Iterator[int]:
    """Where a grant whose peers are not just networks may change its mind."""
    for entry in grant.peers:
        if not isinstance(entry, Unknown):
            for addresses in named(entry.peer, inventory):
                yield from edges_of(addresses, family)


def named(peer: Peer, inventory: Inventory) -> Iterator[Addresses]:
    """The address sets that decide whether an address is one of the peer's.

    Of what the cluster holds only that which the peer can mean: there are thousands of slices.
    """
    for leaf in leaves(peer):
        match leaf:
            case Networks(addresses):
                yield addresses
            case NetworkGroup():
                yield from (each.addresses for each in inventory.cidr_groups)
            case ServiceRef():
                yield from _behind((leaf,), inventory)
            case Services(refs):
                yield from _behind(refs, inventory)
            case Labelled():
                yield from (each.addresses for each in inventory.network_sets)


def _behind(refs: Iterable[ServiceRef], inventory: Inventory) -> Iterator[Addresses]:
    """The addresses that may stand behind some of the Services."""
    for each in inventory.slices:
        if any(
            ref.namespace in (None, each.namespace) and (ref.labels or ref.name == each.service)
            for ref in refs
        ):
            yield each.addresses


def edges_of(addresses: Addresses, family: Family) -> Edges:
    """The addresses of a family, as numbers, at which membership changes."""
    return addresses.v4 if family == V4 else addresses.v6


def ends(family: Family) -> tuple[int, int]:
    """The first number of a family, and the first that is none of it."""
    return 0, 1 << (32 if family == V4 else 128)
