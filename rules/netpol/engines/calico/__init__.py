"""Calico: tiers in their order, policies in theirs, rules in theirs; the first match counts.

Addresses match pods, too. Source: projectcalico/calico felix/calc/policy_sorter.go and
felix/rules/endpoints.go, specification egress 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from rules.netpol.dialects.calico import API_GROUP, GROUPS
from rules.netpol.engine import Api, Engine, Resolved, Rung
from rules.netpol.engines.calico.reading import KINDS_OF_KUBERNETES, NETWORK_POLICY, pruned, reads
from rules.netpol.engines.calico.views import views
from rules.netpol.inventory import End, EndpointSlice, Inventory, PodEnd
from rules.netpol.match import Match
from rules.netpol.model import Grant, Policy, Unknown
from rules.netpol.peers import Fqdn, Networks, ServiceRef
from rules.netpol.sets import FIRST_PORT, LAST_PORT, Addresses, Ports
from rules.selectors import describe

_OWN = ("NetworkPolicy", "GlobalNetworkPolicy")
_ORDER_OF_NETWORK_POLICIES = 1_000


def _rung(grant: Grant) -> Rung:
    order, api = grant.place.order, Api(grant.origin.group, grant.origin.kind)
    if api == NETWORK_POLICY:
        order = _ORDER_OF_NETWORK_POLICIES
    kind = KINDS_OF_KUBERNETES.get(api, api.kind)
    name = f"{grant.origin.name}/{grant.origin.namespace}/{kind}"
    return (inf if order is None else order), name, grant.place.index


def _refuses(policy: Policy, inventory: Inventory) -> Iterator[Unknown]:
    """The API takes no policy for a tier that is not there."""
    tier = next((each.tier for each in policy.isolations), None)
    if policy.origin.group == API_GROUP and tier and tier not in inventory.tiers:
        yield Unknown(("spec", "tier"), describe(tier), "the name of a Tier that exists")


def _resolve(peer: Resolved, end: End, inventory: Inventory) -> Match:
    """Services are what their EndpointSlices list, whether ready or not; one unknown is nothing.

    A pattern of names is itself.
    """
    if isinstance(peer, Fqdn) and isinstance(end, Fqdn):
        return Match.of(holds=peer == end)
    if not isinstance(peer, ServiceRef) or not isinstance(end, PodEnd | Networks):
        return Match.of(holds=False)
    at = end.at if isinstance(end, PodEnd) else end.addresses
    return Match.any(
        _behind(each, at, peer)
        for each in inventory.slices
        if each.namespace == peer.namespace and each.service == peer.name
    )


def _behind(endpoints: EndpointSlice, at: Addresses, service: ServiceRef) -> Match:
    some = None if at & endpoints.addresses else False
    held = Match.of(holds=at <= endpoints.addresses or some)
    if service.every_port:
        return held
    ports = Ports.empty()
    for protocol, number in endpoints.ports:
        first, last = (FIRST_PORT, LAST_PORT) if number is None else (number, number)
        ports |= Ports.of(protocol, first, last=last)
    return held & Match.on(ports)


CALICO = Engine(
    name="calico",
    kinds=dict.fromkeys(
        (*KINDS_OF_KUBERNETES, *(Api(group, kind) for group in GROUPS for kind in _OWN)), ()
    ),
    on_aks=frozenset({NETWORK_POLICY}),
    addresses_match="pods",
    host_network=False,
    drops="tier",
    ties="deny",
    rung=_rung,
    reads=pruned,
    refuses=_refuses,
    views=views,
    resolve=_resolve,
)
ENTERPRISE = replace(CALICO, reads=reads, names=True)
"""Calico Enterprise and Cloud, whose egress rules may name domains."""
