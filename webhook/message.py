"""Decision to words: what kubectl shows, what the warnings and audit annotations say.

The first line stands alone, since `kubectl get events` shows no more. Nothing here is longer than
contracts 8 allows, and everything is printable ASCII: names and values come from tenants.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rules.model import JSON, Decision, Finding
from rules.patch import Inapplicable
from rules.pods import mapping
from rules.review import Review
from rules.site import Messages
from rules.words import place, printable, sentence
from webhook.fix import sketch
from webhook.objects import name_of

LINE = 200
WHOLE = 2000
RULES_IN_FULL = 5
PLACES_PER_RULE = 4
WARNINGS = 10
CAUSES = 20
LONGEST_FIX = 600
LONGEST_NAMES = 600
"""Names are kept up to here, and the details of the others given up for it."""
DETAILS = ("fix", "why", "places", "rules")
"""How much is said, most first; the last is always short enough."""


def explain(review: Review, decision: Decision, messages: Messages | None = None) -> str:
    """The text of a denial: per rule what is wrong, why it matters, and how to mend it."""
    denied = [f for f in decision.findings if f.effect == "deny"]
    blocks = [list(group) for _, group in groupby(denied, key=lambda f: f.rule)]
    foot = _foot(review, messages or Messages())
    for detail in DETAILS:
        text = _assemble(review, blocks, detail, foot)
        if len(text) <= WHOLE:
            break
    return text


def warn(decision: Decision) -> list[str]:
    """At most ten lines for `Warning:`; a control character in one would drop it silently."""
    said = list(dict.fromkeys(first_line(f) for f in decision.findings if f.effect == "warn"))
    lines = [_clip(line, LINE) for line in said[:WARNINGS]]
    if len(said) > WARNINGS:
        lines[-1] = f"{len(said) - WARNINGS + 1} more warnings: `sallyport check` prints them all"
    return lines


def causes(decision: Decision) -> list[JSON]:
    """The denials for machines, in the shape of `status.details.causes`."""
    return [
        {"reason": f.rule, "field": place(f.path), "message": _clip(printable(f.message), LINE)}
        for f in decision.findings
        if f.effect == "deny"
    ][:CAUSES]


def annotate(review: Review, decision: Decision) -> dict[str, str]:
    """The audit annotations: keys without the webhook's name, values under 1 KiB."""
    said = {"decision-id": printable(review.uid)}
    for key, effect in (("denied-by", "deny"), ("audited", "audit")):
        names = dict.fromkeys(f.rule for f in decision.findings if f.effect == effect)
        if names:
            said[key] = _clip(",".join(names), 1000)
    return said


def _assemble(review: Review, blocks: list[list[Finding]], detail: str, foot: list[str]) -> str:
    lines: list[str] = []
    for block in blocks[:RULES_IN_FULL]:
        lines += _block(review, block, detail)
    if blocks[RULES_IN_FULL:]:
        room = WHOLE - len("\n".join([*lines, "", *foot]))
        length = room if detail == DETAILS[-1] else max(room, LONGEST_NAMES)
        lines.append(_clip(_more(blocks[RULES_IN_FULL:]), length))
    return "\n".join(lines + foot)


def _block(review: Review, block: list[Finding], detail: str) -> Iterable[str]:
    first, *others = block
    yield _clip(first_line(first), LINE)
    if detail == "rules":
        return
    for finding in others[:PLACES_PER_RULE]:
        yield f"  also  {_clip(sentence(finding), LINE)}"
    if others[PLACES_PER_RULE:]:
        yield f"  also  {len(others) - PLACES_PER_RULE} more places"
    if detail != "places" and first.why:
        yield f"  why   {_clip(printable(first.why), LINE)}"
    if detail == "fix":
        yield from _fix(review, first)


def _fix(review: Review, finding: Finding) -> Iterable[str]:
    if finding.fix is None:
        return
    try:
        lines = [printable(line) for line in sketch(review.object, finding.fix)]
    except (Inapplicable, RecursionError):
        return  # the rule proved it on the mended object, or nobody could read it
    if sum(len(line) for line in lines) <= LONGEST_FIX:
        for number, line in enumerate(lines):
            yield f"  {'fix' if number == 0 else '   '}   {line}"


def _foot(review: Review, messages: Messages) -> list[str]:
    """What is the same for each Finding; kubectl does not say which object of a file was denied."""
    subject = f"{review.kind} {_whereabouts(review)}".strip()
    lines = [f"  in    {_clip(printable(subject), LINE)}"] if subject else []
    if messages.docs:
        lines.append(f"  docs  {_clip(printable(messages.docs), LINE)}")
    if messages.contact:
        lines.append(f"  ask   {_clip(printable(messages.contact), LINE)}")
    return [*lines, f"  ref   {printable(review.uid[:8])}"]


def _whereabouts(review: Review) -> str:
    """`namespace/name`; the API server gives a Namespace itself as its namespace.

    A name that was made for an object that is not stored is one that nobody has seen.
    """
    space = "" if review.resource == "namespaces" else review.namespace
    name, prefix = name_of(review), mapping(review.object, "metadata").get("generateName")
    if review.operation == "CREATE" and prefix and name.startswith(str(prefix)):
        name = f"{prefix}*"
    return "/".join(filter(None, (space, name)))


def first_line(finding: Finding) -> str:
    """The first line of what is said of it, before it is cut."""
    stored = " (stored before; mend it when you can)" if finding.existing else ""
    return f"[{finding.rule}] {sentence(finding)}{stored}"


def _more(blocks: list[list[Finding]]) -> str:
    names = ", ".join(block[0].rule for block in blocks)
    return f"{len(blocks)} more: {names}" if blocks else ""


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
