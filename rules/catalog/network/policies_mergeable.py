"""Policies that Cilium cannot merge for a pod must not come together.

Why: then no policy of that pod is computed any more, and it keeps the rules that it had before.
Source: specification egress 1.2.1 and 4 (CILIUM-CONFLICT); cilium/cilium pkg/policy.

A tenant's policy could freeze the platform's so. Who brings the conflict is told, be it the policy
or the pod; what was there before is not held against anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.model import NETWORK, NETWORK_POLICIES, POD, PODS, Finding, Level, Path, rule
from rules.netpol.engine import Conflict
from rules.netpol.model import NO_INSPECTION
from rules.netpol.sides import Side
from rules.proposal import grants, origin_shown, propose, shown, stand
from rules.review import Cluster, Review
from rules.statement import key_in
from rules.words import place, printable

_TO = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: %s, "
    "namespace: default}, spec: {endpointSelector: {}, egress: [{toEndpoints: [{}], "
    "toPorts: [{ports: [{port: '53', protocol: %s}], rules: {%s}}]}]}}"
)
_HTTP, _DNS = (
    _TO % ("http", "TCP", "http: [{}]"),
    _TO % ("dns", "TCP", "dns: [{matchPattern: '*'}]"),
)
_POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}}"
_NEW = "{kind: Pod, metadata: {name: a, namespace: default}}"
ALLOW = [
    _HTTP,
    f"{{object: {_HTTP}, cluster: [{_POD}]}}",
    f"{{object: {_HTTP}, cluster: [{_POD}, {_TO % ('other', 'TCP', 'http: [{}]')}]}}",
    f"{{object: {_HTTP}, cluster: [{_DNS}]}}",
    f"{{object: {_NEW}, cluster: [{_HTTP}]}}",
]
WARN = [f"{{object: {_NEW}, cluster: [{_HTTP}, {_DNS}]}}"]


@rule(kinds=(*PODS, *NETWORK_POLICIES), reads=NETWORK, shaped=True, by_group=True, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A policy is denied where it brings the conflict; a pod that meets one is warned of."""
    if review.kind == POD.kind:
        conflict = _conflict(stand(review, cluster).sides.values())
        if conflict is not None:
            yield _finding("bring the pod under", conflict, ("metadata", "labels"), "warn")
        return
    proposal = propose(review, cluster)
    own = proposal.after.policies_at(key_in(review))
    if all(grant.inspection == NO_INSPECTION for policy in own for grant in policy.grants):
        return
    for each in proposal.subjects:
        conflict = _conflict(each.future.values())
        if conflict is not None and _conflict(each.former.values()) is None:
            yield _finding(f"leaves {shown(each.now)} with", conflict, ("spec",), "deny")
            return


def _finding(said: str, conflict: Conflict, path: Path, level: Level) -> Finding:
    one = origin_shown(conflict.origin)
    message = f"{said} {one}, which Cilium cannot merge with another; take other ports in one"
    return Finding(
        check="CILIUM-CONFLICT",
        path=path,
        message=printable(message),
        found=conflict.reason,
        level=level,
        why=printable(f"{one} at {place(conflict.path)} {conflict.reason}"),
    )


def _conflict(directions: Iterable[tuple[Side, ...]]) -> Conflict | None:
    sides = [side for each in directions for side in each]
    if not sides:
        return None
    engine = sides[0].matcher.engine
    return next(iter(engine.conflicts(grants(sides), any_order=True)), None)
