"""What the guarantees stand on, looked at when the server starts and when the cluster changes.

No request shows these: what the platform must have installed, and whether we are asked at all.
Whatever is missing is a metric and a line of the log, never unreadiness (contracts 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rules import engine, mending
from rules.content import Content
from rules.facts import Term
from rules.model import JSON, POD
from rules.mtls import effective
from rules.review import Cluster, Review
from rules.rulebook import Configured
from rules.site import Site
from rules.words import printable

_SILENT_POD: JSON = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}}
_SANDBOX_AND_MESH = frozenset({"sandboxed-runtime-class", "sidecar-injected"})
_NAME = "kubernetes.io/metadata.name"


class Gap(NamedTuple):
    """Something that is not there: the rule or check that it concerns, and a sentence."""

    name: str
    sentence: str


def refused(rules: Sequence[Configured], cluster: Cluster) -> list[Gap]:
    """The mending rules that deny even a pod that says nothing: what they need is not there.

    A missing runtime class or mesh revision shows here, before any pod does.
    """
    menders = [
        replace(configured.default, mends=True, action="enforce")
        for configured in rules
        if configured.default.rule.mend != "off" and configured.default.action != "off"
        if POD in configured.default.rule.kinds
    ]
    review = Review(
        operation="CREATE",
        group=POD.group,
        resource=POD.resource,
        kind=POD.kind,
        phases=("raw",),
        new=Content.of(_SILENT_POD),
    )
    _, findings, _ = mending.mend(menders, engine.open_case(review), cluster)
    deny = "even a pod that says nothing would be denied"
    return [Gap(f.rule, f"{deny}: {f.message}") for f in findings]


def gaps(
    rules: Iterable[Configured], cluster: Cluster, registered: Mapping[str, Iterable[Term]]
) -> Iterator[Gap]:
    """What else is missing; `registered` are the selectors of our webhook configurations."""
    standing = {one.default.rule.name for one in rules if one.default.action != "off"}
    if "strict-peer-authentication" in standing:
        yield from _open_mesh(cluster)
    if cluster.site.mesh.redirection == "CNIChaining" and standing >= _SANDBOX_AND_MESH:
        yield Gap(
            "MESH-REDIRECTION",
            "mesh.redirection is CNIChaining, and Istio's CNI plugin does not see the traffic of a "
            "sandboxed pod: pods with a sidecar will not start; set InitContainers",
        )
    for name, terms in registered.items():
        foreign = sorted({str(term) for term in terms if _is_foreign(term, cluster.site)})
        if foreign:
            yield Gap(
                "ADMISSION-SELECTOR",
                f"{name} has terms that are not ours, and requests that they leave out are not "
                f"judged: {printable(', '.join(foreign))}; install it again, with its label "
                "admissions.enforcer/disabled",
            )


def _open_mesh(cluster: Cluster) -> Iterator[Gap]:
    """Where the mesh asks for no mutual TLS. Source: sandbox-and-mesh 5, PeerAuthentication."""
    policies, root = cluster.peer_authentications, cluster.site.mesh.root
    mode = effective(policies, root, {}, root=root).mode
    if mode != "STRICT" and (policies or cluster.live):
        yield Gap(
            "MESH-PeerAuthentication",
            f"the mesh is {printable(mode)}: in {root} no PeerAuthentication without a selector "
            "asks for STRICT, or an older one stands before it; what leaves its mode open accepts "
            "clear text",
        )


def _is_foreign(term: Term, site: Site) -> bool:
    """Whether a term is none that we print for this rulebook, and leaves out more.

    Source: sandbox-and-mesh 1.1; on AKS an enforcer adds terms that tenants can meet.
    """
    if term.key != _NAME:
        return True
    if term.operator == "NotIn":
        return not site.trusted.namespaces.issuperset(term.values)
    return term.operator != "In" or term.values != (site.mesh.root,)
