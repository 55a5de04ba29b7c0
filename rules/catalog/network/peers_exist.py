"""Whom a policy lets pods reach, or lets in, should exist.

Why: a peer with a typo is nobody, and what its author meant stays shut.
Source: specification egress 4 (PEER-NOTHING).

It only warns, since whoever applies all at once applies policies first. Pods of the platform are
its own business: of a namespace of its of which no pod is known nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rules.model import NETWORK, NETWORK_POLICIES, Finding, Path, rule
from rules.netpol.homes import Home, confinement
from rules.netpol.index import Index
from rules.netpol.inventory import NAME_LABEL, Pod
from rules.netpol.model import PeerEntry
from rules.netpol.peers import Endpoints, Entity, Labelled, Namespaces, Peer, Pods, leaves
from rules.patch import lookup
from rules.pods import items, mapping
from rules.policies import Asked
from rules.proposal import propose
from rules.review import Cluster, Review
from rules.statement import key_in

KUBERNETES = "networking.k8s.io"
MOST_NAMESPACES = 1000


def _among(peer: str, pod: str = "labels: {app: web}") -> str:
    policy = (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: own, "
        "namespace: default}, spec: {podSelector: {}, policyTypes: [Egress], "
        f"egress: [{{to: [{peer}]}}]}}}}"
    )
    known = f"{{apiVersion: v1, kind: Pod, metadata: {{name: a, namespace: default, {pod}}}}}"
    return f"{{object: {policy}, cluster: [{known}]}}"


def _cilium(labels: str) -> str:
    policy = (
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: own}, spec: "
        f"{{endpointSelector: {{}}, egress: [{{toEndpoints: [{{matchLabels: {labels}}}]}}]}}}}"
    )
    known = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}}"
    return f"{{object: {policy}, cluster: [{known}]}}"


_DNS = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}"
_OTHERS = (
    "{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {a: b}}}, "
    "{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: b}}"
)


def _of_both(selector: str) -> str:
    among = _among(f"{{podSelector: {{}}}}, {{namespaceSelector: {selector}}}")
    return among.replace("cluster: [", f"cluster: [{_OTHERS}, ")


ALLOW = [
    _of_both("{matchLabels: {a: b}}"),
    _of_both("{matchExpressions: [{key: a, operator: Exists}]}"),
    _among("{podSelector: {matchLabels: {app: web}}}"),
    _among("{ipBlock: {cidr: 192.0.2.0/24}}"),
    _among(f"{{{_DNS}, podSelector: {{matchLabels: {{k8s-app: kube-dns}}}}}}"),
    _cilium("{'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns}"),
    _cilium("{'reserved:world': ''}"),
]
WARN = [
    _among("{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {}}"),  # T07
    _among("{podSelector: {matchLabels: {app: wbe}}}"),
    _among("{namespaceSelector: {matchLabels: {name: default}}}"),
    _cilium("{app: wbe}"),
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="low")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """Where no pod is known at all, or only in the platform's namespaces, nothing is said."""
    yield from _swallowed(review, cluster)
    asked, index = Asked(review, cluster), propose(review, cluster).after
    if all(cluster.trusts(name) for name in index.members):
        return
    entries = {
        entry
        for policy in index.policies_at(key_in(review))
        for grant in policy.grants
        if grant.action == "allow"
        for entry in grant.peers
    }
    lonely = [
        each for each in entries if isinstance(each, PeerEntry) and _is_nobody(asked, index, each)
    ]
    for entry in sorted(lonely, key=lambda each: str(each.path)):
        yield Finding(
            check="PEER-NOTHING",
            path=_place(review, entry),
            message=f"is no pod that there is; {_hint(review, entry)}",
            found="no peer",
            level="warn",
        )


def _swallowed(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A podSelector beside a namespaceSelector that holds all of its pods, as an item of its own.

    Whoever writes that means one item of both: each item of a list suffices.
    """
    if review.group != KUBERNETES:
        return
    own = {**cluster.namespace(review.namespace).labels, NAME_LABEL: review.namespace}
    for section, field in (("egress", "to"), ("ingress", "from")):
        for rule_ in items(mapping(review.object, "spec"), ("spec",), section):
            listed = items(rule_.value, rule_.path, field)
            wide = [each for each in listed if [*each.value] == ["namespaceSelector"]]
            narrow = [each for each in listed if [*each.value] == ["podSelector"]]
            selectors = [mapping(each.value, "namespaceSelector") for each in wide]
            if narrow and any(
                not each.get("matchExpressions")
                and mapping(each, "matchLabels").items() <= own.items()
                for each in selectors
            ):
                yield Finding(
                    check="PEER-NOTHING",
                    path=narrow[0].path,
                    message="says nothing beside the namespaceSelector, which holds these pods "
                    "and all others; write both into one item, where both must hold",
                    found="swallowed",
                    level="warn",
                )


def _is_nobody(asked: Asked, index: Index, entry: PeerEntry) -> bool:
    by_label = Pods | Namespaces | Labelled | Endpoints
    if not all(isinstance(leaf, by_label) for leaf in leaves(entry.peer)):
        return False
    matcher = index.network(asked.review.namespace).matcher
    ends = (end for pod in _near(asked.cluster, index, entry.peer) for end in index.ends(pod))
    if any(not end.pod.namespace.name or matcher.peer(entry.peer, end) for end in ends):
        return False
    outside = asked.outside(entry)
    entities = map(Entity, asked.engine.entities)
    return not (
        outside.addresses
        or outside.doubtful
        or any(matcher.peer(entry.peer, each) for each in entities)
    )


def _place(review: Review, entry: PeerEntry) -> Path:
    """The selector, where the peer has one that narrows."""
    stated = mapping(lookup(review.object, entry.path))
    narrow = [field for field in ("podSelector", "namespaceSelector") if stated.get(field)]
    return (*entry.path, *narrow) if len(narrow) == 1 else entry.path


def _hint(review: Review, entry: PeerEntry) -> str:
    asked = mapping(lookup(review.object, entry.path), "namespaceSelector", "matchLabels")
    if "name" in asked:
        return f"namespaces have their name under {NAME_LABEL}: ask for that"
    return "look for a typo; a podSelector and a namespaceSelector in one item must both hold"


def _near(cluster: Cluster, index: Index, peer: Peer) -> Iterator[Pod]:
    """The pods of those namespaces that may have some of the peer, of few of them at most.

    One without a namespace stands for pods of which nothing is known.
    """
    limit = confinement(peer)
    named = index.members if limit is None else sorted(limit)
    names = tuple(islice(named, MOST_NAMESPACES + 1))
    for name in names[:MOST_NAMESPACES]:
        home = index.home(name)
        if Home(name, home.labels).may_have(peer) is not False:
            known = [pod for pod, _ in index.pods(name)]
            yield from known
            if not known and cluster.trusts(name):
                yield Pod(index.home(""), "")
    if len(names) > MOST_NAMESPACES:
        yield Pod(index.home(""), "")
