"""The ratchet: what a stored object had already does not stop its author from changing the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from rules.model import JSON, Finding, Path
from rules.patch import lookup
from rules.review import Review

_ENCODER = json.JSONEncoder(sort_keys=True, default=str)


def excuse(
    findings: Iterable[Finding], former: Iterable[Finding], review: Review, strict: frozenset[str]
) -> list[Finding]:
    """What the stored object had already is `existing`: it is told, and denies no more.

    Two Findings agree in rule, check, place (list items by name, else by value) and found value.
    `strict` names the rules whose Findings are never excused.
    """
    before, now = _Names(review.old), _Names(review.object)
    known = {before.identify(f) for f in former}
    if not known:
        return list(findings)
    return [
        replace(f, existing=True, effect="warn" if f.effect == "deny" else f.effect)
        if not f.error and f.rule not in strict and now.identify(f) in known
        else f
        for f in findings
    ]


class _Names:
    """What the items of the lists of an object are known by; each is looked at once."""

    def __init__(self, value: JSON) -> None:
        self._value = value
        self._known: dict[Path, str] = {}

    def identify(self, finding: Finding) -> tuple[str, str, tuple[str, ...], str]:
        """What makes a Finding the same one in another version of the object."""
        path = finding.path
        steps = [
            self._name(path[: depth + 1]) if isinstance(step, int) else step
            for depth, step in enumerate(path)
        ]
        return finding.rule, finding.check, tuple(steps), _canonical(finding.found)

    def _name(self, path: Path) -> str:
        name = self._known.get(path)
        if name is None:
            item = lookup(self._value, path)
            named = isinstance(item, dict) and isinstance(item.get("name"), str)
            name = f"name={item['name']}" if named else _canonical(item)
            self._known[path] = name
        return name


def _canonical(value: JSON) -> str:
    return _ENCODER.encode(value)
