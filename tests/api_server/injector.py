"""Istio's injector beside ours: which webhooks it has, and how the API server is told of them.

`stand_in` answers in its place; `pilot` is the real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rules.model import JSON
from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.control_plane.cluster import ControlPlane

REVISION = "asm-1-28"
CONFIGURATION = "istio-sidecar-injector-asm-1-28-aks-istio-system"
"""The webhook configuration, as the add-on names it."""
PROXY = "istio-proxy"
LISTS = ("containers", "initContainers")


@dataclass(frozen=True, slots=True)
class Injector:
    """One that runs: its webhooks, and whether it makes native sidecars."""

    webhooks: JSON
    native: bool

    @property
    def place(self) -> str | None:
        """The list of a pod that it puts the proxy into."""
        if not self.webhooks:
            return None
        return "initContainers" if self.native else "containers"


NOBODY = Injector([], native=True)


@contextmanager
def registered(control_plane: ControlPlane, injector: Injector) -> Iterator[Injector]:
    """The API server sends pods to it, or to nobody, for as long as the context lasts."""
    get = ("get", f"mutatingwebhookconfiguration/{CONFIGURATION}", "-o", "json")
    former = json.loads(control_plane.kubectl(*get).stdout).get("webhooks", [])
    place = _place(control_plane)
    try:
        _register(control_plane, injector.webhooks, injector.place)
        yield injector
    finally:
        _register(control_plane, former, place)


def _register(control_plane: ControlPlane, webhooks: JSON, place: str | None) -> None:
    """Return when that is what the API server does."""
    metadata = {
        "name": CONFIGURATION,
        "labels": {"app": "sidecar-injector", "istio.io/rev": REVISION},
    }
    control_plane.apply(
        json.dumps(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": metadata,
                "webhooks": webhooks,
            }
        )
    )
    await_that(lambda: _place(control_plane) == place, f"Istio's proxy is put into {place}")


def _place(control_plane: ControlPlane) -> str | None:
    """The list of a new pod of the platform in which Istio's proxy is."""
    probe = json.dumps(pod("probe", {"istio.io/rev": REVISION}))
    create = ("create", "--dry-run=server", "-o", "json", "-f", "-", "--namespace=platform-tools")
    spec = json.loads(control_plane.kubectl(*create, stdin=probe).stdout)["spec"]
    return next((at for at in LISTS if any(c["name"] == PROXY for c in spec.get(at, []))), None)
