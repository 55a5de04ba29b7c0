"""A policy about domains should let its pods ask DNS where Cilium can listen.

Why: Cilium learns the addresses of a name only from answers that pass its DNS proxy; without one
the names stay without addresses, and nothing is let through.
Source: specification egress 1.2 (toFQDNs) and 4 (FQDN-NO-DNS).

The object alone is judged: one that opens DNS without listening to it. Another policy of the same
pods may listen.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import cilium
from rules.model import CILIUM_POLICIES, Finding, Fix, Operation, rule
from rules.netpol.model import L7, Grant, PortEntry
from rules.netpol.questions import names
from rules.policies import Asked
from rules.review import Cluster, Review

_NAME = "{toFQDNs: [{matchName: a.com}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}"
_DNS = (
    "{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system}}],"
    " toPorts: [{ports: [{port: '53', protocol: ANY}]%s}]}"
)
ALLOW = [
    cilium(f"[{_NAME}]"),
    cilium(f"[{_DNS % ''}]"),
    cilium(f"[{_NAME}, {_DNS % ', rules: {dns: [{matchPattern: a.com}]}'}]"),
    f"{{network: {{acns: {{fqdn: false}}}}, object: {cilium(f'[{_NAME}, {_DNS % str()}]')}}}",
]
WARN = [cilium(f"[{_NAME}, {_DNS % ''}]")]
DNS = 53


@rule(kinds=CILIUM_POLICIES, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """The fix lets every name be asked, so nothing that works stops working."""
    asked = Asked(review, cluster)
    grants = list(asked.grants("egress"))
    named = any(True for grant in grants for _ in names(grant))
    heard = any(grant.l7 == L7.DNS for grant in grants)
    if not named or heard or not asked.network.acns.fqdn:
        return
    for grant in grants:
        entry = next((each for each in grant.ports if _is_dns(grant, each)), None)
        if entry is not None:
            path = (*entry.path[:-2], "rules")
            yield Finding(
                check="FQDN-NO-DNS",
                path=path,
                message="is missing, so Cilium never learns the addresses of the names in toFQDNs; "
                'add dns: [{matchPattern: "*"}], or the names alone',
                found=None,
                level="warn",
                fix=Fix((Operation("add", path, {"dns": [{"matchPattern": "*"}]}),), safe=True),
            )


def _is_dns(grant: Grant, entry: object) -> bool:
    return isinstance(entry, PortEntry) and entry.first == entry.last == DNS and grant.l7 == L7.NONE
