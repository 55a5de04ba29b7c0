"""AdmissionReviews as the API server sends them, for tests of the doors."""

from __future__ import annotations

import copy
import json
from typing import Any

from rules.model import (
    DEPLOYMENT,
    JSON,
    NETWORK_POLICY,
    POD,
    Kind,
)
from webhook.injector import inject

UID = "0123abcd-0000-4000-8000-000000000000"
SPACE = "shop"
CLASS = "kata-mshv-vm-isolation"
REVISION = "prod-stable"
DEVELOPER = {"username": "developer", "groups": ["system:authenticated"]}


RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
}


ISOLATION = """\
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: isolation}
spec:
  endpointSelector: {}
  ingress: [{}]
  egress:
  - toPorts: [{ports: [{port: "53", protocol: UDP}, {port: "15012", protocol: TCP}]}]
"""
"""A policy for a cluster in which no pod shall be found that nothing isolates."""


def pod(spec: JSON = None, **metadata: JSON) -> JSON:
    """A pod that no shipped rule has anything to say of, but for what is given."""
    named = {"name": "web", "namespace": SPACE, "labels": {"istio.io/rev": REVISION}}
    container = {
        "name": "app",
        "image": "web:1",
        "resources": {"limits": {"memory": "1Gi"}},
        "securityContext": RESTRICTED,
    }
    stated = {"runtimeClassName": CLASS, "containers": [container]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": named | metadata,
        "spec": stated | (spec or {}),
    }


def bare_pod(**metadata: JSON) -> JSON:
    """A pod that leaves open what the server fills in."""
    bare = pod(**({"labels": {}} | metadata))
    del bare["spec"]["runtimeClassName"]
    return bare


def wrong_pod(**metadata: JSON) -> JSON:
    """A pod that states a class which runs it on the kernel of the node."""
    return pod({"runtimeClassName": "runc"}, **metadata)


def deployment(template: JSON, **spec: JSON) -> JSON:
    """A Deployment that makes such pods."""
    inner = {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": SPACE},
        "spec": {"replicas": 1, "template": inner} | spec,
    }


def policy(*ports: JSON, **metadata: JSON) -> JSON:
    """A network policy that opens these ports to a network outside."""
    egress = [
        {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": p} for p in ports]}
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "out", "namespace": SPACE} | metadata,
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress},
    }


def ask(
    value: JSON, kind: Kind = POD, *, operation: str = "CREATE", old: JSON = None, **request: JSON
) -> JSON:
    """The AdmissionReview about this object; `request` has fields that differ from the usual."""
    version = {"group": kind.group, "version": kind.version}
    usual = {
        "uid": UID,
        "kind": version | {"kind": kind.kind},
        "resource": version | {"resource": kind.resource},
        "requestKind": version | {"kind": kind.kind},
        "requestResource": version | {"resource": kind.resource},
        "name": "web",
        "namespace": SPACE,
        "operation": operation,
        "userInfo": DEVELOPER,
        "object": value,
        "oldObject": old,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": copy.deepcopy(usual | request),
    }


def ask_stored(pod_: JSON, **request: JSON) -> JSON:
    """The AdmissionReview about the creation of a pod at the last door: Istio has been there."""
    return ask(inject(pod_, REVISION), **request)


def ask_update(value: JSON, old: JSON, kind: Kind = POD, **request: JSON) -> JSON:
    """The AdmissionReview about an update."""
    return ask(value, kind, operation="UPDATE", old=old, **request)


def ask_deployment(template: JSON) -> JSON:
    """The AdmissionReview about the creation of a Deployment of such pods."""
    return ask(deployment(template), DEPLOYMENT)


def ask_policy(*ports: JSON) -> JSON:
    """The AdmissionReview about the creation of a policy that opens these ports."""
    return ask(policy(*ports), NETWORK_POLICY, name="out")


def written(review: JSON) -> bytes:
    """The review as it goes over the wire."""
    return json.dumps(review).encode()


def causes(response: Any) -> list[tuple[str, str]]:
    """What a denial names: (rule, place) of each."""
    found = response.get("status", {}).get("details", {}).get("causes", [])
    return [(cause["reason"], cause["field"]) for cause in found]


def reasons(response: Any) -> set[str]:
    """The rules that deny."""
    return {rule for rule, _ in causes(response)}
