"""Mend: fill in what an author left open, and prove of each fix that it helps.

Nothing is offered, and nothing filled in, that was not judged again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rules.content import Outline
from rules.engine import Case, Late, evaluate, never, ref
from rules.model import ActiveRule, Finding, Operation
from rules.patch import Inapplicable, apply, compose, is_open
from rules.review import Cluster, Review

log = logging.getLogger("sallyport.engine")


def mend(
    rules: Sequence[ActiveRule], case: Case, cluster: Cluster, late: Late = never
) -> tuple[Case, list[Finding], tuple[Operation, ...]]:
    """Fill in what was left open and may be filled in, judge again, and prove that it helped.

    Gives the mended case, what is still to say of it, and the patch of the object in the case.
    A rule whose fix does not apply or does not silence it mends nothing.
    """
    findings = evaluate(rules, case.review, cluster, late)
    if not findings:
        return case, findings, ()
    menders = {active.rule.name for active in rules if active.mends} if case.mendable else set()
    cured = [f for f in findings if f.rule in menders and _fills_in(f, case.review)]
    if not cured:
        return case, findings, ()
    review, patch, broken = _apply(cured, case.review)
    if broken:
        return _mend_without(broken, rules, case, cluster, late)
    again = evaluate(rules, review, cluster, late)
    spoken = {(f.rule, f.check, f.path) for f in again}
    stubborn = {f.rule for f in cured if (f.rule, f.check, f.path) in spoken}
    if stubborn:
        return _mend_without(stubborn, rules, case, cluster, late)
    return case._replace(review=review), again, patch


def _apply(
    cured: Iterable[Finding], review: Review
) -> tuple[Review, tuple[Operation, ...], set[str]]:
    """The review after the fixes of these Findings, those as one patch, and whose do not apply."""
    value = review.object
    patch: list[Operation] = []
    broken: set[str] = set()
    for finding in cured:
        if finding.fix is None:
            continue
        try:
            steps = compose(value, finding.fix.patch)
            value = apply(value, steps)
        except Inapplicable as inapplicable:
            log.warning("[%s] a fix does not apply: %s", ref(review), inapplicable)
            broken.add(finding.rule)
        else:
            patch += steps
    return review.showing(value, _after(review.new.outline, patch)), tuple(patch), broken


def _after(outline: Outline | None, patch: Sequence[Operation]) -> Outline | None:
    """What an object that had this outline is known by after the patch."""
    if outline is None:
        return None
    return outline._replace(text=outline.text + repr(patch).encode(errors="surrogatepass"))


def _mend_without(
    names: set[str], rules: Sequence[ActiveRule], case: Case, cluster: Cluster, late: Late
) -> tuple[Case, list[Finding], tuple[Operation, ...]]:
    log.warning("[%s] not mended by %s", ref(case.review), ", ".join(sorted(names)))
    tamed = [replace(a, mends=False) if a.rule.name in names else a for a in rules]
    return mend(tamed, case, cluster, late)


def prove(
    findings: list[Finding], rules: Sequence[ActiveRule], case: Case, cluster: Cluster
) -> list[Finding]:
    """The Findings, with only such fixes as silence them: each rule is asked again, once.

    The fixes of one rule are applied together, so that the work stays linear.
    """
    proved = list(findings)
    for active in rules if findings else ():
        name = active.rule.name
        own = [f for f in findings if f.rule == name and f.fix is not None]
        if not own:
            continue
        patch = [operation for f in own if f.fix is not None for operation in f.fix.patch]
        try:
            cured = case.review.showing(apply(case.review.object, patch))
            spoken = {(f.check, f.path) for f in evaluate([active], cured, cluster)}
        except Inapplicable:
            spoken = {(f.check, f.path) for f in own}
        proved = [
            replace(f, fix=None) if f.rule == name and (f.check, f.path) in spoken else f
            for f in proved
        ]
    return proved


def _fills_in(finding: Finding, review: Review) -> bool:
    """Whether the fix only adds what the author left open: a stated value is not ours to change."""
    fix = finding.fix
    return (
        fix is not None
        and fix.safe
        and all(o.op == "add" and is_open(review.object, o.path) for o in fix.patch)
    )
