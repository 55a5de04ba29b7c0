"""Objects as Kubernetes names them: their kind, their resource, and who is who.

What the catalogue reads is known from it; of other kinds only whether they live in a namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rules.model import JSON, Kind, Rule
from rules.pods import mapping
from rules.review import Review

DEFAULT_NAMESPACE = "default"

_CLUSTER_SCOPED: Mapping[str, frozenset[str]] = {
    group: frozenset(kinds.split())
    for group, kinds in {
        "": "Namespace Node PersistentVolume ComponentStatus",
        "admissionregistration.k8s.io": "MutatingWebhookConfiguration"
        " ValidatingWebhookConfiguration ValidatingAdmissionPolicy"
        " ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
        "apiextensions.k8s.io": "CustomResourceDefinition",
        "apiregistration.k8s.io": "APIService",
        "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
        "cilium.io": "CiliumClusterwideNetworkPolicy CiliumNode CiliumIdentity CiliumCIDRGroup"
        " CiliumClusterwideEnvoyConfig CiliumEgressGatewayPolicy CiliumLoadBalancerIPPool"
        " CiliumClusterwideLocalRedirectPolicy CiliumBGPClusterConfig CiliumBGPPeerConfig"
        " CiliumBGPAdvertisement CiliumL2AnnouncementPolicy CiliumPodIPPool",
        "crd.projectcalico.org": "GlobalNetworkPolicy GlobalNetworkSet StagedGlobalNetworkPolicy"
        " Tier IPPool HostEndpoint FelixConfiguration BGPPeer BGPConfiguration ClusterInformation"
        " KubeControllersConfiguration IPReservation",
        "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
        "gateway.networking.k8s.io": "GatewayClass",
        "networking.k8s.io": "IngressClass IPAddress ServiceCIDR",
        "node.k8s.io": "RuntimeClass",
        "operator.tigera.io": "Installation APIServer TigeraStatus",
        "policy": "PodSecurityPolicy",
        "policy.networking.k8s.io": "AdminNetworkPolicy BaselineAdminNetworkPolicy"
        " ClusterNetworkPolicy",
        "projectcalico.org": "GlobalNetworkPolicy GlobalNetworkSet StagedGlobalNetworkPolicy Tier"
        " GlobalThreatFeed GlobalAlert IPPool HostEndpoint FelixConfiguration BGPPeer"
        " BGPConfiguration ClusterInformation Profile IPReservation",
        "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
        "resource.k8s.io": "DeviceClass ResourceSlice",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "StorageClass CSIDriver CSINode VolumeAttachment VolumeAttributesClass",
    }.items()
}


class Key(NamedTuple):
    """Which object this is, whatever version it is written in."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """An object as reports name it. `namespace` is "" if it lives in none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The API group, "" for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def key(self) -> Key:
        """Which object this is."""
        return Key(self.group, self.kind, self.namespace, self.name)


class Kinds:
    """The kinds that rules judge or read, by group and kind."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._known = {
            (kind.group, kind.kind): kind for rule in rules for kind in (*rule.kinds, *rule.reads)
        }

    def find(self, group: str, kind: str) -> Kind:
        """The kind; one that no rule knows with a likely resource, in a namespace unless known."""
        known = self._known.get((group, kind))
        if known is not None:
            return known
        namespaced = kind not in _CLUSTER_SCOPED.get(group, ())
        return Kind(group, kind, f"{kind.lower()}s", namespaced=namespaced)

    def identify(self, value: JSON, namespace: str = DEFAULT_NAMESPACE) -> Identity:
        """Who the object is; `namespace` is where it goes if it does not say."""
        api_version, kind = str(value.get("apiVersion", "")), str(value.get("kind", ""))
        name = name_in(value)
        if not self.find(api_version.rpartition("/")[0], kind).namespaced:
            return Identity(api_version, kind, "", name)
        own = mapping(value, "metadata").get("namespace")
        return Identity(api_version, kind, own if isinstance(own, str) and own else namespace, name)

    def place(self, value: JSON, namespace: str = DEFAULT_NAMESPACE) -> tuple[Key, JSON]:
        """Which object this is, and the object as the API server stores it: it says where it is."""
        identity = self.identify(value, namespace)
        metadata = mapping(value, "metadata")
        if not identity.namespace or metadata.get("namespace") == identity.namespace:
            return identity.key, value
        return identity.key, value | {"metadata": {**metadata, "namespace": identity.namespace}}


def name_in(value: JSON) -> str:
    """The name that an object states; one that is yet to be made as its prefix and `*`."""
    metadata = mapping(value, "metadata")
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if isinstance(name, str) and name:
        return name
    return f"{prefix}*" if isinstance(prefix, str) and prefix else ""


def name_of(review: Review) -> str:
    """The name of the object under review: the request's, else its own. May decode the object."""
    outline = review.new.outline
    return review.name or (outline.name if outline is not None else name_in(review.object))
