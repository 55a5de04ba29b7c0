"""A pod of the mesh must be stored with the sidecar that Istio's injector makes, and no other.

Why: a container of one's own under Istio's names makes a pod look meshed that is not, and a pod
that the injector missed speaks clear text. Istio puts its containers in by itself: leave it to it.
Source: sandbox-and-mesh 4.3 (INJ-FINAL) and 4.4; istio/istio, files/injection-template.yaml.

Judged is the pod as it will be stored, when the injector has been there; of the author's text
`sidecar-injected` tells what Istio will do, and so does what keeps Istio away by its own account.
In a namespace that the platform labels `sallyport.dev/mesh: off` no sidecar is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.injection import MESH_LABEL, PROXY, Injection
from rules.mesh import requires_mesh
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
_MEETS = _SPACE % "istio.io/rev: asm-1-28"
_INJECTOR = (
    "{kind: MutatingWebhookConfiguration, metadata: {name: istio-sidecar-injector,"
    " labels: {app: sidecar-injector, istio.io/rev: asm-1-28}}}"
)
ALLOW = [
    _pod(_init(), _proxy(_STAYS)),
    _pod(_init("-d, '15090,15021', '--log_output_level=default:info'"), _proxy(_STAYS)),
    _pod(_VALIDATION, _proxy(_STAYS), notes=_CHAINED % "15020", mesh=_CNI),
    f"{{object: {_MISSED}, phase: final}}",  # its namespace selects no mesh
    f"{{object: {_MISSED}, cluster: [{_MEETS}]}}",
    f"{{object: {_MISSED}, cluster: [{_SPACE % _OFF}], phase: final}}",
    f"{{object: {_MISSED}, cluster: [{_MEETS}], phase: final, parameters: {{required: false}}}}",
]
DENY = [
    f"{{object: {_MISSED}, cluster: [{_MEETS}, {_INJECTOR}], phase: final}}",
    f"{{object: {_MISSED}, cluster: [{_MEETS}], phase: final}}",
    "{object: {kind: Pod, metadata: {labels: {security.istio.io/tlsMode: istio}},"
    f" spec: {{initContainers: [{_init()}]}}}},"
    f" cluster: [{_MEETS}, {_INJECTOR}], phase: final}}",
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
    review: Review, cluster: Cluster, *, required: bool = True, sidecar_image: str = IMAGE
) -> Iterator[Finding]:
    """`required`: a pod without a sidecar is denied, too.

    `sidecar_image`: a regular expression that the images of Istio's containers begin with.
    """
    namespace = cluster.namespace(review.namespace)
    if not review.is_final or not requires_mesh(namespace):
        return
    sidecar = Sidecar.of(review, cluster, sidecar_image)
    for flaw in sidecar.flaws():
        yield Finding(check="INJ-FINAL", path=flaw.path, message=flaw.message, found=flaw.found)
    told = STATUS in review.pod.annotations  # a flaw, where there is no proxy
    if not required or told or any(c.value["name"] == PROXY for c in sidecar.claimed):
        return
    injection = Injection.of(review.pod, namespace, cluster.revisions)
    if not injection.obstacles():
        yield Finding(
            check="INJ-FINAL",
            path=("spec", "containers"),
            message=f"have no {PROXY}: Istio's injector did not run, {_hint(injection, cluster)}",
            why="a pod without sidecar speaks clear text, and no authorization policy holds for it",
        )


def _hint(injection: Injection, cluster: Cluster) -> str:
    if not cluster.injectors:
        return (
            "and none is known here; the platform installs the mesh, or labels namespace "
            f"{injection.namespace.name} {MESH_LABEL}=off"
        )
    return (
        f"though its revision {injection.revision} selects the pod; create it again, "
        "else the platform looks after istiod and its webhook"
    )
