"""Frames for the examples of rules about network policies: a rule of each language in its object.

Each gives the YAML text of an example, with the engine that enforces the kind.
"""

from __future__ import annotations

from typing import Literal

Direction = Literal["egress", "ingress"]

_CALICO = "{engine: calico, enforced: [projectcalico.org/*, crd.projectcalico.org/*]}"
POD = "{kind: Pod, metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}"


def stored(name: str, egress: str) -> str:
    """A NetworkPolicy of this name with this list of rules, as one that is about all pods."""
    return (
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, "
        f"namespace: default}}, spec: {{podSelector: {{}}, policyTypes: [Egress], "
        f"egress: {egress}}}}}"
    )


def beside(*policies: str) -> str:
    """A pod that comes to where these are."""
    return f"{{object: {POD}, cluster: [{', '.join(policies)}]}}"


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


def enterprise(example: str) -> str:
    """An example of `calico`, on a cluster with Calico Enterprise."""
    return example.replace("engine: calico", "engine: calico, calico: enterprise", 1)


def calico(
    rule: str, kind: str = "GlobalNetworkPolicy", direction: Direction = "egress", more: str = ""
) -> str:
    """A policy of Calico with this one rule, on a cluster where Calico enforces its own kinds."""
    spec = f"{{selector: all(), types: [{direction.title()}], {direction}: [{rule}]{more}}}"
    named = (
        f"{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: a}}, spec: {spec}}}"
    )
    return f"{{network: {_CALICO}, object: {named}}}"


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
