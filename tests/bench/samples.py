"""The reviews that are measured: as kube-apiserver 1.36 sends them, made by code, always the same.

Their shapes were taken from reviews of a real API server: a ReplicaSet's pod with all that the API
server, the service account plugin and server-side bookkeeping put into it, and a Deployment that
`kubectl apply` changes. They are allowed by the built-in rulebook in the view of `CLUSTER`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy

import yaml

from rules.model import JSON
from tests.bench import manifest
from tests.bench.fields import fields_of
from tests.reviews import ISOLATION
from webhook.injector import inject

NAMESPACE = "blue-prod"
ALONE = "blue-batch"
"""A namespace of the same tenant where no mesh is wanted, so that a pod is small."""
CLASS = "kata-mshv-vm-isolation"
UNLIKE = "no-two-reviews-have-the-same-in-here"
"""A value that the load replaces in each review, so that the pod is like none before."""
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
TIME = "2026-11-20T09:30:00Z"
OWNER = "7a1ee7ec-2684-434e-b336-c77238f4d3bb"

REVISION = "asm-1-28"
TEN = (
    "containers-unprivileged",
    "host-namespaces-not-shared",
    "image-exact",
    "memory-limited",
    "mesh-annotations-allowed",
    "no-plain-http-egress",
    "sandboxed-runtime-class",
    "sidecar-injected",
    "volumes-inside-the-sandbox",
    "well-formed",
)
"""As many rules as the targets of one review are set for."""
TENANT = {"istio.io/rev": REVISION, "sallyport.dev/tenant": "blue", "stage": "production"}
UNMESHED = {"sallyport.dev/mesh": "off"}
RUNTIME_CLASS: JSON = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": CLASS},
    "handler": "kata",
}
CLUSTER: tuple[JSON, ...] = (
    RUNTIME_CLASS,
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": "istio-sidecar-injector-asm-1-28",
            "labels": {"app": "sidecar-injector", "istio.io/rev": REVISION},
        },
    },
    yaml.safe_load(ISOLATION),
)
"""What exists, besides namespaces."""

REPLICASET_CONTROLLER: JSON = {
    "username": "system:serviceaccount:kube-system:replicaset-controller",
    "uid": "e56e87b0-d3c0-4192-9f0f-523488ac6a8b",
    "groups": [
        "system:serviceaccounts",
        "system:serviceaccounts:kube-system",
        "system:authenticated",
    ],
    "extra": {
        "authentication.kubernetes.io/credential-id": ["JTI=cfce1955-07a6-4243-a193-e6b61bde4069"]
    },
}
DEVELOPER: JSON = {
    "username": "developer",
    "uid": "uid-developer",
    "groups": ["tenants", "system:authenticated"],
}


def view() -> tuple[JSON, ...]:
    """All that the server need know."""
    return (*CLUSTER, namespace(NAMESPACE), namespace(ALONE, **UNMESHED))


def namespace(name: str, **labels: str) -> JSON:
    """A namespace of a tenant in the mesh, unless its labels say otherwise."""
    labels = {"kubernetes.io/metadata.name": name, **TENANT, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def reviews() -> Mapping[str, bytes]:
    """Every sample by its name. `left` are those that leave the runtime class to us.

    `pod` has no sidecar, where no mesh is wanted; `pod-injected` is a larger one that has. Of
    those that are `unlike` no two are the same.
    """
    return {
        "pod": _write(_stored_pod_review(manifest.owned_pod(CLASS), ALONE)),
        "pod-unlike": _write(_unlike(_stored_pod_review(manifest.owned_pod(CLASS), ALONE))),
        "pod-injected": _write(_injected_pod_review()),
        "pod-injected-unlike": _write(_unlike(_injected_pod_review())),
        "deployment": _write(_deployment_review(CLASS)),
        "deployment-left": _write(_deployment_review(None)),
        "pod-left": _write(_pod_review(manifest.owned_pod(None), NAMESPACE)),
    }


def running_pod(name: str, namespace: str, app: str, address: str) -> JSON:
    """A pod of an application as the API server stores it, once it runs."""
    pod = _stored_pod_review(manifest.owned_pod(CLASS), namespace)["request"]["object"]
    pod["metadata"] |= {"name": name, "labels": pod["metadata"]["labels"] | {"app": app}}
    ready = {"name": "checkout", "ready": True, "started": True, "restartCount": 0}
    pod["status"] = {
        "phase": "Running",
        "conditions": [_condition(name, "Kubelet") for name in ("Ready", "ContainersReady")],
        "containerStatuses": [ready],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": TIME,
        "qosClass": "Burstable",
    }
    return pod


def creations() -> Mapping[str, bytes]:
    """The pods that are created through a real API server, as their author writes them."""
    return {"pod": _write(manifest.pod(CLASS)), "pod-left": _write(manifest.pod(None))}


def rulebooks() -> Mapping[str, str]:
    """Rulebooks by name: `ten` rules enforced and no others, and the same `staged`.

    Where they are staged each has overrides, whose selectors must be looked at.
    """
    overrides = [
        {"namespaceSelector": {"matchLabels": {"stage": stage}}, "action": "audit"}
        for stage in ("canary", "test")
    ]
    plain = {name: {"action": "enforce"} for name in TEN}
    staged = {name: {"action": "enforce", "overrides": overrides} for name in TEN}
    return {
        name: json.dumps({"version": 1, "action": "off", "rules": rules})
        for name, rules in (("ten", plain), ("staged", staged))
    }


def _pod_review(pod: JSON, namespace: str, **named: str) -> JSON:
    """A pod that a ReplicaSet creates, as mutating webhooks see it: it has no name yet."""
    pod["metadata"] |= {
        "namespace": namespace,
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "checkout-74dcf8cdc",
                "uid": OWNER,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": [_managed("kube-controller-manager", pod)],
    }
    manifest.admit_pod(pod)
    pod["status"] = {}
    kinds = ({"group": "", "version": "v1"}, "Pod", "pods")
    request = {"namespace": namespace, "operation": "CREATE", **named}
    return _review(kinds, request, REPLICASET_CONTROLLER, (pod, None), "CreateOptions")


def _stored_pod_review(pod: JSON, namespace: str) -> JSON:
    """The same as validating webhooks see it, after defaults."""
    name = f"{pod['metadata']['generateName']}929p6"
    review = _pod_review(pod, namespace, name=name)
    stamps = {"name": name, "uid": UID[::-1], "generation": 1, "creationTimestamp": TIME}
    pod["metadata"] |= stamps
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    return review


def _unlike(review: JSON) -> JSON:
    """The review of a pod that has a checksum of its configuration, as charts give pods."""
    metadata = review["request"]["object"]["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), "checksum/config": UNLIKE}
    return review


def _injected_pod_review() -> JSON:
    """A pod of two containers that Istio's injector has put its sidecar into."""
    review = _stored_pod_review(manifest.larger_pod(CLASS), NAMESPACE)
    pod = inject(review["request"]["object"], REVISION)
    manifest.default_containers(pod["spec"]["initContainers"])
    for container in pod["spec"]["initContainers"]:
        container.setdefault("volumeMounts", []).append(manifest.TOKEN_MOUNT)
    review["request"]["object"] = pod
    return review


def _deployment_review(runtime_class: str | None) -> JSON:
    """`kubectl apply` of a Deployment with a new image."""
    new, old = (_stored_deployment(version, runtime_class) for version in ("2.14.4", "2.14.3"))
    new["metadata"]["generation"] += 1
    request = {"name": "checkout", "namespace": NAMESPACE, "operation": "UPDATE"}
    kinds = ({"group": "apps", "version": "v1"}, "Deployment", "deployments")
    return _review(kinds, request, DEVELOPER, (new, old), "UpdateOptions")


def _stored_deployment(version: str, runtime_class: str | None) -> JSON:
    applied = manifest.deployment(NAMESPACE, version, runtime_class)
    stored = manifest.defaulted_deployment(deepcopy(applied))
    stored["status"] = {
        "observedGeneration": 4,
        **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2),
        "conditions": [
            _condition("Available", "MinimumReplicasAvailable"),
            _condition("Progressing", "NewReplicaSetAvailable"),
        ],
    }
    metadata = stored["metadata"]
    metadata["annotations"] |= {
        "deployment.kubernetes.io/revision": "4",
        "kubectl.kubernetes.io/last-applied-configuration": _write(applied).decode() + "\n",
    }
    status = {"status": stored["status"]}
    managed = [
        _managed("kube-controller-manager", status) | {"subresource": "status"},
        _managed("kubectl-client-side-apply", {k: v for k, v in stored.items() if k != "status"}),
    ]
    stored["metadata"] = metadata | {
        "uid": OWNER[::-1],
        "resourceVersion": "48210",
        "generation": 4,
        "creationTimestamp": TIME,
        "managedFields": managed,
    }
    return stored


def _condition(name: str, reason: str) -> JSON:
    return {
        "type": name,
        "status": "True",
        "lastUpdateTime": TIME,
        "lastTransitionTime": TIME,
        "reason": reason,
        "message": f"{reason}: as the deployment controller words it.",
    }


def _managed(manager: str, owned: JSON) -> JSON:
    """An entry of managedFields: `manager` set all of `owned`."""
    said = {key: value for key, value in owned.items() if key not in {"apiVersion", "kind"}}
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": TIME,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_of(said),
    }


def _review(
    kinds: tuple[JSON, str, str], request: JSON, who: JSON, objects: tuple[JSON, JSON], options: str
) -> JSON:
    """The AdmissionReview, its fields in the order in which Go writes them."""
    at, kind, resource = kinds
    new, old = objects
    asked = {
        "uid": UID,
        "kind": at | {"kind": kind},
        "resource": at | {"resource": resource},
        "requestKind": at | {"kind": kind},
        "requestResource": at | {"resource": resource},
        **request,
        "userInfo": who,
        "object": new,
        "oldObject": old,
        "dryRun": False,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked}


def _write(value: JSON) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
