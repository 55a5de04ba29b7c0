"""A small cluster in which policies of a tiny vocabulary often meet, for both readings of them."""

from __future__ import annotations

from itertools import product
from typing import Any

from rules.netpol.engine import Engine
from rules.netpol.inventory import End, Inventory, Namespace, PodEnd, PortName
from rules.netpol.inventory import Pod as Known
from rules.netpol.languages import translate
from rules.netpol.peers import Networks
from rules.netpol.reach import Network
from rules.netpol.sets import PROTOCOLS, Addresses, Protocol
from tests.netpol.oracle import Pod
from tests.netpol.strategies import NAMESPACES

_LABELS: tuple[dict[str, str], ...] = (
    {},
    {"app": "web"},
    {"app": "db", "env": "prod"},
    {"app": "web", "env": "dev", "team": "a"},
)
_NAMES = {("http", "TCP"): 80, ("dns", "UDP"): 53, ("dns", "TCP"): 53}
PODS = [
    Pod(namespace, labels, NAMESPACES[namespace], _NAMES if labels else {}, f"10.{number}.0.7")
    for number, (namespace, labels) in enumerate(product(NAMESPACES, _LABELS))
]
OUTSIDE = ("8.8.8.8", "9.9.9.9", "10.1.2.3", "10.2.0.0", "2001:db8::1", "2001:db8:1::1", "2a00::1")
ENDS: list[Pod | str] = [*PODS, *OUTSIDE]
PORTS: tuple[tuple[Protocol, int], ...] = (
    ("TCP", 53),
    ("TCP", 78),
    ("TCP", 80),
    ("TCP", 443),
    ("TCP", 65535),
    ("UDP", 53),
    ("UDP", 80),
    ("SCTP", 1),
)
assert {protocol for protocol, _ in PORTS} == set(PROTOCOLS)


def known(pod: Pod) -> PodEnd:
    """The pod as the model has it, at its address."""
    names = tuple(
        PortName(name, protocol, number)
        for (name, stated), number in pod.names.items()
        for protocol in PROTOCOLS
        if protocol == stated
    )
    at = Addresses.between(pod.address, pod.address)
    namespace = Namespace(pod.namespace, pod.namespace_labels)
    name = f"pod-{PODS.index(pod)}"
    return PodEnd(Known(namespace, name, labels=pod.labels, ports=names, addresses=at), at)


def end(party: Pod | str) -> End:
    """The pod, or the address outside, as the model has it."""
    if isinstance(party, Pod):
        return known(party)
    return Networks(Addresses.between(party, party))


def network(policies: list[dict[str, Any]], engine: Engine) -> Network:
    """The cluster under these policies, all of which must be readable."""
    translated = [found for policy in policies for found in translate(policy)]
    assert not [unknown for policy in translated for unknown in policy.unknowns]
    inventory = Inventory(pods=tuple(known(pod).pod for pod in PODS))
    return Network.of(engine, inventory, translated)
