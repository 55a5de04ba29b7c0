"""A DestinationRule must not end the TLS with which calls to a declared host leave.

Why: its ServiceEntry was let in because TLS begins in the sidecar; without it, it is clear text.
Source: specification egress 1.5; Istio API reference, DestinationRule.

One rule counts whole for a host, the most precise of the nearest namespace: a new one may hide
another, and an entry of portLevelSettings inherits no `tls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.facts import MeshPolicies, MeshPolicy, by_namespace
from rules.model import DESTINATION_RULE, JSON, NAMESPACE, SERVICE_ENTRY, Finding, Path, rule
from rules.origination import hosts_of, ports_of, sends
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "PLAIN-HTTP"
SHAPE = {"host": str, "trafficPolicy": dict, "subsets": [dict]}
_PLACES: Mapping[str, tuple[Path, str]] = {
    "CREATE": (("spec", "host"), "is now called without TLS"),
    "UPDATE": (("spec", "trafficPolicy"), "leaves out TLS"),
    "DELETE": ((), "goes"),
}
_YOUNGEST = "9999"
"""The creation timestamp of a rule that is not stored yet."""
_METADATA = "metadata: {name: %s, namespace: default}"
_PORTS = "ports: [{number: 80, name: p, protocol: HTTP}]"
_ENTRY = f"{{kind: ServiceEntry, {_METADATA % 'e'}, spec: {{hosts: [a.com], {_PORTS}}}}}"


def _to(host: str, policy: str, name: str = "example") -> str:
    spec = f"{{host: '{host}', trafficPolicy: {{{policy}}}}}"
    return f"{{kind: DestinationRule, {_METADATA % name}, spec: {spec}}}"


def _case(old: str, new: str, *beside: str) -> str:
    """An example: `old` becomes `new`; either may be null."""
    operation = "CREATE" if old == "null" else "DELETE" if new == "null" else "UPDATE"
    others = ", ".join((*beside, *([] if old == "null" else [old])))
    return f"{{object: {new}, old: {old}, operation: {operation}, cluster: [{others}]}}"


_TLS, _NONE = "tls: {mode: SIMPLE}", "connectionPool: {}"
ALLOW = [
    _case(_to("a.com", _TLS), _to("a.com", "tls: {mode: MUTUAL}"), _ENTRY),
    _case(_to("a.com", _TLS), _to("a.com", _NONE)),
    _case(_to("a.com", _TLS), "null", _ENTRY, _to("*.com", _TLS, "wide")),
    _case(_to("a.com", _NONE), "null", _ENTRY),
    _case("null", _to("b.com", _NONE), _ENTRY, _to("*.com", _TLS, "wide")),
]
DENY = [
    _case(_to("a.com", _TLS), _to("a.com", _NONE), _ENTRY),
    _case(_to("a.com", _TLS), _to("b.com", _TLS), _ENTRY),
    _case("null", _to("a.com", _NONE), _ENTRY, _to("*.com", _TLS, "wide")),
]
WARN = [_case(_to("a.com", _TLS), "null", _ENTRY)]


@rule(
    kinds=(DESTINATION_RULE,),
    operations=("CREATE", "UPDATE", "DELETE"),
    reads=(DESTINATION_RULE, SERVICE_ENTRY, NAMESPACE),
    transition=True,
    shaped=True,
    severity="high",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for the first port that loses TLS; a deletion warns, its entry may go too."""
    root = cluster.site.mesh.root
    yield from misshapen(mapping(review.object, "spec"), SHAPE, CHECK, ("spec",))
    before = _with(review, cluster, review.old)
    after = _with(review, cluster, None if review.operation == "DELETE" else review.object)
    for entry in _entries(cluster, review.namespace):
        namespaces = (entry.namespace, root)
        for host in hosts_of(entry.spec):
            for port in ports_of(entry.spec):
                if port.speech != "clear":
                    continue
                was = sends(before, host, port.number, namespaces=namespaces)
                if was == "clear" or sends(after, host, port.number, namespaces=namespaces) == was:
                    continue
                yield _finding(review, entry, f"{host}:{port.number}")
                return


def _entries(cluster: Cluster, namespace: str) -> Iterator[MeshPolicy]:
    """The ServiceEntries whose callers a rule of this namespace may be about."""
    for home, entries in cluster.service_entries.items():
        if namespace in (home, cluster.site.mesh.root):
            yield from entries


def _with(review: Review, cluster: Cluster, value: JSON) -> MeshPolicies:
    """The DestinationRules, with this value in the place of the one under review."""
    known, stored = cluster.destination_rules, mapping(review.old, "metadata").get("name")
    name = review.own_name if stored is None else str(stored)
    ages = {one.name: one.created for one in known.get(review.namespace, ())}
    own = [one for one in known.get(review.namespace, ()) if one.name != name]
    if value is not None:
        spec, age = mapping(value, "spec"), ages.get(name) or _YOUNGEST
        own.append(MeshPolicy(review.namespace, name, age, managed=False, spec=spec))
    return {**known, review.namespace: (), **by_namespace(own)}


def _finding(review: Review, entry: MeshPolicy, called: str) -> Finding:
    path, state = _PLACES[review.operation]
    return Finding(
        check=CHECK,
        path=path,
        message=f"{state}: calls to {quote(called)} of ServiceEntry {quote(entry.name)} would be "
        "clear text; keep tls.mode SIMPLE (plain-HTTP egress)",
        found=called,
        level="warn" if review.operation == "DELETE" else "deny",
    )
