"""The manifests that people apply, after the samples: short names, long enough to be stored."""

from __future__ import annotations

from collections.abc import Mapping

from rules.model import CRON_JOB, DEPLOYMENT, JOB, JSON, Kind
from rules.pods import TEMPLATES
from tests.reviews import RESTRICTED

IMAGE = "mcr.microsoft.com/aks/fundamental/base-ubuntu:v0.0.11"
KATA = "kata-mshv-vm-isolation"
NOT_MESHED = {"sidecar.istio.io/inject": "false"}


def pod(name: str, labels: Mapping[str, str] | None = None, **spec: JSON) -> JSON:
    """A pod that says nothing of sandbox and mesh, and what is said besides in its spec.

    A name that ends in `-` is one for the API server to complete.
    """
    named = "generateName" if name.endswith("-") else "name"
    metadata = {named: name} | ({"labels": dict(labels)} if labels else {})
    container = {
        "name": "main",
        "image": IMAGE,
        "resources": {"limits": {"memory": "512Mi"}},
        "securityContext": RESTRICTED,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **spec},
    }


def workload(kind: Kind, name: str, labels: Mapping[str, str] | None = None, **spec: JSON) -> JSON:
    """The same pod as the template of a workload."""
    own = pod(name, {"app": name, **(labels or {})}, **spec)
    template = {"metadata": {"labels": own["metadata"]["labels"]}, "spec": own["spec"]}
    if kind in {JOB, CRON_JOB}:
        template["spec"]["restartPolicy"] = "Never"
    value: JSON = template
    for step in reversed(TEMPLATES[kind.group, kind.kind]):
        value = {step: value}
    if kind is CRON_JOB:
        value["spec"]["schedule"] = "0 0 1 1 *"
    elif kind is not JOB:
        value["spec"]["selector"] = {"matchLabels": {"app": name}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}} | value


def deployment(name: str, labels: Mapping[str, str] | None = None, **spec: JSON) -> JSON:
    """A Deployment of such pods; without a number of replicas it is one."""
    return workload(DEPLOYMENT, name, labels, **spec)


def policy(name: str, *ports: JSON, cidr: str = "192.0.2.0/24") -> JSON:
    """A network policy that lets all pods out to these ports of a network."""
    egress = [{"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port} for port in ports]}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress},
    }
