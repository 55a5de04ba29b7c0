"""A second reading of NetworkPolicy, straight from the text of its API, one packet at a time.

It shares nothing with rules.netpol: objects are read as they stand, addresses by `ipaddress`. It
knows valid objects only. Blocks match addresses outside the cluster, never pods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal


@dataclass(frozen=True)
class Pod:
    """A pod, the labels of its namespace, and its ports by (name, protocol)."""

    namespace: str
    labels: dict[str, str]
    namespace_labels: dict[str, str]
    names: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Packet:
    """From the pod that is judged to an end: another pod or an address (ingress: from that end).

    `port` is the destination's.
    """

    pod: Pod
    end: Pod | str
    protocol: Literal["TCP", "UDP", "SCTP"]
    port: int
    egress: bool

    @property
    def destination(self) -> Pod | str:
        """Whose port it is."""
        return self.end if self.egress else self.pod


def allows(policies: list[dict[str, Any]], packet: Packet) -> bool:
    """Whether the policies let the packet through on the side of its pod."""
    applying = [policy for policy in policies if _applies(policy, packet)]
    return not applying or any(_permits(policy, packet) for policy in applying)


def _applies(policy: dict[str, Any], packet: Packet) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or []
    if not types:
        types = ["Ingress", "Egress"] if len(spec.get("egress") or []) > 0 else ["Ingress"]
    return (
        ("Egress" if packet.egress else "Ingress") in types
        and policy["metadata"]["namespace"] == packet.pod.namespace
        and _selects(spec.get("podSelector") or {}, packet.pod.labels)
    )


def _permits(policy: dict[str, Any], packet: Packet) -> bool:
    rules = policy["spec"].get("egress" if packet.egress else "ingress") or []
    for rule in rules:
        ends = (rule or {}).get("to" if packet.egress else "from") or []
        ports = (rule or {}).get("ports") or []
        end_fits = not ends or any(_is_peer(end, policy, packet) for end in ends)
        port_fits = not ports or any(_is_port(port or {}, packet) for port in ports)
        if end_fits and port_fits:
            return True
    return False


def _is_peer(peer: dict[str, Any], policy: dict[str, Any], packet: Packet) -> bool:
    end = packet.end
    block = peer.get("ipBlock")
    if block is not None:
        if isinstance(end, Pod):
            return False
        inside = ip_address(end) in ip_network(block["cidr"], strict=False)
        excepted = (ip_network(cidr, strict=False) for cidr in block.get("except") or [])
        return inside and not any(ip_address(end) in network for network in excepted)
    if isinstance(end, str):
        return False
    if peer.get("namespaceSelector") is None:
        in_scope = end.namespace == policy["metadata"]["namespace"]
    else:
        in_scope = _selects(peer["namespaceSelector"], end.namespace_labels)
    return in_scope and _selects(peer.get("podSelector") or {}, end.labels)


def _is_port(port: dict[str, Any], packet: Packet) -> bool:
    if (port.get("protocol") or "TCP") != packet.protocol:
        return False
    wanted = port.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        end = packet.destination
        return isinstance(end, Pod) and end.names.get((wanted, packet.protocol)) == packet.port
    return bool(wanted <= packet.port <= (port.get("endPort") or wanted))


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        has = expression["key"] in labels
        listed = has and labels[expression["key"]] in (expression.get("values") or [])
        holds = {
            "In": listed,
            "NotIn": not listed,
            "Exists": has,
            "DoesNotExist": not has,
        }[expression["operator"]]
        if not holds:
            return False
    return True
