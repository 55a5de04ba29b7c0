"""A Rulebook as YAML, and rules of the catalogue as JSON."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from rules.model import JSON, ActiveRule, Rule
from rules.rulebook import Configured, Rulebook, resources_of
from rules.selectors import LabelSelector
from webhook.rulebook import SECTIONS, camel, mends
from webhook.rulebook_shape import MENDS
from webhook.yaml_writer import write


def render(rulebook: Rulebook) -> str:
    """The rulebook in force as YAML: complete, and what is read from it is equal."""
    site = rulebook.site
    told = {key: _tell(getattr(site, name)) for key, name in SECTIONS.items()}
    told["tenant"] = {"label": site.tenant_label}
    told["rules"] = {c.default.rule.name: _tell_rule(c) for c in rulebook.rules} | {
        name: _tell_outsider(c) for name, c in rulebook.outside.items()
    }
    return "version: 1\n" + "".join(write({key: part}) for key, part in told.items())


def tell(rule: Rule) -> JSON:
    """A rule of the catalogue as JSON."""
    return {
        "name": rule.name,
        "summary": rule.summary,
        "why": rule.why,
        "severity": rule.severity,
        "action": rule.action,
        "mend": rule.mend,
        "scope": rule.scope,
        "phase": rule.phase,
        "kinds": [{"apiVersion": kind.api_version, "kind": kind.kind} for kind in rule.kinds],
        "operations": sorted(rule.operations),
        "subresources": list(dict.fromkeys(part for _, part in resources_of(rule))),
        "reads": sorted(kind.kind for kind in rule.reads),
        "parameters": {name: _tell(value) for name, value in rule.parameters.items()},
    }


def _tell(value: JSON) -> JSON:
    """A part of the site, or a parameter, as YAML shows it."""
    if is_dataclass(value):
        return {camel(f.name): _tell(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return [_tell(item) for item in value] if isinstance(value, list | tuple) else value


def _tell_rule(configured: Configured) -> JSON:
    base = configured.default
    actives = [base, *(active for _, active in configured.overrides)]
    # What was written may be gone (a cap, --no-mutate); any mend with the same effect is as true.
    mend = next(
        mend
        for mend in (base.rule.mend, *MENDS)
        if all(mends(mend, active.action) == active.mends for active in actives)
    )
    told: dict[str, JSON] = {"action": base.action, "mend": mend, "ratchet": base.ratchet}
    if configured.overrides:
        told["overrides"] = [_tell_override(s, active) for s, active in configured.overrides]
    if base.parameters:
        told["parameters"] = {name: _tell(value) for name, value in base.parameters.items()}
    return told


def _tell_outsider(configured: Configured) -> JSON:
    """A rule outside: what it does is not ours to mend."""
    return {key: part for key, part in _tell_rule(configured).items() if key != "mend"}


def _tell_override(selector: LabelSelector, active: ActiveRule) -> JSON:
    told: dict[str, JSON] = {
        "namespaceSelector": _tell_selector(selector),
        "action": active.action,
    }
    if active.parameters:
        told["parameters"] = {name: _tell(value) for name, value in active.parameters.items()}
    return told


def _tell_selector(selector: LabelSelector) -> JSON:
    labels: dict[str, str] = {}
    expressions: list[JSON] = []
    for requirement in selector.requirements:
        key, values = requirement.key, sorted(requirement.values)
        if requirement.operator == "In" and len(values) == 1 and key not in labels:
            labels[key] = values[0]
        else:
            told: dict[str, JSON] = {"key": key, "operator": requirement.operator}
            expressions.append(told | ({"values": values} if values else {}))
    told = {"matchLabels": labels, "matchExpressions": expressions}
    return {key: part for key, part in told.items() if part}
