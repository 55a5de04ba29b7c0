"""A pod should not call another tenant by plain HTTP where no mutual TLS carries it.

Why: whoever sits between two tenants could read and change it, and neither knows the other.
Source: specification egress 2 (POD_OTHER_TENANT), 2.1 and 1.5.

A URL is evidence, not proof, and CROSS-TENANT judges whether the pod gets there, so it is only told
of. Mutual TLS carries it where both namespaces are of the mesh and the other asks for STRICT.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.egress import Outside
from rules.evidence import aliases_of
from rules.injection import Injection
from rules.model import (
    MUTATING_WEBHOOKS,
    NETWORK,
    PEER_AUTHENTICATION,
    POD,
    PODS,
    Finding,
    rule,
)
from rules.mtls import STRICT, effective
from rules.review import Cluster, Review
from rules.words import quote

_SPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s}}}"
_MESHED = "istio.io/rev: asm-1-28"
_INJECTOR = (
    "{kind: MutatingWebhookConfiguration, metadata: {name: i, labels: {app: sidecar-injector, "
    "istio.io/rev: asm-1-28}}}"
)
_STRICT = (
    "{kind: PeerAuthentication, metadata: {name: all, namespace: aks-istio-system}, "
    "spec: {mtls: {mode: STRICT}}}"
)
_EXTERNAL = (
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
    "spec: {type: ExternalName, externalName: api.example.com}}"
)


def _calling(url: str, *objects: str) -> str:
    container = f"{{name: a, env: [{{name: A_URL, value: '{url}'}}]}}"
    pod = f"{{kind: Pod, spec: {{containers: [{container}]}}}}"
    return f"{{object: {pod}, cluster: [{', '.join(objects)}]}}"


def _of(tenant: str) -> str:
    return f"sallyport.dev/tenant: {tenant}"


_SHOP = _SPACE % ("shop", "")
_BOTH = _SPACE % ("default", _MESHED), _SPACE % ("shop", _MESHED), _INJECTOR
ALLOW = [
    _calling("http://web:8080", _SHOP),
    _calling("http://web.default.svc", _SHOP),
    _calling("https://web.shop.svc", _SHOP),
    _calling("http://web.shop.example.com", _SHOP),
    _calling("http://dns.kube-system.svc.cluster.local", _SHOP),
    _calling("http://web.shop.svc", _SPACE % ("shop", _of("a")), _SPACE % ("default", _of("a"))),
    _calling("http://web.shop.svc", *_BOTH, _STRICT),
    _calling("http://web.shop.svc", _SHOP, _EXTERNAL),
]
INFO = [
    _calling("http://web.shop", _SHOP),
    _calling("http://web.shop.svc:8080/a"),
    _calling("http://pod-0.web.shop.svc.cluster.local", _SHOP),
    _calling("http://web.shop.svc", _SPACE % ("shop", _of("a")), _SPACE % ("default", _of("b"))),
    _calling("http://web.shop.svc", *_BOTH),
    _calling("http://web.shop.svc", _SPACE % ("default", _MESHED), _SHOP, _INJECTOR, _STRICT),
]


@rule(
    kinds=PODS,
    also=((POD, "ephemeralcontainers"),),
    reads=(*NETWORK, PEER_AUTHENTICATION, MUTATING_WEBHOOKS),
    shaped=True,
    severity="low",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each namespace that is called so."""
    found = [mention for mention in review.mentions if mention.url.scheme == "http"]
    if not found:
        return
    outside = Outside.of(cluster, review.namespace)
    aliases, told = aliases_of(review.pod), set[str]()
    for mention in found:
        home = outside.home(mention.url.host, aliases)
        if home is None or home in told or not _is_foreign(home, review.namespace, cluster):
            continue
        told.add(home)
        if not _is_covered(home, review, cluster):
            yield Finding(
                check="PLAIN-HTTP",
                path=mention.path,
                message=f"calls {quote(str(mention.url))} of another tenant without mutual TLS; "
                "use https (plain-HTTP egress)",
                found=str(mention.url),
                level="info",
            )


def _is_foreign(name: str, own: str, cluster: Cluster) -> bool:
    if name == own or cluster.trusts(name):
        return False
    tenant = cluster.tenant(own)
    return not tenant or tenant != cluster.tenant(name)


def _is_covered(name: str, review: Review, cluster: Cluster) -> bool:
    """Whether both ends get a sidecar, and that of the other refuses clear text."""
    policies, known = cluster.peer_authentications, cluster.revisions
    mode = effective(policies, name, {}, root=cluster.site.mesh.root).mode
    caller = Injection.of(review.pod, cluster.namespace(review.namespace), known)
    called = Injection(cluster.namespace(name), {}, {}, host_network=False, known=known)
    return mode == STRICT and not caller.obstacles() and not called.obstacles()
