"""A DestinationRule for a foreign host must stay at home, and none displaces a managed one.

Why: what is exported governs the calls of other tenants; of two for one host only one counts.
Source: sandbox-and-mesh 5 and 5.1; istio/istio pilot/pkg/model/push_context.go (destinationRule).
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.facts import MANAGED_LABEL
from rules.hosts import is_mesh_host, meet, namespace_of, never_matches
from rules.model import DESTINATION_RULE, JSON, NAMESPACE, Finding, Fix, Level, Path, rule
from rules.patch import set_field
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-DestinationRule"
SHAPE = {"host": str, "exportTo": [str]}
HOST: Path = ("spec", "host")


def _to(host: str, rest: str = "") -> str:
    return f"{{kind: DestinationRule, metadata: {{name: own}}, spec: {{host: {host}{rest}}}}}"


def _beside(value: str, host: str) -> str:
    metadata = f"{{name: platform, namespace: default, labels: {{{MANAGED_LABEL}: 'true'}}}}"
    other = f"{{kind: DestinationRule, metadata: {metadata}, spec: {{host: {host}}}}}"
    return f"{{object: {value}, cluster: [{other}, {{kind: Namespace, metadata: {{name: pay}}}}]}}"


_FOREIGN = "reviews.other.svc.cluster.local"
ALLOW = [
    _to("reviews"),
    _to("reviews.default.svc.cluster.local"),
    _to("api.example.com"),
    _to(_FOREIGN, ", exportTo: ['.']"),
    _to(_FOREIGN, ", exportTo: [default]"),
    _beside(_to("reviews"), "ratings"),
]
DENY = [
    _to(_FOREIGN),
    _to(_FOREIGN, ", exportTo: ['*']"),
    _to("'*.local'"),
    _to("'*.other.svc.cluster.local'", ", exportTo: ['.', other]"),
    _beside(_to("reviews"), "reviews.default.svc.cluster.local"),
    _beside(_to("reviews"), "'*'"),
]
WARN = [_beside(_to("reviews.pay"), "ratings"), _to("reviews.default.svc", ", exportTo: ['.']")]


@rule(
    kinds=(DESTINATION_RULE,),
    reads=(DESTINATION_RULE, NAMESPACE),
    shaped=True,
    severity="critical",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """What a host reaches, which managed rule it meets, and whether it is a host at all."""
    spec, own = mapping(review.object, "spec"), review.namespace
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    host = spec.get("host")
    at_home = spec.get("exportTo") in (["."], [own])
    if is_mesh_host(host) and namespace_of(host, own) != own and not at_home:
        yield _finding(
            host,
            f"is {quote(host)}, a host of other namespaces, and the rule is exported to them; "
            'set exportTo to ["."]',
            Fix(set_field(review.object, ("spec", "exportTo"), ["."]), safe=False),
        )
    for other in cluster.destination_rules.get(own, ()):
        if other.name == mapping(review.object, "metadata").get("name"):
            continue
        if other.managed and meet(host, other.spec.get("host"), own=own, others=own):
            yield _finding(
                host,
                f"is {quote(host)}, for which the managed DestinationRule {quote(other.name)} "
                "stands already, and one would undo the other; remove it",
            )
    if isinstance(host, str) and never_matches(host, {*cluster.namespaces, own}):
        message = f"is {quote(host)}, which names no service: write it out as NAME.NAMESPACE.svc"
        yield _finding(host, f"{message}.cluster.local", level="warn")


def _finding(found: JSON, message: str, fix: Fix | None = None, level: Level = "deny") -> Finding:
    return Finding(check=CHECK, path=HOST, message=message, found=found, fix=fix, level=level)
