"""A policy or declaration must name the domains that it opens, not whole registries of them.

Why: anybody can have a name under a suffix that many share, so opening all of them opens the way
to whoever wants the data.
Source: specification egress 4 (FQDN-WILDCARD).

Suffixes that many share are single labels (`com`) and those of the parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.frames import admin, cilium, cluster, enterprise
from rules.hosts import is_mesh_host, normal
from rules.model import (
    ADMIN_POLICIES,
    CALICO_POLICIES,
    CILIUM_POLICIES,
    SERVICE_ENTRY,
    Finding,
    Path,
    rule,
)
from rules.netpol.questions import fixed_part, names
from rules.pods import mapping
from rules.policies import Asked, place_of_name
from rules.review import Cluster, Review
from rules.words import quote

_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_PATTERN = f"[{{toFQDNs: [{{matchPattern: '%s'}}], {_443}}}]"
_DOMAINS = "{action: %s, to: [{domainNames: ['%s']}]}"
SHARED = (
    *("co.uk", "com.au", "co.jp", "azure.com", "windows.net", "core.windows.net"),
    *("blob.core.windows.net", "file.core.windows.net", "queue.core.windows.net"),
    *("table.core.windows.net", "web.core.windows.net", "azurewebsites.net", "azureedge.net"),
    *("azurefd.net", "cloudapp.azure.com", "cloudapp.net", "trafficmanager.net", "azurecr.io"),
    *("servicebus.windows.net", "vault.azure.net", "database.windows.net", "azure-api.net"),
    *("amazonaws.com", "s3.amazonaws.com", "cloudfront.net", "googleapis.com", "appspot.com"),
    *("github.io", "githubusercontent.com", "pages.dev", "workers.dev", "netlify.app", "ngrok.io"),
)

ALLOW = [
    cilium(_PATTERN % "*.google.com"),
    cilium(_PATTERN % "*.account.blob.core.windows.net"),
    cilium("[{toFQDNs: [{matchName: account.blob.core.windows.net}]}]"),
    admin(_DOMAINS % ("Allow", "*.example.com")),
    "{kind: ServiceEntry, spec: {hosts: ['*.example.com', '*.shop.svc.cluster.local']}}",
]
DENY = [
    cilium(_PATTERN % "*"),
    cilium(_PATTERN % "**."),
    cilium(_PATTERN % "*.*"),
]
WARN = [
    cilium(_PATTERN % "*.com"),
    cilium(_PATTERN % "*google.com"),
    cilium(_PATTERN % "**.blob.core.windows.net"),
    admin(_DOMAINS % ("Allow", "*.github.io")),
    cluster(_DOMAINS % ("Accept", "*.co.uk")),
    "{kind: ServiceEntry, spec: {hosts: ['*.com']}}",
    *enterprise("{action: Allow, protocol: TCP, destination: {domains: ['*.com'], ports: [443]}}"),
]


@rule(kinds=(*CILIUM_POLICIES, *ADMIN_POLICIES, *CALICO_POLICIES, SERVICE_ENTRY), severity="high")
def check(
    review: Review, cluster: Cluster, *, shared_suffixes: Sequence[str] = SHARED
) -> Iterator[Finding]:
    """`shared_suffixes`: those under which anybody can have a name. Denies where none is fixed."""
    for path, pattern in _patterns(review, cluster):
        fixed = fixed_part(pattern)
        anybody = not fixed and not pattern.strip("*.")
        if "*" not in pattern or (not anybody and "." in fixed and fixed not in shared_suffixes):
            continue
        whose = "every name there is" if anybody else f"names of anybody under {quote(fixed)}"
        yield Finding(
            check="FQDN-WILDCARD",
            path=path,
            message=f"is {quote(pattern)}, which covers {whose}; name the domains",
            found=pattern,
            level="deny" if anybody else "warn",
        )


def _patterns(review: Review, cluster: Cluster) -> Iterator[tuple[Path, str]]:
    """The names and patterns that the object opens or declares, each with its place."""
    if review.kind == SERVICE_ENTRY.kind:
        hosts = mapping(review.object, "spec").get("hosts")
        for index, host in enumerate(hosts if isinstance(hosts, list) else ()):
            if isinstance(host, str) and not is_mesh_host(host):
                yield ("spec", "hosts", index), normal(host)
        return
    for grant in {grant.path: grant for grant in Asked(review, cluster).grants("egress")}.values():
        for entry, pattern in names(grant):
            yield place_of_name(review, entry), pattern
