"""Rules that stand outside, in an OPA server: what is heard of them, and their place in a rulebook.

Nothing is known of such a rule before it speaks; the rulebook says what its Findings do, by its
name or for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.model import ActiveRule, Examples, Finding, Rule

PREFIX = "opa/"
EVERY = "opa/*"
UNAVAILABLE = "opa/unavailable"
"""The name under which our own failures to ask speak."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said outside of an object, and of the stored one (`former`) where that was asked.

    The Findings have the names, severities and places that they were said with.
    """

    findings: tuple[Finding, ...] = ()
    former: tuple[Finding, ...] = ()


def outsider(name: str) -> Rule:
    """A rule outside as a rulebook holds it: enforced unless told otherwise, asked elsewhere."""
    return Rule(
        name=name,
        check=_say_nothing,
        kinds=(),
        operations=frozenset(),
        subresources=(),
        reads=frozenset(),
        severity="medium",
        scope="everywhere",
        phase="final",
        transition=False,
        mend="off",
        action="enforce",
        doc="Rules in Rego of this site hold.\n\nWhy: the site says so.\nSource: its OPA server.",
        examples=Examples(),
        parameters={},
    )


def _say_nothing(*_: object) -> Iterator[Finding]:
    return iter(())


BY_DEFAULT = ActiveRule(outsider(EVERY), "enforce", _say_nothing)
