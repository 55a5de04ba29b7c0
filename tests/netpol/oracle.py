"""A second reading of policies, straight from the texts of their APIs, one packet at a time.

It shares nothing with rules.netpol: objects are read as they stand, addresses by `ipaddress`. It
knows valid objects only: NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and
ClusterNetworkPolicy. Blocks match addresses outside the cluster, and pods only where an engine is
asked about that lets them.
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
    address: str = ""


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
    blocks_match_pods: bool = False

    @property
    def address(self) -> str | None:
        """The address by which a block may match the end."""
        if isinstance(self.end, str):
            return self.end
        return self.end.address if self.blocks_match_pods else None

    @property
    def destination(self) -> Pod | str:
        """Whose port it is."""
        return self.end if self.egress else self.pod


def allows(policies: list[dict[str, Any]], packet: Packet) -> bool:
    """Whether the policies let the packet through on the side of its pod, tier by tier."""
    admin, network, baseline = (
        [policy for policy in policies if _tier(policy) == tier] for tier in range(3)
    )
    answer = _first(admin, packet)
    if answer in {"Allow", "Deny"}:
        return answer == "Allow"
    applying = [policy for policy in network if _applies(policy, packet)]
    if applying:
        return any(_permits(policy, packet) for policy in applying)
    return _first(baseline, packet) != "Deny"


def _tier(policy: dict[str, Any]) -> int:
    kinds = {"NetworkPolicy": 1, "AdminNetworkPolicy": 0, "BaselineAdminNetworkPolicy": 2}
    kind = policy.get("kind", "NetworkPolicy")
    if kind in kinds:
        return kinds[kind]
    return 0 if policy["spec"]["tier"] == "Admin" else 2


def _first(policies: list[dict[str, Any]], packet: Packet) -> str:
    """What the policies of highest precedence that say anything say; of equals the weakest."""
    answers: dict[int, set[str]] = {}
    for policy in policies:
        answer = _answer(policy, packet)
        if answer:
            answers.setdefault(policy["spec"].get("priority", 0), set()).add(answer)
    if not answers:
        return ""
    found = answers[min(answers)]
    return next(answer for answer in ("Allow", "Pass", "Deny") if answer in found)


def _answer(policy: dict[str, Any], packet: Packet) -> str:
    """What the first rule of a policy that matches says."""
    spec = policy["spec"]
    if not _is_among(spec["subject"], packet.pod):
        return ""
    for rule in spec.get("egress" if packet.egress else "ingress") or []:
        peers = rule["to" if packet.egress else "from"]
        ports = rule.get("ports") or rule.get("protocols")
        if any(_is_admin_peer(peer, packet) for peer in peers) and (
            ports is None or any(_is_admin_port(port, packet) for port in ports)
        ):
            return str(rule["action"]).replace("Accept", "Allow")
    return ""


def _is_admin_peer(peer: dict[str, Any], packet: Packet) -> bool:
    if "networks" in peer:
        return packet.address is not None and any(
            ip_address(packet.address) in ip_network(cidr, strict=False)
            for cidr in peer["networks"]
        )
    return isinstance(packet.end, Pod) and _is_among(peer, packet.end)


def _is_among(peer: dict[str, Any], pod: Pod) -> bool:
    if "namespaces" in peer:
        return _selects(peer["namespaces"], pod.namespace_labels)
    both = peer["pods"]
    return _selects(both["namespaceSelector"], pod.namespace_labels) and _selects(
        both["podSelector"], pod.labels
    )


def _is_admin_port(port: dict[str, Any], packet: Packet) -> bool:
    ((kind, said),) = port.items()
    if kind in {"namedPort", "destinationNamedPort"}:
        end = packet.destination
        return isinstance(end, Pod) and end.names.get((said, packet.protocol)) == packet.port
    if kind in {"portNumber", "portRange"}:
        protocol, bounds = said.get("protocol", "TCP"), said
    else:
        protocol, inner = kind.upper(), said["destinationPort"]
        bounds = inner.get("range") or {"port": inner.get("number")}
    first, last = bounds.get("start", bounds.get("port")), bounds.get("end", bounds.get("port"))
    return bool(protocol == packet.protocol and first <= packet.port <= last)


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
        if packet.address is None:
            return False
        address = ip_address(packet.address)
        inside = address in ip_network(block["cidr"], strict=False)
        excepted = (ip_network(cidr, strict=False) for cidr in block.get("except") or [])
        return inside and not any(address in network for network in excepted)
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
