"""A report for people: each Finding with its line and a caret, then one line that counts.

Everything shown comes from files of others: what is not printable never reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import Effect, Fix
from rules.words import place as written
from rules.words import quote, sentence
from webhook.objects import Identity
from webhook.report import EFFECTS, Judged, Report, Row
from webhook.text import Mistake, Place, Text, visible

WIDEST = 160
"""Characters shown of a source line; a longer one is cut around the caret."""

_TITLES: dict[Effect, str] = {"deny": "error", "warn": "warn", "audit": "audit", "info": "info"}
_COLOURS = {"error": 31, "warn": 33, "audit": 36, "info": 34}
_COUNTED: dict[Effect, tuple[str, str]] = {
    "deny": ("error", "errors"),
    "warn": ("warning", "warnings"),
    "audit": ("audited", "audited"),
    "info": ("note", "notes"),
}
_UNSAFE = "unsafe: only you can decide it"


def to_text(report: Report, *, summary: bool = False, colour: bool = False) -> str:
    """The whole report; `summary` counts the Findings by rule and namespace instead of each."""
    blocks = [list(_mistake(mistake, report)) for mistake in report.mistakes]
    if summary:
        blocks.append(list(_table(report)))
    else:
        blocks += [list(_finding(row)) for row in report.rows]
        blocks.append([_mended(judged) for judged in report.judged if judged.decision.patch])
    blocks.append([_last_line(report)])
    shown = ["\n".join(visible(line) for line in block) for block in blocks if block]
    if colour:
        shown = [_paint(block) for block in shown]
    return "\n\n".join(shown) + "\n"


def _finding(row: Row) -> Iterator[str]:
    finding, judged, place = row
    stored = " (stored before, so it only warns)" if finding.existing else ""
    yield f"{_TITLES[finding.effect]}[{finding.rule}] {sentence(finding)}{stored}"
    where = f"{judged.document.file}:{place.line}:{place.column}  {_name(judged.identity)}"
    yield from _source(judged.document.text, place, where, written(finding.path))
    gutter = " " * len(str(place.line))
    if finding.why:
        yield f"{gutter} = why: {finding.why}"
    if finding.fix is not None:
        yield f"{gutter} = fix: {_fix(finding.fix)}"
    if finding.exempted_by is not None:
        yield f"{gutter} = exempted by {finding.exempted_by}"


def _mistake(mistake: Mistake, report: Report) -> Iterator[str]:
    yield f"error: {mistake.message}"
    where = f"{mistake.file}:{mistake.line}:{mistake.column}"
    text = report.texts.get(mistake.file)
    if text is None:
        yield f" --> {where}"
    else:
        yield from _source(text, Place(mistake.line, mistake.column), where)


def _source(text: Text, place: Place, where: str, label: str = "") -> Iterator[str]:
    """The place, its line, and a caret under what is meant."""
    number = str(place.line)
    gutter = " " * len(number)
    line = text.line(place.line).replace("\t", " ")  # one column each, as they are counted
    start = place.column - 1
    first = max(0, start - WIDEST // 2) if len(line) > WIDEST else 0
    shown = line[first : first + WIDEST]
    indent = " " * (start - first)
    caret = "^" * max(1, min(place.width, len(shown) - len(indent)))
    yield f"{gutter}--> {where}"
    if not line.strip():
        return
    yield f"{gutter} |"
    yield f"{number} | {shown}"
    yield f"{gutter} | {indent}{caret} {label}".rstrip()


def _fix(fix: Fix) -> str:
    told = [
        f"remove {written(operation.path)}"
        if operation.op == "remove"
        else f"{written(operation.path)}: {quote(operation.value)}"
        for operation in fix.patch
    ]
    return f"{'; '.join(told)}  [{'safe' if fix.safe else _UNSAFE}]"


def _mended(judged: Judged) -> str:
    told = "; ".join(f"{written(o.path)}: {quote(o.value)}" for o in judged.decision.patch)
    where = f"{judged.document.file}:{judged.place(()).line}"
    return f"filled in  {where}  {_name(judged.identity)}  {told}"


def _name(identity: Identity) -> str:
    namespace = f"{identity.namespace}/" if identity.namespace else ""
    return f"{identity.kind} {namespace}{identity.name}"


def _table(report: Report) -> Iterator[str]:
    """Rule by namespace, a row each, the numbers by effect."""
    rows = [(c.rule, c.namespace or "-", *map(str, c.numbers)) for c in report.counts]
    if rows:
        yield from columns([("rule", "namespace", *EFFECTS), *rows], right=len(EFFECTS))


def columns(rows: Sequence[Sequence[str]], *, right: int = 0) -> Iterator[str]:
    """The rows with their cells one under the other; the last `right` cells are numbers."""
    width = len(rows[0])
    widths = [max(len(row[index]) for row in rows) for index in range(width)]
    for row in rows:
        words = zip(row, widths, strict=True)
        cells = [
            word.rjust(wide) if index >= width - right else word.ljust(wide)
            for index, (word, wide) in enumerate(words)
        ]
        yield "  ".join(cells).rstrip()


def _last_line(report: Report) -> str:
    said = []
    for effect in EFFECTS:
        number = sum(row.finding.effect == effect for row in report.rows)
        if number or effect in {"deny", "warn"}:
            said.append(f"{number} {_COUNTED[effect][number != 1]}")
    if report.mistakes:
        said.append(f"{len(report.mistakes)} unreadable")
    mended = sum(bool(judged.decision.patch) for judged in report.judged)
    if mended:
        said.append(f"{mended} filled in")
    files = len({judged.document.file for judged in report.judged})
    checked = f"{_plural(len(report.judged), 'object')} in {_plural(files, 'file')}"
    return f"Checked {checked}: {', '.join(said)}."


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _paint(block: str) -> str:
    """The block with its first word in colour, if that word is a title."""
    for word, code in _COLOURS.items():
        if block.startswith((f"{word}[", f"{word}:")):
            return f"\x1b[1;{code}m{word}\x1b[0m{block[len(word) :]}"
    return block
