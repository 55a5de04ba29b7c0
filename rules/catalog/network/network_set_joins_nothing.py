"""A tenant's set of networks must not wear the labels by which others are selected.

Why: what another tenant's policy selects by namespace or account then holds the networks of the
set, and those may be the whole Internet.
Source: specification egress 1.3.1 (Sets) and 4 (CALICO-OPEN).
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import NETWORK_SETS, Finding, Fix, Operation, rule
from rules.netpol.dialects.calico.labels import OF_NAMESPACE, OF_SERVICE_ACCOUNT
from rules.pods import labels_of
from rules.review import Cluster, Review
from rules.words import quote

_SET = (
    "{apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {labels: {%s}},"
    " spec: {nets: [198.51.100.0/24]}}"
)
GIVEN = (OF_NAMESPACE, OF_SERVICE_ACCOUNT, "projectcalico.org/")
"""How the labels begin that Calico gives to pods by itself."""
ALLOW = [_SET % "", _SET % "app: partners"]
DENY = [
    _SET % "pcns.tenant: a",
    _SET % "pcsa.role: db",
    _SET % "projectcalico.org/orchestrator: k8s",
]


@rule(kinds=NETWORK_SETS, shaped=True, severity="high")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each such label."""
    for key, value in labels_of(review.object).items():
        if key.startswith(GIVEN):
            path = ("metadata", "labels", key)
            yield Finding(
                check="CALICO-OPEN",
                path=path,
                message=f"is {quote(value)}: Calico gives labels that begin so to pods, and what "
                "selects them holds this set, too; leave it out",
                found=value,
                fix=Fix((Operation("remove", path),), safe=False),
            )
