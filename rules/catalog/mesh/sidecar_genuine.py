"""What stands in a pod as Istio's sidecar must be what Istio's injector makes.

Why: a container of one's own under Istio's names makes a pod look meshed that is not; Istio puts
its containers in by itself, so leave them to it.
Source: sandbox-and-mesh 4.3 (INJ-FINAL) and 4.4; istio/istio, files/injection-template.yaml.

Judged is the pod as it will be stored; of the author's text `sidecar-injected` tells what Istio
will do. Where no container has one of Istio's names and no annotation speaks of a sidecar, the rule
is silent unless `required` is true: set it where an injector runs in front of the API server, so
that a pod which it missed is denied.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import MESH_LABEL, Injection, Obstacle
from rules.model import MUTATING_WEBHOOKS, NAMESPACE, POD, Finding, rule
from rules.review import Cluster, Review
from rules.sidecar import IMAGE, STATUS, Sidecar


def _container(name: str, args: str, security: str, more: str = "", image: str = "") -> str:
    image = image or "mcr.microsoft.com/oss/istio/proxyv2:1.28.1"
    return (
        f"{{name: {name}, image: '{image}', args: {args}, securityContext: {{{security}}}, {more}}}"
    )


def _proxy(more: str = "", *, image: str = "", user: int = 1337, args: str = "sidecar") -> str:
    return _container("istio-proxy", f"[proxy, {args}]", f"runAsUser: {user}", more, image)


def _init(flags: str = "-d, '15090,15021,15020'", everything: str = "'*'", more: str = "") -> str:
    args = (
        f"[istio-iptables, -p, '15001', -z, '15006', -u, '1337', -m, REDIRECT, -i, {everything},"
        f" -x, '', -b, '*', {flags}]"
    )
    return _container("istio-init", args, "capabilities: {add: [NET_ADMIN, NET_RAW]}", more)


def _pod(first: str, *others: str, tls: str = "istio", notes: str = "", mesh: str = "") -> str:
    """An example: a pod as it will be stored, with these init containers and one that works."""
    return (
        f"{{object: {{kind: Pod, metadata: {{labels: {{security.istio.io/tlsMode: {tls}}},"
        f" annotations: {{sidecar.istio.io/status: '{{}}', {notes}}}}},"
        f" spec: {{containers: [{{name: app}}],"
        f" initContainers: [{', '.join([first, *others])}]}}}},"
        f" phase: final, mesh: {{{mesh}}}}}"
    )


_STAYS = "restartPolicy: Always"
_CNI = "redirection: CNIChaining"
_CHAINED = (
    "sidecar.istio.io/interceptionMode: REDIRECT,"
    " traffic.sidecar.istio.io/includeOutboundIPRanges: '*',"
    " traffic.sidecar.istio.io/includeInboundPorts: '*',"
    " traffic.sidecar.istio.io/excludeInboundPorts: '%s'"
)
_VALIDATION = _container("istio-validation", "[istio-iptables]", "runAsUser: 1337")
_OFF = "sallyport.dev/mesh: 'off'"
_MISSED = "{kind: Pod, spec: {containers: [{name: app}]}}"
_SPACE = "{kind: Namespace, metadata: {name: default, labels: {%s}}}"
ALLOW = [
    _pod(_init(), _proxy(_STAYS)),
    _pod(_init("-d, '15090,15021', '--log_output_level=default:info'"), _proxy(_STAYS)),
    _pod(_VALIDATION, _proxy(_STAYS), notes=_CHAINED % "15020", mesh=_CNI),
    f"{{object: {_MISSED}, phase: final}}",
    f"{{object: {_MISSED}, parameters: {{required: true}}}}",
    f"{{object: {_MISSED}, cluster: [{_SPACE % _OFF}], phase: final,"
    " parameters: {required: true}}",
]
DENY = [
    f"{{object: {_MISSED}, cluster: [{_SPACE % 'istio.io/rev: asm-1-28'}], phase: final,"
    " parameters: {required: true}}",
    _pod(_init(), _proxy()),  # an init container that ends
    _pod(_init(), _proxy(f"{_STAYS}, command: [sh]", image="evil.example/x:1")),
    _pod(_init(), _proxy(f"{_STAYS}, env: [{{name: DISABLE_ENVOY}}]", user=0)),
    _pod(_init(), _proxy(_STAYS, args="router", user=0)),
    _pod(_init("-d, '15090,15021,15020,8080', -o, '443'"), _proxy(_STAYS)),
    _pod(_init(everything="''", more="command: ['true']"), _proxy(_STAYS)),
    _pod(_init(), _proxy(_STAYS), tls="disabled"),
    _pod(_init(), _proxy(_STAYS), notes="proxy.istio.io/overrides: '{}'"),
    _pod(_VALIDATION, _proxy(_STAYS), notes=_CHAINED % "15020,8080", mesh=_CNI),
    "{object: {kind: Pod, metadata: {labels: {security.istio.io/tlsMode: istio},"
    " annotations: {sidecar.istio.io/status: '{}'}}, spec: {containers: [{name: app}]}},"
    " phase: final}",
]


@rule(
    kinds=(POD,),
    operations=("CREATE",),
    reads=(NAMESPACE, MUTATING_WEBHOOKS),
    shaped=True,
    severity="critical",
    lift="it judges pods as they will be stored; a template is its author's text",
)
def check(
    review: Review, cluster: Cluster, *, required: bool = False, sidecar_image: str = IMAGE
) -> Iterator[Finding]:
    """`required`: a pod without a sidecar is denied, too.

    `sidecar_image`: a regular expression that the images of Istio's containers begin with.
    """
    labels = cluster.namespace(review.namespace).labels
    if not review.is_final or labels.get(MESH_LABEL) == "off":
        return
    sidecar = Sidecar.of(review, cluster, sidecar_image)
    for flaw in sidecar.flaws():
        yield Finding(check="INJ-FINAL", path=flaw.path, message=flaw.message, found=flaw.found)
    silent = not sidecar.claimed and STATUS not in review.pod.annotations
    # What keeps Istio away by its own account is told by `sidecar-injected`.
    if required and silent and not _obstacles(review, cluster):
        yield Finding(
            check="INJ-FINAL",
            path=("spec", "containers"),
            message="have no istio-proxy among them: Istio's injector did not answer or was "
            "passed by; create the pod again, and tell the platform if that does not help",
            why="a pod without sidecar speaks clear text, and no authorization policy holds for it",
        )


def _obstacles(review: Review, cluster: Cluster) -> list[Obstacle]:
    namespace = cluster.namespace(review.namespace)
    return Injection.of(review.pod, namespace, cluster.revisions).obstacles()
