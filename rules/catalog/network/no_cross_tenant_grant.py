"""A network policy must not let pods of another tenant in, nor reach them.

Why: what isolates tenants is that neither can open a way to the other alone; each such rule is half
of one.
Source: specification egress 4 (CROSS-TENANT); contracts 1 (who is whose tenant).

Namespaces that nobody has made yet count, too: who selects all of them selects those that come. A
label that any tenant may give to its namespace warns. Rules about anybody at all are others' to
judge; on ingress they warn.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.frames import admin, calico, cilium, cluster, kubernetes
from rules.model import NETWORK, NETWORK_POLICIES, Finding, Level, rule
from rules.netpol.model import Grant, PeerEntry, Unknown
from rules.netpol.peers import Anywhere, Entity, Networks
from rules.netpol.questions import entries, is_world
from rules.policies import STRANGER, Asked, reaches_pods
from rules.review import Cluster, Review
from rules.words import quote

_OURS = "{kind: Namespace, metadata: {name: default, labels: {sallyport.dev/tenant: a}}}"
_THEIRS = "{kind: Namespace, metadata: {name: other, labels: {sallyport.dev/tenant: b, team: b}}}"
_NAMED = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}"
_TO = "[{to: [%s], ports: [{port: 5432}]}]"


def _among(example: str) -> str:
    """The example in a cluster of two tenants."""
    return f"{{cluster: [{_OURS}, {_THEIRS}], object: {example}}}"


ALLOW = [
    kubernetes(_TO % "{podSelector: {}}"),
    kubernetes(_TO % (_NAMED % "kube-system")),
    _among(kubernetes(_TO % "{namespaceSelector: {matchLabels: {sallyport.dev/tenant: a}}}")),
    kubernetes("[{ports: [{port: 443}]}]"),
    cilium("[{toEndpoints: [{}]}]"),
    cilium("[{toEntities: [world]}]"),
    calico("{action: Allow, destination: {selector: app == 'db'}}", "NetworkPolicy"),
    admin("{action: Deny, to: [{namespaces: {}}]}"),
]
DENY = [
    kubernetes(_TO % "{podSelector: {}}, {namespaceSelector: {}}"),
    kubernetes("[{from: [{namespaceSelector: {}}]}]", "ingress"),
    _among(kubernetes(_TO % (_NAMED % "other"))),
    _among(kubernetes(_TO % "{namespaceSelector: {matchLabels: {team: b}}}")),
    cilium("[{toEntities: [cluster]}]"),
    cilium("[{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': other}}]}]"),
    cilium("[{toEndpoints: [{}]}]", kind="CiliumClusterwideNetworkPolicy"),
    calico("{action: Allow, destination: {namespaceSelector: all()}}", "NetworkPolicy"),
    admin("{action: Allow, to: [{namespaces: {}}]}"),
    cluster("{action: Accept, to: [{namespaces: {}}]}"),
]
WARN = [
    kubernetes(_TO % "{namespaceSelector: {matchLabels: {team: b}}}"),
    kubernetes("[{ports: [{port: 8080}]}]", "ingress"),
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each peer, with a namespace of another tenant that shows it."""
    asked = Asked(review, cluster)
    for grant in asked.grants():
        for entry in entries(grant):
            if _is_anybody(asked, entry):
                if grant.direction == "ingress":
                    yield _finding(asked, grant, entry, STRANGER, "warn")
                continue
            witness = _witness(asked, grant, entry)
            if witness is not None:
                yield _finding(asked, grant, entry, witness, "deny")
            elif _is_open_to_join(asked, entry):
                yield _finding(asked, grant, entry, STRANGER, "warn")


def _is_anybody(asked: Asked, entry: PeerEntry) -> bool:
    if isinstance(entry.peer, Anywhere) or entry.peer == Entity("all"):
        return True
    return isinstance(entry.peer, Networks) and is_world(asked.outside(entry).addresses)


def _witness(asked: Asked, grant: Grant, entry: PeerEntry) -> str | None:
    """A namespace of the peer, and of another tenant than some namespace of the subject."""
    if reaches_pods(asked, entry):
        return STRANGER
    subjects: list[str] | None = None
    for home in asked.homes(entry.peer):
        subjects = _subjects(asked, grant) if subjects is None else subjects
        if not all(home.name and asked.are_neighbours(each, home.name) for each in subjects):
            return home.name
    return None


def _subjects(asked: Asked, grant: Grant) -> list[str]:
    """The namespaces, outside the platform, of the pods that the grant is about."""
    if asked.review.namespace:
        return [asked.review.namespace]
    if isinstance(grant.subject, Unknown):
        return [STRANGER]
    return [home.name for home in asked.homes(grant.subject)]


def _is_open_to_join(asked: Asked, entry: PeerEntry) -> bool:
    return any(True for _ in asked.homes(entry.peer, free=True))


def _finding(asked: Asked, grant: Grant, entry: PeerEntry, witness: str, level: Level) -> Finding:
    verb = "reach pods of" if grant.direction == "egress" else "be reached by pods of"
    tenant = asked.cluster.tenant(witness) if witness else ""
    whose = f"namespace {witness}" if witness else "any namespace"
    if level == "warn" and not _is_anybody(asked, entry):
        whose = "any namespace that gives itself the label"
    return Finding(
        check="CROSS-TENANT",
        path=entry.path,
        message=f"lets pods {verb} {whose}{f' of tenant {quote(tenant)}' if tenant else ''}; "
        "select by the name or the tenant label of your own namespaces",
        found=[grant.direction, tenant or witness],
        level=level,
    )
