"""The middle: select, evaluate, mend, decide. Every door asks this one judge.

Synchronous and pure: it is handed the rulebook and a frozen Cluster, and answers with a Decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rules import engine
from rules.engine import Late, never
from rules.model import ActiveRule, Decision, Finding, Operation
from rules.review import Cluster, Review
from rules.rulebook import Rulebook


def judge(review: Review, rulebook: Rulebook, cluster: Cluster, *, late: Late = never) -> Decision:
    """What we answer to this review.

    Raises `engine.DeadlinePassed` when `late` says so, and BadReview where a body is no JSON.
    """
    rules = engine.select(rulebook, review, cluster)
    if not rules:
        return Decision()
    findings, patch = _examine(rules, review, cluster, late)
    if findings and review.operation == "UPDATE":
        comparable = [active for active in rules if not active.rule.transition]
        before = review.showing(review.old)
        former, _ = _examine(comparable, before, cluster, late)
        strict = {active.rule.name for active in rules if not active.ratchet}
        strict |= {active.rule.name for active in rules if active.rule.transition}
        findings = engine.ratchet(findings, former, review, frozenset(strict))
    return engine.decide(findings, rules, patch)


def _examine(
    rules: Sequence[ActiveRule], review: Review, cluster: Cluster, late: Late
) -> tuple[list[Finding], tuple[Operation, ...]]:
    """The Findings of both phases, as far as the review asks for them, and the patch."""
    case = engine.open_case(review)
    raw: list[Finding] = []
    if "raw" in case.review.phases and (case.root or review.operation == "CREATE"):
        raw = engine.evaluate(_of(rules, "raw"), case.review, cluster, late)
    final = _of(rules, "final")
    if "final" not in case.review.phases:  # /mutate: it mends, and leaves the rest to /validate
        if any(finding.effect == "deny" for finding in raw):
            return engine.prove(raw, rules, case, cluster), ()
        menders = [active for active in final if active.mends]
        _, left, patch = engine.mend(menders, case, cluster, late)
        return raw + [_noted(finding) for finding in left if finding.error], patch
    mended, said, patch = engine.mend(final, case, cluster, late)
    raw = engine.prove(raw, rules, case, cluster)
    said = engine.prove(said, final, mended, cluster)
    return engine.settle(raw + said, case.root), () if case.root else patch


def _of(rules: Iterable[ActiveRule], phase: str) -> list[ActiveRule]:
    return [active for active in rules if active.rule.phase == phase]


def _noted(failure: Finding) -> Finding:
    """A failure while mending: logged here, and said by /validate, which fails on it again."""
    return replace(failure, effect="info")
