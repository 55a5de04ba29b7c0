"""Will Istio inject its sidecar into this pod? Exactly, and if not, why not.

Source: istio/istio pkg/kube/inject/inject.go and the webhook templates of its charts, as told in
sandbox-and-mesh 4.2. On AKS the add-on installs revisions, and a `default` tag only by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from rules.facts import Namespace
from rules.pods import Pod

INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
INJECTION = "istio-injection"
MESH_LABEL = "sallyport.dev/mesh"
"""On a namespace, `off` says that no sidecar is wanted there; only the platform may set it."""

PROXY, INIT, VALIDATION = "istio-proxy", "istio-init", "istio-validation"
INJECTED = frozenset({PROXY, INIT, VALIDATION, "enable-core-dump"})
"""The names of the containers that Istio injects."""
NEVER_INJECTED = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})

Obstacle = Literal[
    "host-network",
    "namespace-never",
    "label",
    "annotation",
    "namespace-injection",
    "namespace-revision",
    "revision",
    "nothing",
]
"""What keeps the sidecar away. Of the last four, which say who selects the mesh, one at most."""


class Injection(NamedTuple):
    """What Istio looks at when a pod is created. `known`: the revisions and tags that inject."""

    namespace: Namespace
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    host_network: bool
    known: frozenset[str]

    @classmethod
    def of(cls, pod: Pod, namespace: Namespace, known: frozenset[str]) -> Injection:
        """What Istio would look at for this pod."""
        host_network = pod.spec.get("hostNetwork") is True
        return cls(namespace, pod.labels, pod.annotations, host_network, known)

    def obstacles(self) -> list[Obstacle]:
        """All that keeps the sidecar away, what the pod says first; nothing where it comes."""
        found: list[Obstacle] = []
        if self.host_network:
            found.append("host-network")
        if self.namespace.name in NEVER_INJECTED:
            found.append("namespace-never")
        stated = self.labels.get(INJECT)
        if stated == "false":
            found.append("label")
        elif stated is None and self.annotations.get(INJECT) == "false":
            found.append("annotation")
        selection = self._selection(stated)
        if selection is not None:
            found.append(selection)
        return found

    @property
    def revision(self) -> str:
        """The revision or tag that selects the pod, where nothing keeps the sidecar away."""
        space = self.namespace.labels
        if INJECTION in space:
            return "default"
        return space.get(REVISION) or self.labels.get(REVISION) or "default"

    def _selection(self, stated: str | None) -> Obstacle | None:
        """Why no injector selects the pod. The first that names a mesh decides, right or wrong."""
        space = self.namespace.labels
        default_tag = "default" in self.known
        if INJECTION in space:
            enabled = default_tag and space[INJECTION] == "enabled"
            return None if enabled else "namespace-injection"
        if REVISION in space:
            return None if space[REVISION] in self.known else "namespace-revision"
        if REVISION in self.labels:
            return None if self.labels[REVISION] in self.known else "revision"
        return None if default_tag and stated == "true" else "nothing"
