"""Policies of Cilium and Calico as people write them, about all pods of a namespace."""

from __future__ import annotations

from rules.model import JSON


def cilium(name: str, **spec: JSON) -> JSON:
    """A CiliumNetworkPolicy."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"endpointSelector": {}, **spec},
    }


def to_network(port: str) -> JSON:
    """A rule of Cilium that lets pods out to a port of a network."""
    return {
        "toCIDR": ["192.0.2.0/24"],
        "toPorts": [{"ports": [{"port": port, "protocol": "TCP"}]}],
    }


def calico(
    name: str, kind: str = "NetworkPolicy", api: str = "projectcalico.org/v3", **spec: JSON
) -> JSON:
    """A policy of Calico."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": "all()", "types": ["Egress"], **spec},
    }


def rule(action: str, port: int) -> JSON:
    """A rule of Calico about a port of the same network."""
    destination = {"nets": ["192.0.2.0/24"], "ports": [port]}
    return {"action": action, "protocol": "TCP", "destination": destination}
