"""The labels and annotations of namespaces that decide how a tenant is held, in one table.

Who may edit a namespace could lift every rule by them, so only the platform changes them. Sources:
sandbox-and-mesh 2 (TEN-1, TEN-3); contracts 5 and 11 (OTHER-MESH).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rules.site import Site


class Guard(NamedTuple):
    """A key that only the platform changes; one that ends in `/` stands for all that begin so."""

    key: str
    check: str
    why: str

    def covers(self, key: str) -> bool:
        """Whether this key is meant."""
        return key.startswith(self.key) if self.key.endswith("/") else key == self.key


_SALLYPORT = Guard("sallyport.dev/", "TEN-1", "says to whom the namespace belongs and what it may")
_PLUGIN = "is read by an admission plugin, which places its pods on nodes by it"
_OTHER_MESH = tuple(
    Guard(key, "OTHER-MESH", "brings another mesh, whose sidecar stands in the way of Istio's")
    for key in (
        "openservicemesh.io/",
        "linkerd.io/inject",
        "kuma.io/",
        "consul.hashicorp.com/connect-inject",
    )
)

LABELS: tuple[Guard, ...] = (
    _SALLYPORT,
    Guard("istio-injection", "TEN-1", "decides whether its pods get a sidecar"),
    Guard("istio.io/", "TEN-1", "decides which mesh its pods belong to"),
    Guard("topology.istio.io/", "TEN-1", "decides which network the mesh takes its pods to be in"),
    Guard("control-plane", "TEN-1", "can hide the namespace from admission webhooks"),
    Guard("kubernetes.azure.com/", "TEN-1", "can hide the namespace from admission webhooks"),
    Guard("admissions.enforcer/disabled", "TEN-1", "switches off a safeguard of AKS"),
    Guard("admission.gatekeeper.sh/ignore", "TEN-1", "hides the namespace from Gatekeeper"),
    Guard("pod-security.kubernetes.io/", "TEN-1", "decides what Pod Security lets its pods do"),
    *_OTHER_MESH,
)
ANNOTATIONS: tuple[Guard, ...] = (
    _SALLYPORT,
    Guard("scheduler.alpha.kubernetes.io/node-selector", "TEN-3", _PLUGIN),
    Guard("scheduler.alpha.kubernetes.io/defaultTolerations", "TEN-3", _PLUGIN),
    Guard("scheduler.alpha.kubernetes.io/tolerationsWhitelist", "TEN-3", _PLUGIN),
    *_OTHER_MESH,
)


def guarded_labels(site: Site) -> tuple[Guard, ...]:
    """The guarded labels, with those that this rulebook gives a meaning."""
    chosen = "decides which rules hold in it, as the rulebook says"
    return (
        *LABELS,
        Guard(site.tenant_label, "TEN-1", _SALLYPORT.why),
        *(Guard(key, "TEN-1", chosen) for key in sorted(site.override_labels)),
    )


def find(guards: Iterable[Guard], key: str) -> Guard | None:
    """The first guard that covers the key."""
    return next((guard for guard in guards if guard.covers(key)), None)
