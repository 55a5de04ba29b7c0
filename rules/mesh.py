"""What in a pod is the mesh's own: its containers, and the keys that steer the sidecar.

Source: istio/istio pkg/kube/inject; istio/api annotation and label; sandbox-and-mesh 4.2 and 4.3.
"""

from __future__ import annotations

from rules.facts import Namespace
from rules.injection import INJECT, MESH_LABEL, REVISION

VOLUMES = (
    "workload-certs",
    "workload-socket",
    "credential-socket",
    "istiod-ca-cert",
    "istio-token",
    "istio-envoy",
    "istio-data",
    "istio-podinfo",
)
"""The names of the volumes that Istio's injection template adds."""

SELECTORS = frozenset({"istio"})
"""Labels without a domain by which shared gateways select pods."""
STEERING_LABELS = (
    INJECT,
    REVISION,
    "security.istio.io/tlsMode",
    "istio.io/dataplane-mode",
    "istio.io/use-waypoint",
    "networking.istio.io/tunnel",
    "topology.istio.io/",
    "gateway.networking.k8s.io/",
)
"""How the labels begin by which Istio treats a pod otherwise than its peers."""

KATA = "io.katacontainers."
"""How the annotations begin that the runtime reads when it starts the sandbox."""
TELEMETRY_ANNOTATIONS = frozenset(
    {"resource.opentelemetry.io/service.version", "resource.opentelemetry.io/service.namespace"}
)
"""Annotations outside Istio's domain that its template copies as they are."""


def requires_mesh(namespace: Namespace) -> bool:
    """Whether pods here belong to the mesh."""
    return namespace.labels.get(MESH_LABEL) != "off"


def steers_as_label(key: str) -> bool:
    """Whether Istio treats a pod otherwise for having this label."""
    return key in SELECTORS or key.startswith(STEERING_LABELS)


def steers_as_annotation(key: str) -> bool:
    """Whether Istio may read this annotation: any key in its domain, and what it copies."""
    domain, slash, _ = key.partition("/")
    own = slash and (domain == "istio.io" or domain.endswith(".istio.io"))
    return bool(own) or key in TELEMETRY_ANNOTATIONS


def is_settled(place: str, key: str) -> bool:
    """Whether this one of a pod's `labels` or `annotations` may not change once it was admitted."""
    if place == "labels":
        return steers_as_label(key)
    return steers_as_annotation(key) or key.startswith(KATA)
