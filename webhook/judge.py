"""The middle: select, evaluate, mend, decide. Every door asks this one judge.

Synchronous and pure: it is handed the rulebook and a frozen Cluster, and answers with a Decision.
"""

from __future__ import annotations

from dataclasses import replace

from rules import engine, mending, ratchet
from rules.alike import Likeness, likeness
from rules.engine import Late, never
from rules.memory import Memory
from rules.model import Decision, Finding, Operation
from rules.outside import EVERY, Heard
from rules.patch import Inapplicable, apply
from rules.review import Cluster, Review
from rules.rulebook import Chosen, Rulebook

UNASKED = Decision()
MOST_BYTES = 8 * 1024 * 1024
"""Of pods about which nothing is to say, as long as nothing changes."""
_BESIDE_THE_TEXT = 1024


def _memory() -> Memory[Likeness, Decision]:
    return Memory(MOST_BYTES)


def judge(
    review: Review,
    rulebook: Rulebook,
    cluster: Cluster,
    *,
    heard: Heard | None = None,
    late: Late = never,
) -> Decision:
    """What we answer to this review; `heard` is what was said outside, None where nobody was asked.

    Raises `engine.DeadlinePassed` when `late` says so, and BadReview where a body is no JSON.
    """
    if heard is not None:
        return _judge(review, rulebook, cluster, heard, late)
    known = cluster.once(rulebook, _memory)
    alike = likeness(review)
    decision = known.get(alike)
    if decision is None:
        decision = _judge(review, rulebook, cluster, None, late)
        if alike is not None and not decision.findings:
            known.put(alike, decision, len(alike.text) + _BESIDE_THE_TEXT)
    return decision


def _judge(
    review: Review, rulebook: Rulebook, cluster: Cluster, heard: Heard | None, late: Late
) -> Decision:
    chosen = engine.select(rulebook, review, cluster)
    if not chosen.rules and heard is None:
        return UNASKED
    review.object  # noqa: B018  # whoever judges it, a body that is no JSON is refused
    findings, patch = _examine(chosen, review, cluster, late) if chosen.rules else ([], ())
    if findings and review.operation == "UPDATE":
        findings = _ratchet(findings, chosen, review, cluster, late)
    if heard is None:
        return engine.decide(findings, chosen.names, patch)
    findings += _adopt(heard, review, rulebook, cluster)
    return engine.decide(findings, (*chosen.names, EVERY), patch)


def _examine(
    chosen: Chosen, review: Review, cluster: Cluster, late: Late
) -> tuple[list[Finding], tuple[Operation, ...]]:
    """The Findings of both phases, as far as the review asks for them, and the patch."""
    case = engine.open_case(review)
    raw: list[Finding] = []
    phases = case.review.phases
    if chosen.raw and "raw" in phases and (case.root or review.operation == "CREATE"):
        raw = engine.evaluate(chosen.raw, case.review, cluster, late)
        raw = mending.prove(raw, chosen.raw, case, cluster)
    if "final" not in phases:  # /mutate: it mends, and leaves the rest to /validate
        if any(finding.effect == "deny" for finding in raw):
            return raw, ()
        _, left, patch = mending.mend(chosen.menders, case, cluster, late)
        return raw + [_noted(finding) for finding in left if finding.error], patch
    mended, said, patch = mending.mend(chosen.final, case, cluster, late)
    if said:
        raw += mending.prove(said, chosen.final, mended, cluster)
    return engine.settle(raw, case.root), () if case.root else patch


def _ratchet(
    findings: list[Finding], chosen: Chosen, review: Review, cluster: Cluster, late: Late
) -> list[Finding]:
    """The Findings, with those excused that the stored object had already.

    Of the stored object only those rules are asked whose Findings it may excuse, and those that
    would fill something in.
    """
    spoke = {finding.rule for finding in findings if not finding.error}
    strict = {
        active.rule.name for active in chosen.rules if active.rule.transition or not active.ratchet
    }
    excusable = spoke - strict
    if not excusable:
        return findings
    asked = [
        active
        for active in chosen.rules
        if active.rule.name in excusable or (active.mends and not active.rule.transition)
    ]
    before = review._replace(new=review.former)
    former, _ = _examine(Chosen.of(asked), before, cluster, late)
    return ratchet.excuse(findings, former, review, frozenset(strict))


def _adopt(heard: Heard, review: Review, rulebook: Rulebook, cluster: Cluster) -> list[Finding]:
    """What was said outside, as the rulebook takes it; only such fixes are shown as apply."""
    around = engine.surroundings(review, cluster)
    labels = around.labels if around is not None else {}
    findings = engine.adopt(heard.findings, rulebook, labels)
    if heard.former and review.operation == "UPDATE":
        names = {finding.rule for finding in findings}
        strict = frozenset(n for n in names if not rulebook.outsider(n, labels).ratchet)
        findings = ratchet.excuse(findings, heard.former, review, strict)
    return [
        finding if _applies(finding, review) else replace(finding, fix=None) for finding in findings
    ]


def _applies(finding: Finding, review: Review) -> bool:
    try:
        return finding.fix is None or bool(apply(review.object, finding.fix.patch))
    except Inapplicable:
        return False


def _noted(failure: Finding) -> Finding:
    """A failure while mending: logged here, and said by /validate, which fails on it again."""
    return replace(failure, effect="info")


def refuse_unread(
    review: Review, rulebook: Rulebook, cluster: Cluster, *, heard: Heard | None = None
) -> Decision:
    """The answer to a review whose object is nested too deeply to be read: LIMIT.

    It speaks as the rule `well-formed` and under its action, beside what was heard outside.
    """
    said: list[Finding] = []
    names: tuple[str, ...] = ()
    if heard is not None:  # items of lists that nobody can read are not known again
        said = _adopt(replace(heard, former=()), review, rulebook, cluster)
        names = (EVERY,)
    for configured in rulebook.rules:
        if configured.default.rule.name == "well-formed":
            labels = cluster.surroundings(review.namespace).labels if review.namespace else {}
            active = configured.within(labels)
            if active.action == "off":
                break
            said += engine.attribute([_LIMIT], active)
            names = (active.rule.name, *names)
    return engine.decide(said, names)


_LIMIT = Finding(
    check="LIMIT",
    path=(),
    message="the object is nested deeper than 900 levels; no object of Kubernetes is [LIMIT]",
    why="what cannot be read cannot be judged, and what cannot be judged is not allowed",
)
