"""A second reading of Calico's policies, one packet at a time, by addresses as felix goes by them.

It shares nothing with rules.netpol: selectors are those of a table, which says what each asks of
labels, addresses are read by `ipaddress`. It knows valid policies, tiers and sets only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from math import inf
from typing import Any

from tests.netpol.oracle import Packet, Pod

Labels = dict[str, str]
SELECTORS: dict[str, Callable[[Labels], bool]] = {
    "": lambda _: True,
    "all()": lambda _: True,
    "app == 'web'": lambda labels: labels.get("app") == "web",
    "app != 'web'": lambda labels: labels.get("app") != "web",
    "has(env)": lambda labels: "env" in labels,
    "!has(env)": lambda labels: "env" not in labels,
    "env in {'prod', 'x'} || app == 'db'": lambda labels: (
        labels.get("env") in ("prod", "x") or labels.get("app") == "db"
    ),
    "app not in {} && !(env == 'prod')": lambda labels: labels.get("env") != "prod",
    "app starts with 'd'": lambda labels: labels.get("app", "").startswith("d"),
}
IN_NAMESPACES: dict[str, Callable[[Labels], bool]] = {
    "team == 'a'": lambda labels: labels.get("team") == "a",
    "team != 'a'": lambda labels: labels.get("team") != "a",
    "!has(env)": lambda labels: "env" not in labels,
}
TIERS = {"first": (5, "Deny"), "lax": (7, "Pass"), "default": (1_000_000, "Deny")}


@dataclass(frozen=True)
class Known:
    """What Calico knows at an address: a pod, or a set of networks; a global one has no home."""

    labels: Labels
    namespace: str | None
    namespace_labels: Labels


@dataclass(frozen=True)
class Cluster:
    """Policies and sets of networks, as objects, and the labels of namespaces."""

    policies: list[dict[str, Any]]
    sets: list[dict[str, Any]]
    namespaces: dict[str, Labels]

    def allows(self, packet: Packet) -> bool:
        """Whether the packet passes on the side of its pod."""
        for tier, (_, end) in sorted(TIERS.items(), key=lambda item: item[1][0]):
            policies = sorted(
                (each for each in self.policies if self._applies(each, packet, tier)), key=_rank
            )
            action = self._first(policies, packet) or end if policies else "Pass"
            if action != "Pass":
                return action == "Allow"
        return True

    def _applies(self, policy: dict[str, Any], packet: Packet, tier: str) -> bool:
        spec, pod = policy["spec"], packet.pod
        wanted = spec.get("namespaceSelector", "all()")
        return (
            spec.get("tier", "default") == tier
            and ("Egress" if packet.egress else "Ingress") in spec["types"]
            and policy["metadata"].get("namespace", pod.namespace) == pod.namespace
            and SELECTORS[spec.get("selector", "")](pod.labels)
            and (wanted == "all()" or IN_NAMESPACES[wanted](pod.namespace_labels))
        )

    def _first(self, policies: list[dict[str, Any]], packet: Packet) -> str:
        for policy in policies:
            home = policy["metadata"].get("namespace")
            for rule in policy["spec"].get("egress" if packet.egress else "ingress", []):
                if rule["action"] != "Log" and self._matches(rule, packet, home):
                    return str(rule["action"])
        return ""

    def _matches(self, rule: dict[str, Any], packet: Packet, home: str | None) -> bool:
        ends = (packet.pod, packet.end) if packet.egress else (packet.end, packet.pod)
        source, target = rule.get("source", {}), rule.get("destination", {})
        return (
            rule.get("protocol", packet.protocol) == packet.protocol
            and rule.get("notProtocol") != packet.protocol
            and rule.get("ipVersion", _version(ends[0])) == _version(ends[0])
            and self._is(source, ends[0], home)
            and self._is(target, ends[1], home)
            and (not target.get("ports") or _has_port(target["ports"], packet))
            and not _has_port(target.get("notPorts", []), packet)
        )

    def _is(self, asked: dict[str, Any], end: Pod | str, home: str | None) -> bool:
        address = _address(end)
        for field, among in (("nets", True), ("notNets", False)):
            nets = [ip_network(each) for each in asked.get(field, [])]
            if nets and nets[0].version != ip_address(address).version:
                return False
            if nets and any(ip_address(address) in net for net in nets) != among:
                return False
        return self._is_known(asked, end, home)

    def _is_known(self, asked: dict[str, Any], end: Pod | str, home: str | None) -> bool:
        where, unwanted = asked.get("namespaceSelector"), asked.get("notSelector")
        known = list(self._at(end))
        if where is None and "selector" not in asked and (home is None or unwanted is None):
            return unwanted is None or not any(SELECTORS[unwanted](each.labels) for each in known)
        return any(
            SELECTORS[asked.get("selector", "")](each.labels)
            and not (unwanted is not None and SELECTORS[unwanted](each.labels))
            and _lies(each, where, home)
            for each in known
        )

    def _at(self, end: Pod | str) -> Iterator[Known]:
        if isinstance(end, Pod):
            yield Known(end.labels, end.namespace, end.namespace_labels)
        address = ip_address(_address(end))
        for each in self.sets:
            if any(address in ip_network(net) for net in each["spec"]["nets"]):
                namespace = each["metadata"].get("namespace")
                yield Known(
                    each["metadata"]["labels"], namespace, self.namespaces.get(namespace, {})
                )


def _lies(known: Known, where: str | None, home: str | None) -> bool:
    match where:
        case None:
            return home is None or known.namespace == home
        case "all()":
            return known.namespace is not None
        case "global()":
            return known.namespace is None
    return IN_NAMESPACES[where](known.namespace_labels)


def _rank(policy: dict[str, Any]) -> tuple[float, str]:
    metadata = policy["metadata"]
    name = f"{metadata['name']}/{metadata.get('namespace', '')}/{policy['kind']}"
    return policy["spec"].get("order", inf), name


def _address(end: Pod | str) -> str:
    return end.address if isinstance(end, Pod) else end


def _version(end: Pod | str) -> int:
    return ip_address(_address(end)).version


def _has_port(ports: list[int | str], packet: Packet) -> bool:
    end = packet.destination
    for port in ports:
        if isinstance(port, int):
            first = last = port
        elif ":" in port:
            first, last = map(int, port.split(":"))
        else:
            names = end.names if isinstance(end, Pod) else {}
            first = last = names.get((port, packet.protocol), 0)
        if first <= packet.port <= last:
            return True
    return False
