"""Rules about requests should not stand beside one that lets every request through.

Why: on the same peers and port a rule without requests opens them all, and what the others list
is void.
Source: specification egress 1.2 (merging) and 4 (L7-VOID).

One object is looked at; another policy of the same pods may void its rules as well.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from rules.frames import cilium
from rules.model import CILIUM_POLICIES, Finding, rule
from rules.netpol.model import Grant, NamedPort, Unknown
from rules.netpol.questions import entries
from rules.policies import Asked
from rules.review import Cluster, Review

_PORT = "ports: [{port: '8080', protocol: TCP}]"
_OPEN = f"{{toEndpoints: [{{}}], toPorts: [{{{_PORT}}}]}}"
_GET = f"{{toEndpoints: [{{}}], toPorts: [{{{_PORT}, rules: {{http: [{{method: GET}}]}}}}]}}"
ALLOW = [
    cilium(f"[{_GET}]"),
    cilium(f"[{_OPEN}]"),
    cilium(f"[{_GET}, {_OPEN.replace('80', '90')}]"),
]
WARN = [cilium(f"[{_GET}, {_OPEN}]")]


@rule(kinds=CILIUM_POLICIES, severity="medium")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each rule that voids another's."""
    grants = list(Asked(review, cluster).grants())
    asking = {key for grant in grants if grant.inspection.rules for key in _keys(grant)}
    for grant in grants:
        if not grant.inspection.rules and not asking.isdisjoint(_keys(grant)):
            yield Finding(
                check="L7-VOID",
                path=grant.path,
                message="allows every request on peers and a port of which another rule of this "
                "object lists requests, so that list is void; take one of both out",
                found=None,
                level="warn",
            )


def _keys(grant: Grant) -> Iterator[Hashable]:
    """What rules are merged by: the peers as written, protocol, port and end of the range."""
    for entry in entries(grant):
        for port in grant.ports:
            if isinstance(port, Unknown):
                continue
            number = port.name if isinstance(port, NamedPort) else (port.first, port.end)
            for protocol in port.protocols:
                yield grant.direction, entry.peer, protocol, number
