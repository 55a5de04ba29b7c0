"""A Telemetry of a tenant must not switch the access log off.

Why: who called what is what an audit asks first, and it cannot be had afterwards.
Source: sandbox-and-mesh 5; Istio API reference, Telemetry.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import TELEMETRY, Finding, Fix, Operation, Path, rule
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-Telemetry"
SHAPE = {"accessLogging": [{"disabled": object}]}

_OFF = "{kind: Telemetry, spec: {accessLogging: [{disabled: true}]}}"
ALLOW = [
    "{kind: Telemetry, spec: {accessLogging: [{providers: [{name: envoy}]}]}}",
    "{kind: Telemetry, spec: {accessLogging: [{disabled: false}]}}",
    f"{{object: {_OFF}, parameters: {{required: false}}}}",
]
DENY = [_OFF]


@rule(kinds=(TELEMETRY,), shaped=True, severity="medium")
def check(review: Review, _cluster: Cluster, *, required: bool = True) -> Iterator[Finding]:
    """`required`: whether the platform needs the access log for audits."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    found = spec.get("accessLogging") if required else None
    for index, value in enumerate(found if isinstance(found, list) else ()):
        disabled = mapping(value).get("disabled")
        if disabled is not None and disabled is not False:
            path: Path = ("spec", "accessLogging", index, "disabled")
            yield Finding(
                check=CHECK,
                path=path,
                message=f"is {quote(disabled)}, so calls leave no trace for an audit; remove it",
                found=disabled,
                fix=Fix((Operation("remove", path),), safe=False),
            )
