"""A tenant must not write Istio objects that reach into proxies or the registry of workloads.

Why: they change any part of what Envoy does, and so can switch off mutual TLS and every policy.
Source: sandbox-and-mesh 5; AKS documentation, Istio add-on (EnvoyFilter it lets through).
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import PROXY_INTERNALS, Finding, rule
from rules.review import Cluster, Review

ALLOW = ["{object: {kind: EnvoyFilter, metadata: {namespace: aks-istio-system}}}"]
DENY = [
    "{kind: EnvoyFilter, spec: {configPatches: []}}",  # 85
    "{kind: WasmPlugin, spec: {url: 'oci://example.com/a'}}",
    "{kind: ProxyConfig, spec: {concurrency: 1}}",
    "{kind: WorkloadEntry, spec: {address: 10.0.0.1}}",
    "{kind: WorkloadGroup, spec: {}}",
    "{kind: IstioOperator, spec: {}}",
]


@rule(kinds=PROXY_INTERNALS, shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding, whatever the object says."""
    yield Finding(
        check=f"MESH-{review.kind}",
        path=("kind",),
        message=f"is {review.kind}, which is not for namespaces of tenants, whoever writes it; "
        "policies, routes and telemetry of Istio are",
        found=review.kind,
    )
