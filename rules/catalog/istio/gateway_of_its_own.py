"""A Gateway of a tenant must select gateways of its own, or serve only hosts that are its own.

Why: a Gateway selects pods in all namespaces, so it can take over hosts on the shared gateways.
Source: sandbox-and-mesh 5 and 5.1; istio/istio PILOT_SCOPE_GATEWAY_TO_NAMESPACE (off).

`hosts`: what this tenant may serve on a shared gateway, exact or `*.example.com`, by override.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.hosts import is_listed, normal
from rules.model import ISTIO_GATEWAY, JSON, Finding, Path, rule
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-Gateway"
SHAPE = {"selector": {str: str}, "servers": [{"hosts": [str]}]}
SHARED = ("aks-istio-ingressgateway-external", "aks-istio-ingressgateway-internal")
TELLING = ("istio", "app")
"""The labels that tell a gateway of the tenant from a shared one."""


def _gateway(selector: str, host: str) -> str:
    return f"{{kind: Gateway, spec: {{{selector}, servers: [{{hosts: [{host}]}}]}}}}"


def _listed(gateway: str) -> str:
    return f"{{object: {gateway}, parameters: {{hosts: [shop.example.com, '*.shop.dev']}}}}"


_OWN = "selector: {istio: shop-gateway}"
_SHARED = "selector: {istio: aks-istio-ingressgateway-external}"
ALLOW = [
    _gateway(_OWN, "a.example.com"),
    _listed(_gateway(_SHARED, "shop.example.com")),
    _listed(_gateway(_SHARED, "./a.shop.dev")),
]
DENY = [
    _gateway(_OWN, "'*'"),
    _gateway(_OWN, "'./*'"),
    _gateway(_OWN, "'*.'"),
    _gateway(_SHARED, "a.example.com"),
    _listed(_gateway(_SHARED, "pay.example.com")),
    _listed(_gateway(_SHARED, "'*.dev'")),
    _gateway("selector: {tier: front}", "a.example.com"),
    _gateway("selector: {}", "a.example.com"),
    "{kind: Gateway, spec: {servers: [{hosts: [a.example.com]}]}}",
]


@rule(kinds=(ISTIO_GATEWAY,), shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster, *, hosts: Sequence[str] = ()) -> Iterator[Finding]:
    """`hosts`: what may be served on a shared gateway."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    served = list(_hosts(spec))
    for path, host in served:
        if normal(host) == "*":
            message = f"is {quote(host)}, every host there is; name those that are yours"
            yield Finding(check=CHECK, path=path, message=message, found=host)
    selector = mapping(spec, "selector")
    foreign = [host for _, host in served if not is_listed(host, hosts)]
    if _selects_shared(selector) and (foreign or not served):
        telling = next((key for key in TELLING if key in selector), None)
        what = f"{quote(foreign[0])} is not yours" if foreign else "it names no host"
        yield Finding(
            check=CHECK,
            path=("spec", "selector", telling) if telling else ("spec", "selector"),
            message=f"may select the gateways that all share, and {what} there; set label istio "
            "to a gateway of your own",
            found=foreign,
        )


def _selects_shared(selector: JSON) -> bool:
    """Whether a shared gateway may match: no label tells it from one."""
    return all(selector.get(key, SHARED[0]) in SHARED for key in TELLING)


def _hosts(spec: JSON) -> Iterator[tuple[Path, str]]:
    """The hosts served with their places, without the namespace before the slash."""
    servers = mapping(spec).get("servers")
    for index, server in enumerate(servers if isinstance(servers, list) else ()):
        found = mapping(server).get("hosts")
        for number, host in enumerate(found if isinstance(found, list) else ("*",)):
            yield ("spec", "servers", index, "hosts", number), str(host).rpartition("/")[2]
