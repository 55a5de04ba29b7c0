"""What Calico knows at an address, and under which labels.

What a selector finds it matches by address: a pod whose address lies in a set of networks is found
by the labels of the set, too. Source: projectcalico/calico felix/labelindex and
libcalico-go/lib/backend/k8s/conversion.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.netpol.dialects.calico.labels import (
    KUBERNETES,
    NAME,
    NAMESPACE,
    OF_NAMESPACE,
    OF_SERVICE_ACCOUNT,
    ORCHESTRATOR,
    SERVICE_ACCOUNT,
)
from rules.netpol.engine import View
from rules.netpol.inventory import NAME_LABEL, End, Inventory, Namespace, NetworkSet, Pod, PodEnd
from rules.netpol.peers import Networks


def views(end: End, inventory: Inventory) -> Iterator[View]:
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
            yield View(set_labels(each, inventory), certain=at <= each.addresses)


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


def set_labels(networks: NetworkSet, inventory: Inventory) -> dict[str, str]:
    """Those of a set, and of its namespace."""
    if not networks.namespace:
        return dict(networks.labels)
    home = networks.namespace
    namespace = inventory.namespaces.get(home) or Namespace(home, {NAME_LABEL: home})
    return {**_inherited(namespace), **networks.labels, NAMESPACE: home}


def _inherited(namespace: Namespace) -> dict[str, str]:
    labels = {f"{OF_NAMESPACE}{key}": value for key, value in namespace.labels.items()}
    return {**labels, f"{OF_NAMESPACE}{NAME}": namespace.name}
