"""A policy must select some pod, and those whom it lets in or out must exist.

Why: a selector with a typo selects nobody, and a policy that selects nobody protects nobody.
Source: specification egress 4 (SELECTS-NOTHING, PEER-NOTHING).

It only warns, since whoever applies all at once applies policies first. Where no pod of the
namespace is known, or of all namespaces for a policy of the cluster, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from rules.model import NETWORK, NETWORK_POLICIES, Finding, Path, rule
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.keys import EVERYWHERE
from rules.netpol.model import PeerEntry, Policy
from rules.netpol.peers import Pods
from rules.pods import mapping
from rules.proposal import Proposal, key_in, propose
from rules.review import Cluster, Review
from rules.selectors import LabelSelector
from rules.words import printable, quote

ALIKE = 0.75
MOST_NAMESPACES = 1000
SELECTORS = ("podSelector", "endpointSelector", "subject")


def _policy(selector: str, rest: str = "policyTypes: [Ingress]") -> str:
    return (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: own, "
        f"namespace: default}}, spec: {{podSelector: {selector}, {rest}}}}}"
    )


def _beside(policy: str) -> str:
    return f"{{object: {policy}, cluster: [{_POD}]}}"


_POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, "
    "labels: {app.kubernetes.io/name: web}}}"
)
_TO = "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {%s}}}]}]"
ALLOW = [
    _policy("{matchLabels: {app: web}}"),
    _beside(_policy("{}")),
    _beside(_policy("{}", _TO % "app.kubernetes.io/name: web")),
]
WARN = [
    _beside(_policy("{matchLabels: {app: web}}")),
    _beside(_policy("{matchLabels: {tier: '1'}}")),
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="low")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A likely key is shown where a key that is asked for is on no pod."""
    proposal = propose(review, cluster)
    index, key = proposal.after, key_in(review)
    where = index.members if key.namespace == EVERYWHERE else (key.namespace,)
    if not any(True for name in where for _ in index.pods(name)):
        return
    policies = index.policies_at(key)
    if policies and not proposal.subjects and not proposal.left_out:
        strange = _strange(index, policies, where)
        yield Finding(
            check="SELECTS-NOTHING",
            path=_place(review, strange[0] if strange else ""),
            message=f"selects no pod that there is{_hint(*strange) if strange else ''}",
            found="selects nothing",
            level="warn",
        )
        return
    for entry in _lonely(proposal, policies):
        yield Finding(
            check="PEER-NOTHING",
            path=entry.path,
            message="is no pod that there is; look for a typo, or a rule that needs both a "
            "podSelector and a namespaceSelector in one item",
            found="no peer",
            level="warn",
        )


def _lonely(proposal: Proposal, policies: Iterable[Policy]) -> Iterator[PeerEntry]:
    """The peers by label of which there is none; each is asked of few namespaces at most."""
    grants = (g for policy in policies for g in policy.grants if g.action == "allow")
    for entry in (each for grant in grants for each in grant.peers):
        if isinstance(entry, PeerEntry) and isinstance(entry.peer, Pods):
            peer = entry.peer
            if not any(_matches(peer, pod) for pod in _near(proposal, peer)):
                yield entry


def _near(proposal: Proposal, peer: Pods) -> Iterator[Pod]:
    index = proposal.after
    named = (peer.namespaces,) if isinstance(peer.namespaces, str) else tuple(index.members)
    for name in named[:MOST_NAMESPACES]:
        home = index.home(name)
        if peer.covers(home.name, home.labels):
            yield from (pod for pod, _ in index.pods(name))
    if len(named) > MOST_NAMESPACES:  # of the rest nobody looked: one of them may be meant
        yield Pod(index.home(""), "")


def _matches(peer: Pods, pod: Pod) -> bool:
    return not pod.namespace.name or peer.pods.matches(pod.labels)


def _strange(
    index: Index, policies: Iterable[Policy], where: Iterable[str]
) -> tuple[str, frozenset[str]] | None:
    """A key that the selector asks for and no pod has, and those that pods have."""
    live = frozenset(key for name in where for pod, _ in index.pods(name) for key in pod.labels)
    for policy in policies:
        pods = policy.subject.pods if isinstance(policy.subject, Pods) else None
        for key in sorted(pods.keys if isinstance(pods, LabelSelector) else ()):
            if key not in live:
                return key, live
    return None


def _hint(key: str, live: frozenset[str]) -> str:
    alike = {each.lower().rpartition("/")[2]: each for each in sorted(live)}
    near = get_close_matches(key.lower().rpartition("/")[2], alike, 1, ALIKE)
    likely = f", is {quote(alike[near[0]])} meant?" if near else ""
    return printable(f": none has the label {quote(key)}{likely}")


def _place(review: Review, key: str) -> Path:
    """The label in the selector, or the selector, or what there is of the way there."""
    spec = mapping(review.object, "spec")
    field = next((each for each in SELECTORS if isinstance(spec.get(each), dict)), None)
    if field is None:
        return ("spec",)
    labelled = key in mapping(spec, field, "matchLabels")
    return ("spec", field, "matchLabels", key) if labelled else ("spec", field)
