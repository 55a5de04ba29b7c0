"""Frames for the examples of rules about network policies: a rule of each language in its object.

Each gives the YAML text of an example, with the engine that enforces the kind.
"""

from __future__ import annotations

from typing import Literal

Direction = Literal["egress", "ingress"]

_CALICO = "{engine: calico, enforced: [projectcalico.org/*, crd.projectcalico.org/*]}"


def kubernetes(rules: str, direction: Direction = "egress") -> str:
    """A NetworkPolicy with this list of rules."""
    types = f"podSelector: {{}}, policyTypes: [{direction.title()}]"
    return f"{{kind: NetworkPolicy, spec: {{{types}, {direction}: {rules}}}}}"


def cilium(
    rules: str, section: str = "egress", kind: str = "CiliumNetworkPolicy", *, more: str = ""
) -> str:
    """A policy of Cilium with this list of rules in a section; `more` ends its spec."""
    spec = f"{{endpointSelector: {{}}, {section}: {rules}{more}}}"
    return f"{{kind: {kind}, metadata: {{name: a}}, spec: {spec}}}"


def calico(
    rule: str, kind: str = "GlobalNetworkPolicy", direction: Direction = "egress", more: str = ""
) -> str:
    """A policy of Calico with this one rule, on a cluster where Calico enforces its own kinds."""
    spec = f"{{selector: all(), types: [{direction.title()}], {direction}: [{rule}]{more}}}"
    named = (
        f"{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: a}}, spec: {spec}}}"
    )
    return f"{{network: {_CALICO}, object: {named}}}"


def enterprise(rule: str) -> tuple[str, ...]:
    """Policies of Calico Enterprise with this one egress rule, of each of its kinds and groups."""
    return tuple(
        calico(rule, kind)
        .replace("engine: calico", "engine: calico, calico: enterprise")
        .replace("projectcalico.org/v3", version)
        for kind in ("NetworkPolicy", "GlobalNetworkPolicy")
        for version in ("projectcalico.org/v3", "crd.projectcalico.org/v1")
    )


def admin(rule: str, direction: Direction = "egress") -> str:
    """An AdminNetworkPolicy with this one rule, on a cluster that enforces such."""
    spec = f"{{priority: 5, subject: {{namespaces: {{}}}}, {direction}: [{rule}]}}"
    named = f"{{kind: AdminNetworkPolicy, metadata: {{name: default}}, spec: {spec}}}"
    return f"{{network: {{engine: spec}}, object: {named}}}"


def cluster(rule: str, direction: Direction = "egress", tier: str = "Admin") -> str:
    """A ClusterNetworkPolicy with this one rule, on a cluster that enforces such."""
    head = f"tier: {tier}, priority: 5, subject: {{namespaces: {{}}}}"
    named = f"{{kind: ClusterNetworkPolicy, spec: {{{head}, {direction}: [{rule}]}}}}"
    return f"{{network: {{engine: spec}}, object: {named}}}"
