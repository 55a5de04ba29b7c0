"""What was judged, as values and as JSON (contracts 6). `webhook.report_text` writes it for people.

Outputs may gain fields, never lose or rename one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from rules.model import JSON, Decision, Effect, Finding, OperationName, Path
from rules.patch import encode
from rules.words import place as written
from rules.words import sentence
from webhook.documents import Document
from webhook.objects import Identity
from webhook.text import Mistake, Place, Text

VERSION = 1
EFFECTS: tuple[Effect, ...] = ("deny", "warn", "audit", "info")


@dataclass(frozen=True, slots=True)
class Judged:
    """A document and the decision about it. `root`: where the object stands in the document."""

    document: Document
    identity: Identity
    operation: OperationName
    decision: Decision
    root: Path = ()

    def place(self, path: Path) -> Place:
        """Where a field of the object stands in the text."""
        return self.document.place((*self.root, *path))


class Row(NamedTuple):
    """A Finding, whose it is, and where."""

    finding: Finding
    judged: Judged
    place: Place


class Count(NamedTuple):
    """How often a rule speaks in a namespace, by effect in the order of EFFECTS."""

    rule: str
    namespace: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)  # without slots: rows are sorted when first asked for
class Report:
    """All that a check has to say."""

    judged: tuple[Judged, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    assumed: tuple[str, ...] = ()
    texts: Mapping[str, Text] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Everything could be read, and nothing is denied."""
        return not self.mistakes and all(judged.decision.allowed for judged in self.judged)

    @property
    def exit_code(self) -> int:
        """2 where something could not be read, else 1 where something is denied, else 0."""
        return 2 if self.mistakes else 0 if self.allowed else 1

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The Findings by file, line, column, rule and path."""
        rows = [
            Row(finding, judged, judged.place(finding.path))
            for judged in self.judged
            for finding in judged.decision.findings
        ]
        return tuple(sorted(rows, key=_order))

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """The Findings counted by rule and namespace."""
        found = Counter(
            (row.finding.rule, row.judged.identity.namespace, row.finding.effect)
            for row in self.rows
        )
        pairs = sorted({(rule, namespace) for rule, namespace, _ in found})
        return tuple(
            Count(*pair, tuple(found[(*pair, effect)] for effect in EFFECTS)) for pair in pairs
        )


def _order(row: Row) -> tuple[str, int, int, str, str, str, str]:
    finding = row.finding
    path = written(finding.path)
    file = row.judged.document.file
    line, column, _ = row.place
    return file, line, column, finding.rule, path, finding.check, finding.message


def to_json(report: Report, *, summary: bool = False) -> JSON:
    """The report as contracts 6 says; `summary` adds the counts."""
    told: dict[str, JSON] = {
        "version": VERSION,
        "allowed": report.allowed,
        "objects": [_object(judged) for judged in report.judged],
        "findings": [_finding(row) for row in report.rows],
        "errors": [_mistake(mistake) for mistake in report.mistakes],
        "assumed": list(report.assumed),
    }
    if summary:
        told["summary"] = list(_counts(report.counts))
    return told


def _object(judged: Judged) -> JSON:
    return {
        "object": _identity(judged.identity),
        "file": judged.document.file,
        "line": judged.place(()).line,
        "operation": judged.operation,
        "allowed": judged.decision.allowed,
        "patch": encode(judged.decision.patch),
    }


def _finding(row: Row) -> JSON:
    finding, judged, place = row
    fix = finding.fix
    return {
        "rule": finding.rule,
        "check": finding.check,
        "action": finding.action,
        "level": finding.level,
        "effect": finding.effect,
        "severity": finding.severity,
        "object": _identity(judged.identity),
        "path": written(finding.path),
        "message": sentence(finding),
        "file": judged.document.file,
        "line": place.line,
        "column": place.column,
        "fix": None if fix is None else {"safe": fix.safe, "patch": encode(fix.patch)},
        "existing": finding.existing,
        "error": finding.error,
        "exempted_by": finding.exempted_by,
    }


def _identity(identity: Identity) -> JSON:
    return {
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
    }


def _mistake(mistake: Mistake) -> JSON:
    return {
        "file": mistake.file,
        "line": mistake.line,
        "column": mistake.column,
        "message": mistake.message,
    }


def _counts(counts: Iterable[Count]) -> Iterable[JSON]:
    for count in counts:
        numbers = dict(zip(EFFECTS, count.numbers, strict=True))
        yield {"rule": count.rule, "namespace": count.namespace, **numbers}
