"""Decoded objects to an Inventory: what a cluster holds, read off what was given of it.

Readers are lenient: what is missing, null or of the wrong type reads as nothing; objects of kinds
that no policy can name are passed over. A namespace that is not given has no labels but its name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rules.netpol.dialects.calico.domains import domain
from rules.netpol.fields import (
    JSON,
    is_order,
    labels_of,
    listed,
    mapping,
    maps,
    name_of,
    namespace_of,
    strings,
    text,
)
from rules.netpol.inventory import (
    NAME_LABEL,
    NOWHERE,
    TIERS,
    CidrGroup,
    EndpointSlice,
    Inventory,
    Namespace,
    NetworkSet,
    Pod,
    PortName,
    Service,
    ServiceAccount,
    ServicePort,
    Tier,
)
from rules.netpol.sets import FIRST_PORT, LAST_PORT, PROTOCOLS, Addresses, InvalidSet, Protocol
from rules.netpol.sharing import shared

_TEMPLATE = ("spec", "template")
MAKE_PODS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""Pods, and what makes pods: where each holds the pod, by group and kind."""
_CALICO_API = "projectcalico.org"
_CALICO = ("crd.projectcalico.org", _CALICO_API)
_RESERVED_LABEL = "projectcalico.org/namespace"
_ORDER_STORED_BY_CALICO_API = 1_000_000
_SERVICE_NAME = "kubernetes.io/service-name"


def take(
    objects: Iterable[Any], *, namespace: str = "default", pod_networks: Addresses = NOWHERE
) -> Inventory:
    """What these objects are, as far as policies can name it.

    `namespace` is where objects lie that do not say so; `pod_networks` is where pods are that do
    not say their address.
    """
    found: dict[tuple[str, str], list[JSON]] = defaultdict(list)
    for value in objects:
        if isinstance(value, dict):
            group = text(value, "apiVersion").rpartition("/")[0]
            found[group, text(value, "kind")].append(value)
    places = _Places(
        {each.name: each for each in map(_namespace, found["", "Namespace"])},
        {(a.namespace, a.name): a for a in _accounts(found["", "ServiceAccount"], namespace)},
        namespace,
    )
    stored = {
        kind: [value for group in _CALICO for value in found[group, kind] if _is_stored(value)]
        for kind in ("NetworkSet", "GlobalNetworkSet", "Tier")
    }
    pods = tuple(
        places.pod(value, kind, template)
        for (group, kind), template in MAKE_PODS.items()
        for value in found[group, kind]
    )
    return Inventory(
        namespaces=places.namespaces,
        pods=pods,
        services=tuple(_service(value, namespace) for value in found["", "Service"]),
        slices=tuple(
            _slice(value, namespace) for value in found["discovery.k8s.io", "EndpointSlice"]
        ),
        network_sets=(
            *(_network_set(value, namespace) for value in stored["NetworkSet"]),
            *(_network_set(value, "") for value in stored["GlobalNetworkSet"]),
        ),
        cidr_groups=tuple(map(_cidr_group, found["cilium.io", "CiliumCIDRGroup"])),
        tiers=TIERS | {tier.name: tier for tier in map(_tier, stored["Tier"])},
        pod_networks=pod_networks,
    )


def pod_of(node: JSON, api: tuple[str, str], namespace: str) -> Pod:
    """The pod that an object of one of the kinds in MAKE_PODS is, or that its template makes."""
    return _Places({}, {}, namespace).pod(node, api[1], MAKE_PODS[api])


class _Places:
    """Namespaces and service accounts, in which pods are found; those not given have no labels."""

    def __init__(
        self,
        namespaces: dict[str, Namespace],
        accounts: dict[tuple[str, str], ServiceAccount],
        default: str,
    ) -> None:
        self.namespaces = namespaces
        self._accounts = accounts
        self._default = default

    def pod(self, value: JSON, kind: str, template: tuple[str, ...]) -> Pod:
        """The pod, or the pod that a workload's template makes, under its owner's name."""
        metadata = mapping(value, "metadata")
        name = name_of(value) or f"{text(metadata, 'generateName')}*"
        if kind == "Pod":
            kind, name = _owner(value) or (kind, name)
        namespace = self._namespace(namespace_of(value, self._default))
        shape = mapping(value, *template)
        spec = mapping(shape, "spec")
        account = text(spec, "serviceAccountName") or "default"
        known = self._accounts.get((namespace.name, account))
        return Pod(
            namespace=namespace,
            name=name,
            kind=kind,
            labels=labels_of(shape),
            service_account=known or ServiceAccount(namespace.name, account),
            ports=tuple(_port_names(spec)),
            addresses=_union(each.get("ip") for each in maps(mapping(value, "status"), "podIPs")),
            host_network=spec.get("hostNetwork") is True,
        )

    def _namespace(self, name: str) -> Namespace:
        if name not in self.namespaces:
            self.namespaces[name] = Namespace(name, {NAME_LABEL: name})
        return self.namespaces[name]


def _namespace(value: JSON) -> Namespace:
    name = name_of(value)
    return Namespace(name, {**labels_of(value), NAME_LABEL: name})


def _accounts(values: Iterable[JSON], namespace: str) -> Iterator[ServiceAccount]:
    for value in values:
        yield ServiceAccount(namespace_of(value, namespace), name_of(value), labels_of(value))


def _owner(pod: JSON) -> tuple[str, str] | None:
    """Kind and name of whoever made the pod; a Node's pods are named by themselves."""
    owners = list(maps(mapping(pod, "metadata"), "ownerReferences"))
    for owner in sorted(owners, key=lambda each: each.get("controller") is not True):
        kind, name = text(owner, "kind") or "Pod", text(owner, "name")
        return (kind, name) if name and kind != "Node" else None
    return None


def _port_names(spec: JSON) -> Iterator[PortName]:
    sidecars = (
        each for each in maps(spec, "initContainers") if each.get("restartPolicy") == "Always"
    )
    for container in (*maps(spec, "containers"), *sidecars):
        for port in maps(container, "ports"):
            name, number = text(port, "name"), port.get("containerPort")
            protocol = _protocol(port)
            if name and protocol and isinstance(number, int) and FIRST_PORT <= number <= LAST_PORT:
                yield PortName(name, protocol, number)


def _service(value: JSON, namespace: str) -> Service:
    spec = mapping(value, "spec")
    selector = strings(spec.get("selector"))
    return Service(
        namespace_of(value, namespace),
        name_of(value),
        labels_of(value),
        selector or None,
        text(spec, "externalName") if spec.get("type") == "ExternalName" else "",
        tuple(_service_ports(spec)),
    )


def _service_ports(spec: JSON) -> Iterator[ServicePort]:
    for port in maps(spec, "ports"):
        number, protocol, target = port.get("port"), _protocol(port), port.get("targetPort")
        if protocol and isinstance(number, int):
            aimed = target if isinstance(target, int | str) and target else number
            name, application = text(port, "name"), text(port, "appProtocol")
            yield shared(ServicePort(number, aimed, name, protocol, application))


def _slice(value: JSON, namespace: str) -> EndpointSlice:
    ports = [(_protocol(port), port.get("port")) for port in maps(value, "ports")]
    return EndpointSlice(
        namespace_of(value, namespace),
        labels_of(value).get(_SERVICE_NAME, ""),
        _union(item for each in maps(value, "endpoints") for item in listed(each, "addresses")),
        tuple(
            (protocol, number)
            for protocol, number in ports
            if protocol and (number is None or isinstance(number, int))
        ),
    )


def _is_stored(value: JSON) -> bool:
    """Whether a Tier or a set of networks is taken by whoever keeps it."""
    spec = mapping(value, "spec")
    checked = text(value, "apiVersion").startswith(f"{_CALICO_API}/")
    if text(value, "kind") == "Tier":
        known = TIERS.get(name_of(value)) if checked else None
        moved = known is not None and spec.get("order") not in (None, known.order)
        return spec.get("defaultAction") in (None, "Deny", "Pass") and not moved
    return not checked or (
        _RESERVED_LABEL not in labels_of(value)
        and all(isinstance(each, str) and addresses_of(each) for each in listed(spec, "nets"))
    )


def _network_set(value: JSON, namespace: str) -> NetworkSet:
    own, spec = namespace_of(value, namespace) if namespace else "", mapping(value, "spec")
    names = (domain(each).pattern for each in listed(spec, "allowedEgressDomains"))
    addresses = _union(listed(spec, "nets"))
    return NetworkSet(own, name_of(value), labels_of(value), addresses, frozenset(names))


def _cidr_group(value: JSON) -> CidrGroup:
    cidrs = listed(mapping(value, "spec"), "externalCIDRs")
    return CidrGroup(name_of(value), labels_of(value), _union(cidrs))


def _tier(value: JSON) -> Tier:
    name, spec = name_of(value), mapping(value, "spec")
    known = TIERS.get(name, Tier(name))
    order = spec.get("order")
    if not is_order(order) and known.order is None:
        stored = text(value, "apiVersion").startswith(f"{_CALICO_API}/")
        order = _ORDER_STORED_BY_CALICO_API if stored else None
    elif not is_order(order):
        order = known.order
    passes = spec.get("defaultAction") == "Pass"
    return replace(known, order=order, end="pass" if passes else known.end)


def _union(items: Iterable[Any]) -> Addresses:
    """The addresses of texts, each a network or one address; what is neither holds none."""
    return Addresses.union([addresses_of(item) for item in items if isinstance(item, str)])


def addresses_of(item: str) -> Addresses:
    """Those of a network, or of one address; none of what is neither."""
    try:
        return Addresses.cidr(item) if "/" in item else Addresses.between(item, item)
    except InvalidSet:
        return NOWHERE


def _protocol(port: JSON) -> Protocol | None:
    stated = port.get("protocol") or "TCP"
    return next((protocol for protocol in PROTOCOLS if protocol == stated), None)
