"""A policy must select some pod.

Why: a selector with a typo selects nobody, and a policy that selects nobody protects nobody.
Source: specification egress 4 (SELECTS-NOTHING).

It only warns, since whoever applies all at once applies policies first. A selector that
pods without any label meet waits for pods to come: where there are none, nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.model import NETWORK, NETWORK_POLICIES, Finding, Path, rule
from rules.netpol.index import Index
from rules.netpol.keys import EVERYWHERE, Key
from rules.netpol.model import Policy, Subject
from rules.netpol.peers import Endpoints, Labelled, Pods
from rules.pods import mapping
from rules.proposal import propose
from rules.review import Cluster, Review
from rules.statement import key_in
from rules.words import nearest, printable, quote

ALIKE = 0.75
SELECTORS = ("podSelector", "endpointSelector", "subject", "selector")
GIVEN = ("io.kubernetes.", "io.cilium.", "reserved:", "projectcalico.org/", "pcns.", "pcsa.")
"""How keys begin that engines give to pods by themselves."""


def _policy(selector: str) -> str:
    return (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: own, "
        f"namespace: default}}, spec: {{podSelector: {selector}, policyTypes: [Ingress]}}}}"
    )


def _beside(policy: str) -> str:
    return f"{{object: {policy}, cluster: [{_POD}]}}"


_POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, "
    "labels: {app.kubernetes.io/name: web}}}"
)
_CILIUM = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: own}, spec: "
    "{endpointSelector: {matchLabels: {%s}}, egress: [{}]}}"
)
ALLOW = [
    _policy("{}"),
    _CILIUM % "",
    _policy("{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}"),
    _beside(_policy("{}")),
    _beside(_CILIUM % "'k8s:app.kubernetes.io/name': web"),
]
WARN = [
    _policy("{matchLabels: {app: web}}"),  # D1
    _CILIUM % "app: sleep",
    _beside(_policy("{matchLabels: {app: web}}")),
    _beside(_policy("{matchLabels: {tier: '1'}}")),
    _beside(_CILIUM % "'k8s:app': web"),
    f"{{object: {_policy('{matchLabels: {app: web}}')}, old: {_policy('{}')}, operation: UPDATE, "
    f"cluster: [{_POD}]}}",
]


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="low")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """A likely key is shown where a key that is asked for is on no pod."""
    proposal = propose(review, cluster)
    index, key = proposal.after, key_in(review)
    where = index.members if key.namespace == EVERYWHERE else (key.namespace,)
    policies = index.policies_at(key)
    if review.operation == "CREATE" and (proposal.subjects or proposal.left_out):
        return  # those of a change may be of the former selector
    if not any(map(index.members.get, where)) and _waits(index, key, policies):
        return
    if policies and not any(True for _ in index.subjects(key.namespace, policies)):
        strange = _strange(index, policies, where)
        yield Finding(
            check="SELECTS-NOTHING",
            path=_place(review, strange[0] if strange else ""),
            message=f"selects no pod that there is{_hint(*strange) if strange else ''}",
            found="selects nothing",
            level="warn",
        )


def _waits(index: Index, key: Key, policies: Iterable[Policy]) -> bool:
    """Whether it would select a pod without labels that comes to one of its namespaces."""
    names = {each.name for each in index.namespaces.values()} | {"default"}
    for name in sorted(names) if key.namespace == EVERYWHERE else (key.namespace,):
        plain, matcher = index.pod({}, name), index.network(name).matcher
        ends = index.ends(plain)
        if any(matcher.subject(each.subject, end) for each in policies for end in ends):
            return True
    return False


def _strange(
    index: Index, policies: Iterable[Policy], where: Iterable[str]
) -> tuple[str, frozenset[str]] | None:
    """A key that the selector asks for and no pod has, and those that pods have."""
    live = frozenset(key for name in where for pod, _ in index.pods(name) for key in pod.labels)
    for policy in policies:
        for key in sorted(_keys(policy.subject)):
            if key not in live and not key.startswith(GIVEN):
                return key, live
    return None


def _keys(subject: Subject) -> frozenset[str]:
    """The keys of labels of pods that it asks for."""
    match subject:
        case Pods(pods=labels) | Labelled(labels) | Endpoints(labels):
            return labels.keys
    return frozenset()


def _hint(key: str, live: frozenset[str]) -> str:
    alike = {each.lower().rpartition("/")[2]: each for each in sorted(live)}
    near = nearest(key.lower().rpartition("/")[2], alike, ALIKE)
    likely = "" if near is None else f", is {quote(alike[near])} meant?"
    return printable(f": none has the label {quote(key)}{likely}")


def _place(review: Review, key: str) -> Path:
    """The label in the selector, or the selector, or what there is of the way there."""
    spec = mapping(review.object, "spec")
    field = next((each for each in SELECTORS if spec.get(each)), None)
    if field is None:
        return ("spec",)
    stated = mapping(spec, field, "matchLabels")
    name = next((each for each in stated if each.rpartition(":")[2] == key), None)
    return ("spec", field, "matchLabels", name) if name else ("spec", field)
