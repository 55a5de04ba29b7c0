"""The two doors of the server, as the webhook configurations name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rules.model import JSON


@dataclass(frozen=True, slots=True)
class Door:
    """One of the two configurations: what it is called, and what differs between them."""

    configuration: str
    kind: str
    path: str
    extra: Mapping[str, JSON]


MUTATE = Door(
    "00-sallyport-mutate",  # sorts before Istio's: a label that we add must still bring the sidecar
    "MutatingWebhookConfiguration",
    "mutate",
    # Called again on Istio's output, we would take a genuine sidecar for a forged one.
    {"timeoutSeconds": 2, "reinvocationPolicy": "Never"},
)
VALIDATE = Door(
    "sallyport-validate", "ValidatingWebhookConfiguration", "validate", {"timeoutSeconds": 4}
)
