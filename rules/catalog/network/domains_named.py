"""A policy or declaration must name the domains that it opens, not whole registries of them.

Why: anybody can have a name under a suffix that many share, so opening all of them opens the way
to whoever wants the data.
Source: specification egress 4 (FQDN-WILDCARD).

Suffixes that many share are single labels (`com`) and those of the parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.frames import admin, calico, cilium, cluster, enterprise
from rules.hosts import is_mesh_host, normal
from rules.model import (
    ADMIN_POLICIES,
    CALICO_POLICIES,
    CALICO_SETS,
    CILIUM_POLICIES,
    SERVICE_ENTRY,
    Finding,
    Path,
    rule,
)
from rules.netpol.names import fixed_part
from rules.netpol.questions import names
from rules.patch import lookup
from rules.pods import mapping
from rules.policies import Asked, place_of_name
from rules.review import Cluster, Review
from rules.widening import items_of
from rules.words import quote

_443 = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
_PATTERN = f"[{{toFQDNs: [{{matchPattern: '%s'}}], {_443}}}]"
_CALICO = "{action: Allow, protocol: TCP, destination: {domains: [%s], ports: [443]}}"
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

_SET = (
    "{network: {engine: calico, calico: enterprise, enforced: [projectcalico.org/*]}, object: "
    "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: a}, spec: "
    "{allowedEgressDomains: ['%s']}}}"
)
SETS = frozenset(kind.kind for kind in CALICO_SETS)

ALLOW = [
    cilium(_PATTERN % "*.google.com"),
    cilium(_PATTERN % "*.account.blob.core.windows.net"),
    cilium("[{toFQDNs: [{matchName: account.blob.core.windows.net}]}]"),
    admin(_DOMAINS % ("Allow", "*.example.com")),
    enterprise(calico(_CALICO % "'*.example.com'")),
    calico(_CALICO % "'*.com'"),
    _SET % "*.example.com",
    "{kind: ServiceEntry, spec: {hosts: ['*.example.com', '*.shop.svc.cluster.local']}}",
]
DENY = [
    cilium(_PATTERN % "*"),
    cilium(_PATTERN % "**."),
    cilium(_PATTERN % "*.*"),
    enterprise(calico(_CALICO % "'*'")),
    _SET % "*",
]
WARN = [
    cilium(_PATTERN % "*.com"),
    cilium(_PATTERN % "*google.com"),
    cilium(_PATTERN % "**.blob.core.windows.net"),
    admin(_DOMAINS % ("Allow", "*.github.io")),
    cluster(_DOMAINS % ("Accept", "*.co.uk")),
    enterprise(calico(_CALICO % "example.com, '*.github.io'", "NetworkPolicy")),
    enterprise(calico(_CALICO % "www.google.*")),
    "{kind: ServiceEntry, spec: {hosts: ['*.com']}}",
]


@rule(
    kinds=(*CILIUM_POLICIES, *ADMIN_POLICIES, *CALICO_POLICIES, *CALICO_SETS, SERVICE_ENTRY),
    severity="high",
)
def check(
    review: Review, cluster: Cluster, *, shared_suffixes: Sequence[str] = SHARED
) -> Iterator[Finding]:
    """`shared_suffixes`: those under which anybody can have a name. Denies where none is fixed."""
    if review.kind == SERVICE_ENTRY.kind:
        for path, host in _hosts(review):
            yield from _judge(review, path, host, shared_suffixes)
        return
    asked = Asked(review, cluster)
    for grant in {grant.path: grant for grant in asked.grants("egress")}.values():
        for entry, pattern in names(grant):
            yield from _judge(review, place_of_name(review, entry), pattern, shared_suffixes)
    if review.kind in SETS and asked.engine.set_names:  # no rule denies by them
        for path, part in items_of(review):
            for pattern in part.names:
                yield from _judge(review, path, pattern, shared_suffixes)


def _judge(review: Review, path: Path, pattern: str, shared: Sequence[str]) -> Iterator[Finding]:
    fixed = fixed_part(pattern)
    anybody = not fixed and not pattern.strip("*.")
    if "*" not in pattern or (not anybody and "." in fixed and fixed not in shared):
        return
    whose = f"names of anybody under {quote(fixed)}" if fixed else "names of anybody"
    yield Finding(
        check="FQDN-WILDCARD",
        path=path,
        message=f"is {quote(lookup(review.object, path))}, which covers "
        f"{'every name there is' if anybody else whose}; name the domains",
        found=pattern,
        level="deny" if anybody else "warn",
    )


def _hosts(review: Review) -> Iterator[tuple[Path, str]]:
    """The hosts outside the mesh that a ServiceEntry declares, each with its place."""
    hosts = mapping(review.object, "spec").get("hosts")
    for index, host in enumerate(hosts if isinstance(hosts, list) else ()):
        if isinstance(host, str) and not is_mesh_host(host):
            yield ("spec", "hosts", index), normal(host)
