"""A tenant's pod and Deployment: as the author writes them, and with the API server's defaults."""

from __future__ import annotations

from rules.model import JSON
from tests.reviews import RESTRICTED

NAME = "checkout"
LABELS = {"app.kubernetes.io/name": NAME, "team": "payments"}
TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for state in ("not-ready", "unreachable")
]
TOKEN_MOUNT = {
    "name": "kube-api-access-w6mdz",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}
TOKEN_VOLUME: JSON = {
    "name": "kube-api-access-w6mdz",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
        "defaultMode": 420,
    },
}


def pod(runtime_class: str | None) -> JSON:
    """A pod to be created, as its author writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{NAME}-", "labels": dict(LABELS)},
        "spec": _spec([_container(NAME, "2.14.3", [])], runtime_class),
    }


def owned_pod(runtime_class: str | None) -> JSON:
    """The pod as a ReplicaSet asks for it, with the defaults of a template."""
    return _owned(pod(runtime_class))


def larger_pod(runtime_class: str | None) -> JSON:
    """Likewise one with fifty settings, and with a container beside the application."""
    made = deployment("", "2.14.3", runtime_class)["spec"]["template"]
    made["spec"]["containers"][0]["env"] += [
        {"name": f"FEATURE_{number}", "value": f"setting-{number}-of-{NAME}"}
        for number in range(50)
    ]
    return _owned({"apiVersion": "v1", "kind": "Pod", **made})


def _owned(made: JSON) -> JSON:
    made["metadata"] = {
        "generateName": f"{NAME}-74dcf8cdc-",
        "labels": LABELS | {"pod-template-hash": "74dcf8cdc"},
    }
    made["spec"] = _defaulted(made["spec"]) | {"enableServiceLinks": True}
    return made


def admit_pod(made: JSON) -> None:
    """Put in what the API server's own admission plugins put into a pod."""
    spec = made["spec"]
    spec |= {"tolerations": TOLERATIONS, "priority": 0, "preemptionPolicy": "PreemptLowerPriority"}
    spec["volumes"].append(TOKEN_VOLUME)
    for container in spec["containers"]:
        container["volumeMounts"].append(TOKEN_MOUNT)


def deployment(namespace: str, version: str, runtime_class: str | None) -> JSON:
    """A Deployment with an application and a container beside it, as its author writes it."""
    settings = ("LOG_LEVEL", "LOG_FORMAT", "REGION", "CURRENCY", "CACHE_TTL_SECONDS")
    env = [{"name": name, "value": f"{name.lower()}-of-{NAME}"} for name in settings]
    containers = [_container(NAME, version, env), _container("exporter", "1.8.0", env[:1])]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": LABELS | {"app.kubernetes.io/part-of": "shop"},
            "annotations": {"example.com/source": "https://git.example/shop/checkout"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "template": {
                "metadata": {
                    "labels": LABELS | {"app.kubernetes.io/version": version},
                    "annotations": {"checksum/config": "9f86d081884c7d659a2feaa0c55ad015" * 2},
                },
                "spec": _spec(containers, runtime_class),
            },
        },
    }


def defaulted_deployment(made: JSON) -> JSON:
    """The Deployment with all defaults."""
    spec = made["spec"]
    spec["template"]["spec"] = _defaulted(spec["template"]["spec"])
    spec["strategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    spec |= {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    return made


def _spec(containers: list[JSON], runtime_class: str | None) -> JSON:
    spec: JSON = {
        "volumes": [{"name": "config", "configMap": {"name": f"{NAME}-config"}}],
        "containers": containers,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000},
    }
    return spec | ({"runtimeClassName": runtime_class} if runtime_class else {})


def _container(name: str, version: str, env: list[JSON]) -> JSON:
    secret = {"name": f"{name}-db", "key": "password"}
    return {
        "name": name,
        "image": f"registry.example/shop/{name}:{version}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": secret}}, *env],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"memory": "256Mi"},
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "config", "mountPath": f"/etc/{name}", "readOnly": True}],
    }


def _defaulted(spec: JSON) -> JSON:
    default_containers(spec["containers"])
    for volume in spec["volumes"]:
        volume["configMap"]["defaultMode"] = 420
    return spec | {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "schedulerName": "default-scheduler",
    }


def default_containers(containers: list[JSON]) -> None:
    """Put in the defaults of containers."""
    usual = {
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    for container in containers:
        for port in container.get("ports", ()):
            port["protocol"] = "TCP"
        for name in ("readinessProbe", "livenessProbe", "startupProbe"):
            if name in container:
                probe = container[name]
                probe["httpGet"]["scheme"] = "HTTP"
                container[name] = probe | {k: v for k, v in usual.items() if k not in probe}
        container |= {
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
