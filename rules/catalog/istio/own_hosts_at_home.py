"""A ServiceEntry or VirtualService must keep to hosts of its own and to its own namespace.

Why: both reach every namespace unless exportTo says no, and so could redirect what others call.
Source: sandbox-and-mesh 5 and 5.1; Istio API reference, ServiceEntry and VirtualService.

A VirtualService that only serves gateways which the rulebook lists may be exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

from rules.hosts import is_mesh_host, namespace_of
from rules.model import JSON, SERVICE_ENTRY, VIRTUAL_SERVICE, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

LOCATIONS = (None, "MESH_EXTERNAL")
SHAPE = {
    "hosts": [str],
    "gateways": [str],
    "exportTo": [str],
    "endpoints": [{"address": str}],
    "workloadSelector": dict,
}
EXPORT: Path = ("spec", "exportTo")
_LOCAL = "exportTo: ['.']"


def _routes(text: str) -> str:
    return f"{{kind: VirtualService, spec: {{{text}}}}}"


def _entry(text: str) -> str:
    return f"{{kind: ServiceEntry, spec: {{{text}}}}}"


_SHARED = "gateways: [aks-istio-ingress/shared]"
ALLOW = [
    _routes(f"hosts: [reviews], {_LOCAL}"),
    _routes(f"hosts: [reviews.default.svc.cluster.local, api.example.com], {_LOCAL}"),
    _routes("hosts: [reviews], exportTo: [default]"),
    f"{{object: {_routes('hosts: [shop.example.com], ' + _SHARED)},"
    " parameters: {gateways: [aks-istio-ingress/shared]}}",
    _entry(f"hosts: [api.example.com], {_LOCAL}, endpoints: [{{address: 93.184.216.34}}]"),
]
DENY = [
    _routes("hosts: [pay.other.svc.cluster.local]"),  # 87
    _routes(f"hosts: [pay.other.svc.cluster.local], {_LOCAL}"),
    _routes(f"hosts: ['*'], {_LOCAL}"),
    _routes("hosts: [reviews]"),
    _routes(f"hosts: [shop.example.com], {_SHARED}"),
    _routes("hosts: [reviews], exportTo: ['*']"),
    _entry("hosts: [api.example.com]"),
    _entry(f"hosts: ['*.local'], {_LOCAL}"),
    _entry(f"hosts: [alias.example.com], {_LOCAL}, endpoints: [{{address: pay.shop.svc}}]"),
    _entry(f"hosts: [alias.example.com], {_LOCAL}, location: MESH_INTERNAL"),
    _entry(f"hosts: [alias.example.com], {_LOCAL}, workloadSelector: {{labels: {{app: pay}}}}"),
    _entry(f"hosts: [alias.example.com], {_LOCAL}, workloadSelector: {{}}"),
]


@rule(kinds=(SERVICE_ENTRY, VIRTUAL_SERVICE), shaped=True, severity="critical")
def check(review: Review, cluster: Cluster, *, gateways: Sequence[str] = ()) -> Iterator[Finding]:
    """`gateways`: those that a VirtualService may serve and be exported, as `namespace/name`."""
    spec, name = mapping(review.object, "spec"), f"MESH-{review.kind}"
    yield from misshapen(spec, SHAPE, name, ("spec",))
    for path, host in _texts(spec, "hosts"):
        if is_mesh_host(host) and namespace_of(host, review.namespace) != review.namespace:
            message = f"is {quote(host)}, a host of other namespaces; name hosts of your own"
            yield Finding(check=name, path=path, message=message, found=host)
    exported = spec.get("exportTo")
    served = _texts(spec, "gateways")
    listed = bool(served) and all(gateway in gateways for _, gateway in served)
    if exported not in (["."], [review.namespace]) and not listed:
        stated = "is not set" if exported is None else f"is {quote(exported)}"
        yield Finding(
            check=name,
            path=EXPORT,
            message=f'{stated}, so this holds in other namespaces too; set it to ["."]',
            found=exported,
            fix=Fix(set_field(review.object, EXPORT, ["."]), safe=False),
        )
    if review.kind == SERVICE_ENTRY.kind:
        yield from _judge_location(spec)
        yield from _judge_endpoints(spec, cluster)


def _judge_location(spec: JSON) -> Iterator[Finding]:
    """What is said to be in the mesh would be one more name for it, unknown to other rules."""
    stated = mapping(spec).get("location")
    if stated not in LOCATIONS:
        place: Path = ("spec", "location")
        yield Finding(
            check="MESH-ServiceEntry",
            path=place,
            message=f"is {quote(stated)}, and no name outside of the mesh is part of it; remove it",
            found=stated,
            fix=Fix((Operation("remove", place),), safe=False),
        )


def _judge_endpoints(spec: JSON, cluster: Cluster) -> Iterator[Finding]:
    """A name for what is in the mesh: calls by that name leave in clear text."""
    selector = mapping(spec).get("workloadSelector")
    if selector is not None:
        yield Finding(
            check="MESH-ServiceEntry",
            path=("spec", "workloadSelector"),
            message="picks pods, which are part of the mesh: calls by this name are clear text; "
            "call them by a Service",
            found=selector,
        )
    found = mapping(spec).get("endpoints")
    for index, endpoint in enumerate(found if isinstance(found, list) else ()):
        address = mapping(endpoint).get("address")
        if isinstance(address, str) and _is_inside(address, cluster):
            message = f"is {quote(address)}, part of the mesh: calls by this name are clear text"
            yield Finding(
                check="MESH-ServiceEntry",
                path=("spec", "endpoints", index, "address"),
                message=f"{message}; call the service by its own name",
                found=address,
            )


def _is_inside(address: str, cluster: Cluster) -> bool:
    cidrs = cluster.site.network.cidrs
    try:
        known = ip_address(address)
    except ValueError:
        return not address.startswith("unix:") and is_mesh_host(address)
    return any(known in ip_network(text, strict=False) for text in (*cidrs.pods, *cidrs.services))


def _texts(spec: JSON, key: str) -> list[tuple[Path, JSON]]:
    found = mapping(spec).get(key)
    items = found if isinstance(found, list) else ()
    return [(("spec", key, index), item) for index, item in enumerate(items)]
