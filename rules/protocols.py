"""Which protocol do the ports of workloads speak? As Istio selects it, by what Services say.

Source: istio/istio pkg/config/kube/conversion.go and pilot/pkg/networking/core/listener_inbound.go.
A port without a known name or appProtocol is sniffed, and so is one that no Service names: HTTP is
met there as HTTP, and all else as TCP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rules.netpol.index import Index
from rules.netpol.inventory import Pod, Service, ServicePort

Speech = Literal["HTTP", "TCP", "sniffed"]

_HTTP = frozenset({"grpc", "http", "http2", "http_proxy"})
_TCP = frozenset({"https", "mongo", "mysql", "redis", "tcp", "tls"})
_OF_KUBERNETES: Mapping[str, Speech] = {
    "kubernetes.io/h2c": "HTTP",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "TCP",
}
_NEVER_SNIFFED = frozenset({25, 53, 3306, 27017})


@dataclass(frozen=True, slots=True)
class Port:
    """A port of workloads: its number, or its name where nobody knows that; which Service tells.

    Where Services disagree, nobody knows which is the older: that is no better than sniffed.
    """

    target: int | str
    speech: Speech
    service: Service
    stated: ServicePort

    def __str__(self) -> str:
        return f"port {self.target} of Service {self.service.name}"


def ports_of(index: Index, namespace: str, selector: Mapping[str, str]) -> Iterator[Port]:
    """The ports of the workloads of a namespace with these labels, of which a Service tells.

    A Service tells of them that selects one that is known, or none but such.
    """
    pods = [pod for pod, _ in index.pods(namespace) if selector.items() <= pod.labels.items()]
    found: dict[int | str, list[Port]] = {}
    for service in index.surroundings.inventory.services:
        if service.namespace != namespace or not service.selector:
            continue
        wanted = service.selector.items()
        met = [pod for pod in pods if wanted <= pod.labels.items()]
        if met or selector.items() <= wanted:
            for stated in service.ports:
                if stated.protocol == "TCP":
                    for target in _targets(stated, met):
                        port = Port(target, speech(stated), service, stated)
                        found.setdefault(target, []).append(port)
    for same in found.values():
        agreed = len({each.speech for each in same}) == 1
        yield same[0] if agreed else replace(same[0], speech="sniffed")


def speech(port: ServicePort) -> Speech:
    """What is spoken on a TCP port of a Service."""
    if port.application in _OF_KUBERNETES:
        return _OF_KUBERNETES[port.application]
    said = (port.application or port.name).lower()
    kind = said.partition("-")[0]
    if kind in _HTTP:
        return "HTTP"
    if kind in _TCP or (kind != "udp" and port.number in _NEVER_SNIFFED):
        return "TCP"
    return "sniffed"


def _targets(stated: ServicePort, pods: list[Pod]) -> set[int | str]:
    """The numbers behind a port; where it is by name, those of the pods that have the name."""
    if isinstance(stated.target, int):
        return {stated.target}
    numbers = {
        each.number
        for pod in pods
        for each in pod.ports
        if each.name == stated.target and each.protocol == "TCP"
    }
    return {*numbers} or {stated.target}
