"""A change of policies that opens something to running pods must be noticed.

Why: what a policy means depends on all others: its own text does not say what it opens or closes.
Source: specification egress 3.1.

It only warns: each policy is judged for what it grants by other rules. What a first policy closes
is its purpose, and is told as information. That nothing isolates a pod any more is told by
`last-isolation-kept`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

from rules.model import ADDRESS_SETS, NETWORK, NETWORK_POLICIES, TIERS, Finding, Level, rule
from rules.netpol.changes import DIRECTIONS, Change, Stretch, alike, changed
from rules.netpol.destinations import PRIVATE, Outside, Surroundings
from rules.netpol.explain import words
from rules.netpol.model import Direction
from rules.netpol.sets import Ports
from rules.proposal import propose, shown
from rules.review import Cluster, Review
from rules.subject import Subject
from rules.words import printable

Deed = Literal["opens", "closes"]
_WHERE = {"public": "the Internet", "private": "private networks", "inside": "special addresses"}


def _policy(name: str, egress: str) -> str:
    return (
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, "
        f"namespace: default}}, spec: {{podSelector: {{}}, policyTypes: [Egress], "
        f"egress: {egress}}}}}"
    )


_POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, labels: {app: web}}}"
_CLOSED = _policy("closed", "[]")
_OPEN = _policy("own", "[{ports: [{port: 443}]}]")
ALLOW = [
    _OPEN,
    f"{{object: {_OPEN}, cluster: [{_POD}, {_policy('same', '[{ports: [{port: 443}]}]')}]}}",
]
_DENIES = (
    "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: deny, "
    "namespace: default}, spec: {endpointSelector: {}, egressDeny: [{toEntities: [world]}]}}"
)
WARN = [
    f"{{object: null, old: {_DENIES}, operation: DELETE, cluster: [{_POD}, {_DENIES}, {_OPEN}]}}",
    f"{{object: null, old: {_OPEN}, operation: DELETE, cluster: [{_POD}, {_CLOSED}, {_OPEN}]}}",
]
INFO = [f"{{object: {_CLOSED}, cluster: [{_POD}]}}"]


@rule(
    kinds=(*NETWORK_POLICIES, *ADDRESS_SETS, *TIERS),
    operations=("CREATE", "UPDATE", "DELETE"),
    reads=NETWORK,
    transition=True,
    severity="low",
)
def check(review: Review, cluster: Cluster, *, most_groups: int = 5_000) -> Iterator[Finding]:
    """`most_groups`: how many groups of pods are looked at while somebody waits."""
    proposal = propose(review, cluster)
    moved, changes = _moved(proposal.subjects[:most_groups])
    path = () if review.operation == "DELETE" else ("spec",)
    told = _told(changes, cluster)
    if told:
        opens = any(deed == "opens" for deed, _, _ in told)
        level: Level = "warn" if opens or review.operation != "CREATE" else "info"
        pods = printable(shown(moved[0].now))
        more = f" and {len(moved) - 1} more groups" if len(moved) > 1 else ""
        said = "; ".join(_sentence(key, ports) for key, ports in told.items())
        yield Finding(
            check="OPENED" if opens else "CLOSED",
            path=path,
            message=f"{said}, for {pods}{more}; check that this is meant",
            found=said,
            level=level,
        )
    yield from _limit(proposal.limit(most_groups))


def _moved(subjects: Sequence[Subject]) -> tuple[list[Subject], list[Change]]:
    """The groups that fare otherwise, and how: those of one form are asked once."""
    moved: list[Subject] = []
    known: dict[Hashable, list[Change]] = {}
    for each in subjects:
        found: list[Change] = []
        for direction in filter(each.moves, DIRECTIONS):
            form = direction, each.form(direction) if len(subjects) > 1 else None
            if form not in known:
                known[form] = list(_changes(each, direction))
            found += known[form]
        if found:
            moved.append(each)
    return moved, [change for changes in known.values() for change in changes]


def _changes(subject: Subject, direction: Direction) -> Iterator[Change]:
    old, new = subject.former[direction], subject.future[direction]
    ground = subject.ground
    if ground.before.surroundings is not ground.after.surroundings or not alike(old, new):
        for change in changed(subject.now, subject.count, old, new):
            if change.isolated != (True, False):
                yield change


def _told(changes: list[Change], cluster: Cluster) -> dict[tuple[Deed, Direction, str], Ports]:
    """The (class, port) pairs that open and close."""
    around = Surroundings.of(PRIVATE, cluster.site.network.cidrs.every)
    told: dict[tuple[Deed, Direction, str], Ports] = {}
    for change in changes:
        for stretch in change.opened:
            _add(told, ("opens", change.direction), stretch, around)
        for stretch in change.closed:
            _add(told, ("closes", change.direction), stretch, around)
    return told


def _add(
    told: dict[tuple[Deed, Direction, str], Ports],
    deed: tuple[Deed, Direction],
    stretch: Stretch,
    around: Surroundings,
) -> None:
    classes = [str(reach) for reach in around.classes(Outside(stretch.addresses))] or ["inside"]
    for name in classes:
        key = (*deed, _WHERE[name])
        told[key] = told.get(key, Ports.empty()) | stretch.ports


def _sentence(key: tuple[Deed, Direction, str], ports: Ports) -> str:
    deed, direction, where = key
    return f"{deed} {words(ports)} {'to' if direction == 'egress' else 'from'} {where}"


def _limit(limit: str) -> Iterator[Finding]:
    if limit:
        yield Finding(
            check="LIMIT",
            path=(),
            message=f"is about very many pods and was {limit}; look at the others with "
            "`sallyport reach`",
            found=limit,
            level="warn",
        )
