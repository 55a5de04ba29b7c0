"""Rulebook: the operator's file as a value. `webhook.rulebook` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from rules.memory import Memory
from rules.model import BINDING, Action, ActiveRule, Kind, OperationName, Rule
from rules.outside import BY_DEFAULT, EVERY, UNAVAILABLE
from rules.pods import TEMPLATES
from rules.selectors import LabelSelector
from rules.site import Site

Key = tuple[str, str, str, str]
"""(group, resource, subresource, operation), as a webhook is registered."""


_UPDATED: frozenset[OperationName] = frozenset({"UPDATE"})
_CREATED: frozenset[OperationName] = frozenset({"CREATE"})
SERVED: Mapping[str, frozenset[OperationName]] = {
    "ephemeralcontainers": _UPDATED,
    "resize": _UPDATED,
    "binding": _CREATED,
}
"""Subresources that know one operation only."""
STRENGTH: tuple[Action, ...] = ("off", "audit", "warn", "enforce")


@dataclass(frozen=True, slots=True)
class Configured:
    """A rule with its overrides: the first whose selector matches the namespace's labels counts."""

    default: ActiveRule
    overrides: tuple[tuple[LabelSelector, ActiveRule], ...] = ()

    def within(self, labels: Mapping[str, str]) -> ActiveRule:
        """The rule as it stands in a namespace with these labels."""
        for selector, active in self.overrides:
            if selector.matches(labels):
                return active
        return self.default


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rules that are asked about a review, by phase; `menders` are the final ones that mend."""

    rules: tuple[ActiveRule, ...] = ()
    raw: tuple[ActiveRule, ...] = ()
    final: tuple[ActiveRule, ...] = ()
    menders: tuple[ActiveRule, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[ActiveRule]) -> Chosen:
        """These rules, sorted into phases."""
        rules = tuple(rules)
        final = tuple(active for active in rules if active.rule.phase == "final")
        return cls(
            rules,
            tuple(active for active in rules if active.rule.phase == "raw"),
            final,
            tuple(active for active in final if active.mends),
            tuple(active.rule.name for active in rules),
        )


@dataclass(frozen=True, slots=True, eq=False)  # known by its identity
class Rulebook:
    """All rules as configured, and the site. `revision` names the text that it was read from.

    `shaped` are the (group, resource) of which no rule reads a field beyond `rules.shapes`.
    `outside` are the rules outside that it names, and what holds for all others (`opa/*`).
    """

    site: Site
    rules: tuple[Configured, ...]
    revision: str = ""
    index: Mapping[Key, tuple[Configured, ...]] = field(default_factory=dict)
    shaped: frozenset[tuple[str, str]] = frozenset()
    outside: Mapping[str, Configured] = field(default_factory=lambda: _OUTSIDE)
    _chosen: Memory[object, Chosen] = field(default_factory=Memory, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        site: Site,
        rules: Iterable[Configured],
        *,
        revision: str = "",
        outside: Mapping[str, Configured] | None = None,
    ) -> Rulebook:
        """The rulebook, with the index by which a review finds its rules."""
        rules = tuple(rules)
        index: dict[Key, tuple[Configured, ...]] = {}
        for configured in rules:
            for key in _keys(configured):
                index[key] = (*index.get(key, ()), configured)
        asked = {(group, resource) for group, resource, *_ in index}
        whole = {key[:2] for key, found in index.items() if not all(map(_is_shaped, found))}
        shaped = frozenset(asked - whole)
        return cls(site, rules, revision, index, shaped, outside or _OUTSIDE)

    def choose(self, key: Key, labels: Mapping[str, str], *, trusted: bool, known: bool) -> Chosen:
        """The rules for a review of this key in a namespace with these labels, trusted or not.

        Where it is not `known` who asks, rules that compare old with new do not speak.
        """
        asked = (key, trusted, known, *labels.items())
        chosen = self._chosen.get(asked)
        if chosen is None:
            chosen = Chosen.of(self._active(key, labels, trusted=trusted, known=known))
            self._chosen.put(asked, chosen)
        return chosen

    def outsider(self, name: str, labels: Mapping[str, str]) -> ActiveRule:
        """What a rule outside may do in a namespace with these labels.

        Who was not heard may have been the strictest of them; so may the word that he was not.
        """
        if name == UNAVAILABLE and name not in self.outside:
            here = [configured.within(labels) for configured in self.outside.values()]
            return max(here, key=lambda active: STRENGTH.index(active.action))
        return (self.outside.get(name) or self.outside[EVERY]).within(labels)

    def asks_outside(self, labels: Mapping[str, str]) -> bool:
        """Whether some rule outside has a say in a namespace with these labels."""
        return any(
            configured.within(labels).action != "off"
            for name, configured in self.outside.items()
            if name != UNAVAILABLE
        )

    def _active(
        self, key: Key, labels: Mapping[str, str], *, trusted: bool, known: bool
    ) -> tuple[ActiveRule, ...]:
        return tuple(
            [
                active
                for configured in self.index.get(key, ())
                if (active := configured.within(labels)).action != "off"
                and not (trusted and active.rule.scope == "tenants")
                and (known or not active.rule.transition)
            ]
        )


_OUTSIDE: Mapping[str, Configured] = {EVERY: Configured(BY_DEFAULT)}


def _is_shaped(configured: Configured) -> bool:
    return configured.default.rule.shaped


def _keys(configured: Configured) -> Iterable[Key]:
    rule = configured.default.rule
    for kind, subresource in resources_of(rule):
        for operation in sorted(operations_of(kind, rule.operations, subresource)):
            yield kind.group, kind.resource, subresource, operation


def resources_of(rule: Rule) -> Iterable[tuple[Kind, str]]:
    """The kinds and subresources at which a rule must be asked, `""` for the object itself."""
    yield from product(rule.kinds, rule.subresources)
    yield from rule.also


def operations_of(
    kind: Kind, operations: frozenset[OperationName], subresource: str = ""
) -> frozenset[OperationName]:
    """The operations on a kind, or its subresource, at which a rule must be asked.

    A changed template makes new pods: what a rule says of the creation of a pod, it says of the
    update of a template. Some subresources know one operation only, and a Binding is only created.
    """
    served = _CREATED if kind is BINDING else SERVED.get(subresource)
    if served is not None:
        return served if operations & (_CREATED | _UPDATED) else frozenset()
    if (kind.group, kind.kind) in TEMPLATES and "CREATE" in operations:
        return operations | {"UPDATE"}
    return operations
