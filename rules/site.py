"""What the operator says of the cluster: whom to trust, which mesh, which network engine.

These are the parts of the rulebook that describe the place; `Rulebook` adds the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rules.threats import Threats

TRUSTED_NAMES = frozenset(
    {
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "gatekeeper-system",
        "aks-istio-system",
        "aks-istio-ingress",
        "aks-istio-egress",
        "sallyport-system",
        "calico-system",
        "tigera-operator",
        "app-routing-system",
        "aks-command",
    }
)
"""Namespaces of the platform. `kubernetes.io/metadata.name` cannot be forged; labels can."""

TRUST_LABEL = "sallyport.dev/trust"

Engine = Literal["cilium", "calico", "npm", "spec"]


@dataclass(frozen=True, slots=True)
class Trusted:
    """Which namespaces belong to the platform: by exact name; by label only where `label` is on."""

    namespaces: frozenset[str] = TRUSTED_NAMES
    label: bool = False


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform principals: exact users and groups, no prefixes."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset({"system:masters"})


@dataclass(frozen=True, slots=True)
class Mesh:
    """The Istio that meshes tenants. `revision` "" means the only known one."""

    revision: str = ""
    revisions: tuple[str, ...] = ()
    root: str = "aks-istio-system"
    redirection: Literal["InitContainers", "CNIChaining"] = "InitContainers"


@dataclass(frozen=True, slots=True)
class Acns:
    """Which parts of Advanced Container Networking Services are on."""

    fqdn: bool = True
    l7: bool = True


@dataclass(frozen=True, slots=True)
class Cidrs:
    """The networks of the cluster itself, as CIDR texts."""

    pods: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """The networks of pods, Services and nodes."""
        return (*self.pods, *self.services, *self.nodes)


@dataclass(frozen=True, slots=True)
class Network:
    """Which engine enforces network policies, and what it knows (`cluster` in the rulebook)."""

    engine: Engine = "cilium"
    version: str = "1.18"
    calico: Literal["oss", "enterprise"] = "oss"
    acns: Acns = Acns()
    enforced: tuple[str, ...] = ()
    cidrs: Cidrs = Cidrs()
    imds_restriction: bool = False

    @property
    def enterprise(self) -> bool:
        """Whether Calico, where it is the engine, is Calico Enterprise or Calico Cloud."""
        return self.calico == "enterprise"


@dataclass(frozen=True, slots=True)
class Messages:
    """Lines that end a denial, where the operator wants them: an address, a contact."""

    docs: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """The place that the rulebook describes; the defaults are the built-in rulebook's.

    `override_labels` are the label keys of namespaces by which its overrides select.
    `denied_images`, as `rules.image.entries` gives them, and `threats` are from files beside the
    rulebook.
    """

    trusted: Trusted = field(default_factory=Trusted)
    platform: Platform = field(default_factory=Platform)
    tenant_label: str = "sallyport.dev/tenant"
    override_labels: frozenset[str] = frozenset()
    denied_images: frozenset[str] = frozenset()
    threats: Threats = field(default_factory=Threats)
    mesh: Mesh = field(default_factory=Mesh)
    network: Network = field(default_factory=Network)
    messages: Messages = field(default_factory=Messages)
