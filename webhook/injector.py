"""What Istio's injector makes of a pod. It stands between our doors, and the demo has no Istio.

Source: istio/istio pkg/kube/inject/webhook.go. What it puts in stands in manifests/samples.

Here does not belong: whether Istio is asked about a pod. That tells `rules.injection`.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib import resources

import yaml

from rules.injection import INIT, PROXY
from rules.model import JSON
from rules.sidecar import STATUS

TEMPLATE = "sidecar.yaml"


def inject(pod: JSON, revision: str, *, native: bool = True) -> JSON:
    """The pod, which is left as it is, with the sidecar that the injector of a revision puts in.

    `native`: the proxy is an init container that stays; else it is the last of the containers, and
    traffic is redirected after all init containers have run.
    """
    injected, added = copy.deepcopy(pod), copy.deepcopy(template())
    spec, metadata = injected["spec"], injected["metadata"]
    init, proxy = added["initContainers"]
    first, last = [init, proxy], []
    if not native:
        del proxy["restartPolicy"], proxy["lifecycle"]
        first, last = [], [init]
        spec["containers"].append(proxy)
    spec["initContainers"] = [*first, *(spec.get("initContainers") or []), *last]
    spec["volumes"] = [*added["volumes"], *(spec.get("volumes") or [])]
    metadata["labels"] = _labels(metadata, added["labels"])
    app = pod["spec"]["containers"][0]["name"]
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        **added["annotations"],
        "istio.io/rev": revision,
        "kubectl.kubernetes.io/default-container": app,
        "kubectl.kubernetes.io/default-logs-container": app,
        STATUS: _status(added["volumes"], revision, native=native),
    }
    return injected


@cache
def template() -> JSON:
    """What is put in: labels, annotations, the init container and the proxy, and volumes."""
    file = resources.files("manifests") / "samples" / TEMPLATE
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _labels(metadata: JSON, added: JSON) -> JSON:
    own = metadata.get("labels") or {}
    name = own.get("app") or metadata.get("name") or metadata["generateName"].rstrip("-")
    return {"service.istio.io/canonical-name": name, **added, **own}


def _status(volumes: JSON, revision: str, *, native: bool) -> str:
    """The annotation by which the injector remembers what it did."""
    init, containers = ([INIT, PROXY], None) if native else ([INIT], [PROXY])
    return json.dumps(
        {
            "initContainers": init,
            "containers": containers,
            "volumes": [volume["name"] for volume in volumes],
            "imagePullSecrets": None,
            "revision": revision,
        }
    )
