"""Calico: tiers in their order, policies in theirs, rules in theirs; the first match counts.

Addresses match pods, too, and what a selector finds it matches by address: a pod whose address lies
in a set of networks is found by the labels of the set. The policies of Kubernetes are read as if
they were written in Calico's own language. Source: projectcalico/calico
felix/calc/policy_sorter.go, felix/rules/endpoints.go, felix/labelindex,
libcalico-go/lib/backend/k8s/conversion; specification egress 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from rules.netpol.dialects.calico import API_GROUP, GROUPS
from rules.netpol.dialects.calico.labels import (
    KUBERNETES,
    NAME,
    NAMESPACE,
    OF_NAMESPACE,
    OF_SERVICE_ACCOUNT,
    ORCHESTRATOR,
    SERVICE_ACCOUNT,
)
from rules.netpol.engine import Api, Engine, Resolved, Rung, View
from rules.netpol.expressions import Condition, Expression
from rules.netpol.inventory import End, EndpointSlice, Inventory, Namespace, NetworkSet, Pod, PodEnd
from rules.netpol.match import Match
from rules.netpol.model import Grant, PeerEntry, Policy, Subject, Unknown
from rules.netpol.peers import Endpoints, Labelled, Namespaces, Networks, Peer, Pods, ServiceRef
from rules.netpol.sets import FIRST_PORT, LAST_PORT, Addresses, Ports
from rules.selectors import EVERYTHING, LabelSelector, describe

POLICY_GROUP = "policy.networking.k8s.io"
_NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")
_CLUSTER_NETWORK_POLICY = Api(POLICY_GROUP, "ClusterNetworkPolicy")
_OF_KUBERNETES = {
    _NETWORK_POLICY: "KubernetesNetworkPolicy",
    _CLUSTER_NETWORK_POLICY: "KubernetesClusterNetworkPolicy",
}
_OWN = ("NetworkPolicy", "GlobalNetworkPolicy")
_ORDER_OF_NETWORK_POLICIES = 1_000


def _rung(grant: Grant) -> Rung:
    order, api = grant.place.order, Api(grant.origin.group, grant.origin.kind)
    if api == _NETWORK_POLICY:
        order = _ORDER_OF_NETWORK_POLICIES
    kind = _OF_KUBERNETES.get(api, api.kind)
    name = f"{grant.origin.name}/{grant.origin.namespace}/{kind}"
    return (inf if order is None else order), name, grant.place.index


def _reads(policy: Policy) -> Policy:
    """Policies of Kubernetes, with the pods that they name under Calico's labels."""
    if Api(policy.origin.group, policy.origin.kind) not in _OF_KUBERNETES:
        return policy
    subject = _subject(policy.subject)
    return replace(
        policy,
        subject=subject,
        isolations=tuple(replace(each, subject=subject) for each in policy.isolations),
        grants=tuple(
            replace(each, subject=subject, peers=tuple(map(_entry, each.peers)))
            for each in policy.grants
        ),
    )


def _subject(subject: Subject) -> Subject:
    asked = None if isinstance(subject, Unknown) else _asked(subject)
    return Endpoints(asked) if asked else subject


def _entry(entry: PeerEntry | Unknown) -> PeerEntry | Unknown:
    if isinstance(entry, Unknown):
        return entry
    asked = _asked(entry.peer)
    return PeerEntry(entry.path, Labelled(asked)) if asked else entry


def _asked(peer: Peer) -> Expression | None:
    """What a peer that goes by labels asks of Calico's."""
    match peer:
        case Namespaces(labels=LabelSelector() as namespaces):
            return _in(namespaces)
        case Pods(namespaces=str() as name, pods=LabelSelector() as pods):
            own = Expression((Condition(NAMESPACE, "in", (name,)),))
            return Expression.every(own, _KUBERNETES_OWN, Expression.of(pods))
        case Pods(namespaces=LabelSelector() as namespaces, pods=LabelSelector() as pods):
            return Expression.every(_in(namespaces), _KUBERNETES_OWN, Expression.of(pods))
    return None


_KUBERNETES_OWN = Expression((Condition(ORCHESTRATOR, "in", (KUBERNETES,)),))
_IN_SOME_NAMESPACE = Expression((Condition(NAMESPACE, "has"),))


def _in(namespaces: LabelSelector) -> Expression:
    if namespaces == EVERYTHING:
        return _IN_SOME_NAMESPACE
    return Expression.of(namespaces, OF_NAMESPACE)


def _refuses(policy: Policy, inventory: Inventory) -> Iterator[Unknown]:
    """The API takes no policy for a tier that is not there."""
    tier = next((each.tier for each in policy.isolations), None)
    if policy.origin.group == API_GROUP and tier and tier not in inventory.tiers:
        yield Unknown(("spec", "tier"), describe(tier), "the name of a Tier that exists")


def _views(end: End, inventory: Inventory) -> Iterator[View]:
    """The pod itself, and all sets in which its address, or the addresses, lie or may lie."""
    if isinstance(end, PodEnd):
        if not end.pod.host_network:
            yield View(_pod_labels(end.pod), end.pod.namespace, end.pod.labels)
        at = end.at
    elif isinstance(end, Networks):
        at = end.addresses
    else:
        return
    for each in inventory.network_sets:
        if at & each.addresses:
            yield View(_set_labels(each, inventory), certain=at <= each.addresses)


def _pod_labels(pod: Pod) -> dict[str, str]:
    """Its own labels hide those that it inherits, and none hides those that Calico sets."""
    account = pod.service_account
    labels = _inherited(pod.namespace)
    if account:
        labels |= {f"{OF_SERVICE_ACCOUNT}{key}": value for key, value in account.labels.items()}
        labels[f"{OF_SERVICE_ACCOUNT}{NAME}"] = account.name
    labels |= pod.labels
    labels |= {NAMESPACE: pod.namespace.name, ORCHESTRATOR: KUBERNETES}
    if account:
        labels[SERVICE_ACCOUNT] = account.name
    return labels


def _set_labels(networks: NetworkSet, inventory: Inventory) -> dict[str, str]:
    if not networks.namespace:
        return dict(networks.labels)
    namespace = inventory.namespaces.get(networks.namespace, Namespace(networks.namespace))
    return {**_inherited(namespace), **networks.labels, NAMESPACE: networks.namespace}


def _inherited(namespace: Namespace) -> dict[str, str]:
    labels = {f"{OF_NAMESPACE}{key}": value for key, value in namespace.labels.items()}
    return {**labels, f"{OF_NAMESPACE}{NAME}": namespace.name}


def _resolve(peer: Resolved, end: End, inventory: Inventory) -> Match:
    """Services are what their EndpointSlices list, whether ready or not; one unknown is nothing."""
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
        (*_OF_KUBERNETES, *(Api(group, kind) for group in GROUPS for kind in _OWN)), ()
    ),
    on_aks=frozenset({_NETWORK_POLICY}),
    addresses_match="pods",
    host_network=False,
    drops="tier",
    ties="deny",
    rung=_rung,
    reads=_reads,
    refuses=_refuses,
    views=_views,
    resolve=_resolve,
)
