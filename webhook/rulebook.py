"""The operator's rulebook.yaml to a Rulebook, all its mistakes at once, and back to text.

Without a file the built-in rulebook stands: each rule with its own action and parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, partial
from pathlib import Path as FilePath
from typing import TypeVar

from rules.catalog import discover
from rules.image import entries
from rules.model import JSON, Action, ActiveRule, Mend, Rule
from rules.outside import EVERY, PREFIX, outsider
from rules.rulebook import Configured, Rulebook
from rules.selectors import LabelSelector
from rules.site import Site
from rules.threats import Threats
from rules.threats import parse as parse_threat
from rules.words import place
from webhook import listed
from webhook.documents import Document, parse
from webhook.rulebook_shape import faults, shape_of
from webhook.text import Mistake, Text

SECTIONS = {
    "trusted": "trusted",
    "platform": "platform",
    "mesh": "mesh",
    "cluster": "network",
    "messages": "messages",
}
"""The sections of the file that are parts of Site, and what they are called there."""
METADATA_NAME = "kubernetes.io/metadata.name"
_Part = TypeVar("_Part")


class BadRulebook(ValueError):
    """A rulebook that cannot stand; `mistakes` are all of them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says over the rulebook.

    `audit`: every action is capped at audit, and nothing is mended. `mutate` False: nothing is
    mended, since no mutating webhook is installed.
    """

    audit: bool = False
    mutate: bool = True


@cache
def catalogue() -> tuple[Rule, ...]:
    """All rules that exist, imported once."""
    return discover()


def load(path: FilePath | None, *, audit: bool = False, mutate: bool = True) -> Rulebook:
    """The rulebook in a file, the built-in one for None. See `Options`. Raises BadRulebook."""
    options = Options(audit, mutate)
    if path is None:
        return read(Text("", ""), options)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise BadRulebook([Mistake(str(path), 1, 1, message)]) from error
    return read(Text.of(str(path), data), options)


def with_lists(
    book: Rulebook, *, denied_images: FilePath | None, threats: FilePath | None
) -> Rulebook:
    """The rulebook with what these files list. Raises BadRulebook with the mistakes of both."""
    site = book.site
    mistakes: list[Mistake] = []
    if denied_images is not None:
        images, wrong = listed.read(denied_images, entries)
        mistakes += wrong
        site = replace(site, denied_images=frozenset[str]().union(*images))
    if threats is not None:
        named, wrong = listed.read(threats, parse_threat)
        mistakes += wrong
        site = replace(site, threats=Threats.of(named))
    if mistakes:
        raise BadRulebook(mistakes)
    return replace(book, site=site)


def read(
    text: Text, options: Options | None = None, *, rules: Iterable[Rule] | None = None
) -> Rulebook:
    """The rulebook in a text; an empty one is the built-in. Raises BadRulebook.

    `rules` are those that exist, by default all of the catalogue.
    """
    options = options or Options()
    known = catalogue() if rules is None else tuple(rules)
    value = _examine(text, known)
    said = {name: inner or {} for name, inner in (value.get("rules") or {}).items()}
    default: Action | None = value.get("action")
    configured = [_configure(rule, said.get(rule.name, {}), default, options) for rule in known]
    revision = hashlib.sha256(f"{options}\n{text.content}".encode("utf-8", "replace"))
    site = replace(_site(value), override_labels=_labels_of_overrides(said))
    outside = dict(_configure_outside(said, default, options))
    return Rulebook.of(site, configured, revision=revision.hexdigest()[:12], outside=outside)


def _examine(text: Text, rules: tuple[Rule, ...]) -> Mapping[str, JSON]:
    """The value of the text, which has the shape of a rulebook. Raises BadRulebook."""
    found = list(parse(text))
    mistakes = [item for item in found if isinstance(item, Mistake)]
    documents = [item for item in found if isinstance(item, Document)]
    shape = shape_of(rules)
    value = _spell_out(documents[0].value) if documents else {}
    for fault in faults(value, shape):
        message = f"{place(fault.path) or 'the rulebook'} {fault.message}"
        mistakes.append(documents[0].mistake(fault.path, message, key=fault.key))
    mistakes += [extra.mistake((), "a rulebook is one document") for extra in documents[1:]]
    if mistakes:
        raise BadRulebook(mistakes)
    return value


def _spell_out(value: JSON) -> JSON:
    """`off` is false in YAML; where an action or a mend stands it is the word."""
    if isinstance(value, list):
        return [_spell_out(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "off"
        if inner is False and key in {"action", "mend"}
        else inner
        if key == "parameters"
        else _spell_out(inner)
        for key, inner in value.items()
    }


def _site(value: Mapping[str, JSON]) -> Site:
    site = Site()
    parts = {
        name: _fill(getattr(site, name), value.get(key) or {}) for key, name in SECTIONS.items()
    }
    names = parts["trusted"].namespaces | site.trusted.namespaces
    parts["trusted"] = replace(parts["trusted"], namespaces=names)
    label = (value.get("tenant") or {}).get("label")
    return replace(site, tenant_label=label or site.tenant_label, **parts)


def _fill(default: _Part, given: Mapping[str, JSON]) -> _Part:
    """The part of the site with what is given in place of its defaults."""
    changes = {}
    for field in fields(default):  # type: ignore[arg-type]  # the parts of Site are dataclasses
        value, old = given.get(camel(field.name)), getattr(default, field.name)
        if value is None:
            continue
        if is_dataclass(old):
            changes[field.name] = _fill(old, value)
        else:
            changes[field.name] = type(old)(value) if isinstance(value, list) else value
    return replace(default, **changes)  # type: ignore[type-var]  # as above


def camel(name: str) -> str:
    """The name of a field as the file spells it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _configure(
    rule: Rule, said: Mapping[str, JSON], default: Action | None, options: Options
) -> Configured:
    """A rule as the rulebook says; `default` is the action that the file gives to all."""
    mend: Mend = said.get("mend") or rule.mend
    action = said.get("action") or default or rule.action
    blank = ActiveRule(rule, action, rule.check, ratchet=said.get("ratchet") is not False)
    base = _activate(blank, mend, said.get("parameters") or {}, options)
    overrides = []
    for override in said.get("overrides") or ():
        active = replace(base, action=override.get("action") or action)
        active = _activate(active, mend, override.get("parameters") or {}, options)
        overrides.append((LabelSelector.parse(override["namespaceSelector"]), active))
    return Configured(base, tuple(overrides))


def _configure_outside(
    said: Mapping[str, Mapping[str, JSON]], default: Action | None, options: Options
) -> Iterator[tuple[str, Configured]]:
    """The rules outside that the rulebook names; what it does not say of one holds as for all."""
    common = said.get(EVERY, {})
    yield EVERY, _configure(outsider(EVERY), common, default, options)
    for name, own in said.items():
        if name.startswith(PREFIX) and name != EVERY:
            stated = {key: value for key, value in own.items() if value is not None}
            yield name, _configure(outsider(name), {**common, **stated}, default, options)


def _labels_of_overrides(said: Mapping[str, JSON]) -> frozenset[str]:
    """The labels that decide which override counts, but the one that the API server sets."""
    selectors = (
        LabelSelector.parse(override["namespaceSelector"])
        for rule in said.values()
        for override in rule.get("overrides") or ()
    )
    return frozenset(key for selector in selectors for key in selector.keys) - {METADATA_NAME}


def _activate(
    active: ActiveRule, mend: Mend, given: Mapping[str, JSON], options: Options
) -> ActiveRule:
    """The rule with its parameters bound and its action as the options let it be."""
    rule = active.rule
    action: Action = active.action
    if options.audit and action != "off":
        action = "audit"
    bound = dict(active.parameters) or dict(rule.parameters)
    bound |= {name: _like(rule.parameters[name], value) for name, value in given.items()}
    changed = bound != dict(rule.parameters)
    return replace(
        active,
        action=action,
        check=partial(rule.check, **bound) if changed else rule.check,
        mends=options.mutate and mends(mend, action),
        parameters=bound,
    )


def mends(mend: Mend, action: Action) -> bool:
    """Whether a rule with this setting mends where it has this action."""
    match mend:
        case "enforce":
            return action == "enforce"
        case "warn":
            return action in {"enforce", "warn"}
    return False


def _like(default: JSON, value: JSON) -> JSON:
    """A list as the kind of collection that the default is; null is the default."""
    if value is None:
        return default
    if isinstance(value, list) and isinstance(default, tuple | set | frozenset):
        return type(default)(value)
    return value
