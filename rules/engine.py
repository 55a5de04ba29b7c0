"""The verbs: select, evaluate, decide; `rules.mending` mends. Synchronous, handed all they need.

The engine is handed its rules; it knows none by name. The one `except Exception` of the project
stands here, around one rule: a rule that fails is a Finding, and the others still speak.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from rules.alike import Group, likeness
from rules.content import NOTHING, Content
from rules.facts import Namespace
from rules.model import (
    NAMESPACE,
    POD,
    Action,
    ActiveRule,
    Decision,
    Effect,
    Finding,
    Fix,
    Level,
    Operation,
    Path,
)
from rules.panel import Panel, Seat, seat
from rules.patch import prefix
from rules.pods import TEMPLATES, lift
from rules.review import Cluster, Review
from rules.rulebook import Chosen, Rulebook
from rules.words import printable

log = logging.getLogger("sallyport.engine")

HOUSEKEEPERS = frozenset(
    {
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    }
)
"""Who deletes what the API server has already decided to delete."""

_EFFECTS: dict[Action, dict[Level, Effect]] = {
    "enforce": {"deny": "deny", "warn": "warn", "info": "info"},
    "warn": {"deny": "warn", "warn": "warn", "info": "info"},
    "audit": {"deny": "audit", "warn": "audit", "info": "info"},
    "off": {"deny": "info", "warn": "info", "info": "info"},
}
_ORDER: dict[Effect, int] = {"deny": 0, "warn": 1, "audit": 2, "info": 3}

Late = Callable[[], bool]

FRAMES_LOGGED = 3
WORTH_REMEMBERING = 5
"""So many rules take longer than to find out whether a pod is like one before."""

NOBODY = Chosen()


class DeadlinePassed(Exception):
    """The time that the caller gave is over; looked at between rules."""


def never() -> bool:
    """A deadline that does not come."""
    return False


class Case(NamedTuple):
    """A review as rules see it: a template lifted into the pod it would become, at `root`."""

    review: Review
    root: Path = ()
    mendable: bool = False


def select(rulebook: Rulebook, review: Review, cluster: Cluster) -> Chosen:
    """The rules that have something to say of such a review, as they stand in its namespace.

    Raises Unknown where a live view does not have that namespace.
    """
    key = review.key
    if key not in rulebook.index:
        return NOBODY
    if passes(review):
        if review.shows_static_pod:
            log.warning("[%s] a mirror pod passes: its static pod runs already", ref(review))
        return NOBODY
    known = review.requester is not None
    around = surroundings(review, cluster)
    if around is None:
        return rulebook.choose(key, {}, trusted=False, known=known)
    trusted = cluster.trusts(around.name)
    return rulebook.choose(key, around.labels, trusted=trusted, known=known)


def passes(review: Review) -> bool:
    """Whether nobody has a say: what happens has happened, or cannot be seen. May decode."""
    return _keeps_house(review) or _shows_nothing(review) or review.shows_static_pod


def surroundings(review: Review, cluster: Cluster) -> Namespace | None:
    """The namespace that the object is in; None where it is in none, as a Namespace itself.

    Raises Unknown where a live view does not have it.
    """
    if not review.namespace or review.kind == NAMESPACE.kind:
        return None
    return cluster.surroundings(review.namespace)


def open_case(review: Review) -> Case:
    """The review as rules see it.

    Only the creation of an object itself can be mended; a template always is, in thought.
    """
    template = TEMPLATES.get((review.group, review.kind))
    if template is None or review.subresource or review.operation == "DELETE":
        created = review.operation == "CREATE" and not review.subresource
        return Case(review, (), created and "raw" in review.phases)
    pod, root = lift(review.object, template, review.namespace)
    lifted = review._replace(
        operation="CREATE",
        group=POD.group,
        resource=POD.resource,
        kind=POD.kind,
        written="",
        phases=("raw", "final"),
        new=Content.of(pod, fits=review.fits, outline=review.new.outline),
        former=NOTHING,
    )
    return Case(lifted, root, mendable=True)


def evaluate(
    rules: Iterable[ActiveRule], review: Review, cluster: Cluster, late: Late = never
) -> list[Finding]:
    """What the rules say of the object as it is, each Finding with its rule, action and effect.

    Raises DeadlinePassed when `late` says so, at first or between two rules, and what decoding
    raises.
    """
    review.object  # noqa: B018  # decode here: a body that is no JSON is no rule's fault
    if late():
        raise DeadlinePassed
    rules = tuple(rules)
    if review.kind != POD.kind:
        return _ask(cluster.once((seat, rules), partial(seat, rules, cluster)), review, late)
    panel = cluster.once((Panel, rules), partial(Panel.of, rules, cluster))
    alike = None
    if len(rules) >= WORTH_REMEMBERING:
        alike = review.new.once("likeness", review.phases, partial(_digest, review))
    steady = panel.steady
    known = steady.spoke.get(alike)
    findings = _ask(steady.seats if known is None else steady.who_spoke(known), review, late)
    if known is None:
        steady.spoke.put(alike, frozenset(finding.rule for finding in findings))
    findings += _ask(panel.passing, review, late)
    if panel.grouped:
        findings += _ask_group(panel, Group.of(review), late)
    return findings


def _digest(review: Review) -> bytes | None:
    alike = likeness(review)
    return alike.digest if alike is not None else None


def _ask_group(panel: Panel, group: Group, late: Late) -> list[Finding]:
    said = panel.told.get(group.key)
    if said is None:
        said = _ask(panel.grouped, group.review, late)
        if not any(finding.error for finding in said):  # the next time it may be no fault of ours
            panel.told.put(group.key, said)
    return said


def _ask(seats: Iterable[Seat], review: Review, late: Late) -> list[Finding]:
    findings: list[Finding] = []
    for active, check, view in seats:
        if late():
            raise DeadlinePassed
        try:
            said = list(check(review, view))
        except Exception as error:  # noqa: BLE001  # the one of the project: see above
            name, where = active.rule.name, _where(error)
            log.error("[%s] rule %s failed: %s", ref(review), name, where)  # noqa: TRY400  # see _where
            said = [_failure(active, review)]
        if said:
            findings += attribute(said, active)
    return findings


def attribute(findings: Iterable[Finding], active: ActiveRule) -> list[Finding]:
    """The Findings of a rule, with its name, action and effect."""
    effects = _EFFECTS[active.action]
    return [
        Finding(  # `replace` takes several times as long, and what is mended waits for it
            check=finding.check,
            path=finding.path,
            message=finding.message,
            found=finding.found,
            level=finding.level,
            fix=finding.fix,
            why=finding.why or active.rule.why,
            exempted_by=finding.exempted_by,
            rule=active.rule.name,
            severity=active.rule.severity,
            action=active.action,
            effect="info" if finding.exempted_by is not None else effects[finding.level],
            existing=finding.existing,
            error=finding.error,
        )
        for finding in findings
    ]


def adopt(
    findings: Iterable[Finding], rulebook: Rulebook, labels: Mapping[str, str]
) -> list[Finding]:
    """Findings of rules outside, under the actions that the rulebook gives to them here.

    A rule that is off is not heard; a failure to ask is, as info, so that it is counted.
    """
    adopted = []
    for finding in findings:
        action = rulebook.outsider(finding.rule, labels).action
        if action != "off" or finding.error:
            effect = _EFFECTS[action][finding.level]
            adopted.append(replace(finding, action=action, effect=effect))
    return adopted


def settle(findings: Iterable[Finding], root: Path) -> list[Finding]:
    """The Findings of a lifted pod, with their places in the author's object."""
    if not root:
        return list(findings)
    return [
        replace(
            f,
            path=root + f.path,
            fix=f.fix and Fix(prefix(f.fix.patch, root), f.fix.safe),
        )
        for f in findings
    ]


def decide(
    findings: Iterable[Finding],
    names: tuple[str, ...] = (),
    patch: tuple[Operation, ...] = (),
) -> Decision:
    """The answer: Findings in order of effect, rule and place. Any that denies, denies.

    `names` are the rules that were asked.
    """
    if not findings:
        return Decision((), patch, names)
    ordered = sorted(
        findings, key=lambda f: (_ORDER[f.effect], f.rule, [str(s).zfill(6) for s in f.path])
    )
    return Decision(tuple(ordered), patch, names)


def _keeps_house(review: Review) -> bool:
    return (
        review.operation == "DELETE"
        and review.requester is not None
        and review.requester.username in HOUSEKEEPERS
    )


def _shows_nothing(review: Review) -> bool:
    """A deletion of which an old API server does not say what goes."""
    return review.operation == "DELETE" and review.old is None


def _where(error: Exception) -> str:
    """What went wrong and where, in one line and without the words of the exception.

    They may quote the object, and neither its secrets nor its line breaks belong in a log.
    """
    origin = error.__cause__ or error
    frames = traceback.extract_tb(origin.__traceback__)[-FRAMES_LOGGED:]
    places = (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames))
    return f"{type(origin).__name__} at {', called from '.join(places)}"


def ref(review: Review) -> str:
    """What a review is called in the log: the beginning of its uid."""
    return printable(review.uid[:8])


def _failure(active: ActiveRule, review: Review) -> Finding:
    return Finding(
        check="ERROR",
        path=(),
        message=f"internal policy error [{ref(review)}]: the rule could not decide, and what "
        "it cannot decide it does not allow; the platform team finds the cause in the log",
        why=f"{active.rule.name} failed on this object; that is our fault, not yours",
        error=True,
    )
