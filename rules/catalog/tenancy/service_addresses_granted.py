"""A Service of a tenant must have the addresses that the cluster gives it, and no others.

Why: nodes send what is meant for such an address to the pods of the Service, whoever owns the
address: a tenant could read what others send to it.
Source: contracts 11, SERVICE-THEFT; CVE-2020-8554.

`spec.externalIPs` are of no use on AKS. `status.loadBalancer` is written by the controllers that
make load balancers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import SERVICE, Finding, Fix, Operation, Path, rule
from rules.patch import lookup
from rules.principal import admission, introduce, is_platform
from rules.review import Cluster, Review
from rules.words import quote

EXTERNAL: Path = ("spec", "externalIPs")
GIVEN: Path = ("status", "loadBalancer")

_PLAIN = "{kind: Service, spec: {ports: [{port: 80}]}, status: {loadBalancer: {}}}"
_GIVEN = "{kind: Service, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}"
_GIVING = f"object: {_GIVEN}, old: {_PLAIN}, operation: UPDATE, subresource: status"
_CONTROLLER = "system:serviceaccount:kube-system:service-controller"
ALLOW = [
    _PLAIN,
    "{kind: Service, spec: {externalIPs: []}}",
    f"{{{_GIVING}, user: {{username: '{_CONTROLLER}'}}}}",
    f"{{{_GIVING}, user: {{groups: ['system:masters']}}}}",
    f"{{object: {_GIVEN}, old: {_GIVEN}, operation: UPDATE, subresource: status}}",
]
DENY = [
    "{kind: Service, spec: {externalIPs: [192.0.2.1]}}",
    f"{{{_GIVING}}}",
    f"{{object: {_PLAIN}, old: {_GIVEN}, operation: UPDATE, subresource: status}}",
]


@rule(kinds=(SERVICE,), subresources=("", "status"), shaped=True, severity="high")
def check(
    review: Review,
    cluster: Cluster,
    *,
    controllers: Sequence[str] = (
        "system:serviceaccount:kube-system:service-controller",
        "system:cloud-controller-manager",
    ),
) -> Iterator[Finding]:
    """`controllers`: the exact users that write which addresses a load balancer has."""
    if review.subresource == "status":
        yield from _status(review, cluster, controllers)
        return
    addresses = lookup(review.object, EXTERNAL)
    if isinstance(addresses, list) and addresses:
        yield Finding(
            check="SERVICE-THEFT",
            path=EXTERNAL,
            message=f"is {quote(addresses)}; remove it, and use type LoadBalancer to be reached",
            found=addresses,
            fix=Fix((Operation("remove", EXTERNAL),), safe=False),
            why="the nodes would send what anybody sends to these addresses to this Service",
        )


def _status(review: Review, cluster: Cluster, controllers: Sequence[str]) -> Iterator[Finding]:
    """The API server takes only the status of such a request."""
    asker = review.requester
    if asker is None or asker.username in controllers or is_platform(review, cluster):
        return
    if lookup(review.object, GIVEN) != lookup(review.old, GIVEN):
        yield Finding(
            check="SERVICE-THEFT",
            path=GIVEN,
            message="is changed; leave it to the controller of load balancers: "
            f"{introduce(review)} is not the platform",
            found=lookup(review.object, GIVEN),
            why="the nodes would send what anybody sends to such an address to this Service; "
            + admission(review),
        )
