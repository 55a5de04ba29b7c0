"""What an object is to the index: read once, and no more kept of it than policies can ask for.

An entry depends on no engine, so a view may keep entries and make an index of them for any. What
many objects have in common is kept once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from rules.netpol import census
from rules.netpol.engine import Api
from rules.netpol.fields import labels_of, mapping, text
from rules.netpol.inventory import NAME_LABEL, Inventory, Namespace, Pod, PortName, ServiceAccount
from rules.netpol.keys import Key, key_of
from rules.netpol.languages import LANGUAGES, translate
from rules.netpol.model import Policy
from rules.netpol.sets import Addresses
from rules.netpol.sharing import shared, thrifty

POD, NAMESPACE, ACCOUNT = Api("", "Pod"), Api("", "Namespace"), Api("", "ServiceAccount")
VOLATILE = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "apps.kubernetes.io/pod-index",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels that the controllers of Kubernetes give each pod or each rollout anew."""
_OVER = frozenset({"Succeeded", "Failed"})
_NOTHING = census.take([])


@dataclass(frozen=True, slots=True)
class Group:
    """All by which a policy may tell a pod from the others of its namespace."""

    labels: frozenset[tuple[str, str]]
    account: str
    ports: tuple[PortName, ...]
    host_network: bool
    addresses: Addresses


Value: TypeAlias = tuple[Policy, ...] | Namespace | ServiceAccount | Group | Inventory


class Entry(NamedTuple):
    """Which object, and what it is; None: nothing that counts, as a pod that is over."""

    key: Key
    value: Value | None


def entry_of(node: Any, *, namespace: str = "default", key: Key | None = None) -> Entry:
    """What an object is; `namespace` is where it lies if it does not say.

    `key` is which one it is where that is known better than the object says. A workload is the pod
    that its template makes, unless it shall make none.
    """
    key, value = statement_of(node, namespace=namespace, key=key)
    return Entry(key, tuple(map(thrifty, value)) if isinstance(value, tuple) else value)


def statement_of(node: Any, *, namespace: str = "default", key: Key | None = None) -> Entry:
    """What an object is, as `entry_of` says it, of one that does not stay."""
    key = key or key_of(node, namespace)
    if key.api in LANGUAGES:
        return Entry(key, translate(node, namespace=key.namespace) or None)
    if key.api == NAMESPACE:
        return Entry(key, Namespace(key.name, {**labels_of(node), NAME_LABEL: key.name}))
    if key.api == ACCOUNT:
        return Entry(key, ServiceAccount(key.namespace, key.name, labels_of(node)))
    if key.api in census.MAKE_PODS:
        over = _is_over(node)
        return Entry(key, None if over else group_of(census.pod_of(node, key.api, key.namespace)))
    found = census.take([node], namespace=key.namespace)
    return Entry(key, found if found != _NOTHING else None)


def group_of(pod: Pod) -> Group:
    """What policies may tell of a pod."""
    labels = frozenset(item for item in pod.labels.items() if item[0] not in VOLATILE)
    account = pod.service_account.name if pod.service_account else ""
    return shared(Group(labels, account, pod.ports, pod.host_network, pod.addresses))


def _is_over(node: Mapping[str, Any]) -> bool:
    """Whether a pod has ended or is about to, or a workload shall have none."""
    return (
        mapping(node, "metadata").get("deletionTimestamp") is not None
        or text(mapping(node, "status"), "phase") in _OVER
        or mapping(node, "spec").get("replicas") == 0
    )
