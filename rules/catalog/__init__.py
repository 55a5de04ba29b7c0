"""The rules: one file each, grouped by subject, found and not registered.

To add a rule, write its file; see CONTRIBUTING.md. A rule here imports from `rules`, never from
another rule. What two rules share belongs beside the catalogue.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from types import ModuleType

from rules.model import JSON, Examples, Rule


def discover() -> tuple[Rule, ...]:
    """Every rule of the catalogue, in the order of their names.

    Raises ValueError where a file declares no rule or declares it badly, or two rules have one
    name.
    """
    found: dict[str, Rule] = {}
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        if module.ispkg:
            continue
        rule = _read(importlib.import_module(module.name))
        if rule.name in found:
            raise ValueError(f"{module.name}: another rule is called {rule.name} already")
        found[rule.name] = rule
    return tuple(found[name] for name in sorted(found))


def _read(module: ModuleType) -> Rule:
    """The rule that a module declares, with its text and examples."""
    name, check = module.__name__, getattr(module, "check", None)
    if check is None or not hasattr(check, "__rule__"):
        raise ValueError(f"{name} declares no rule: it needs a check with @rule(...)")
    if not module.__doc__:
        raise ValueError(f"{name} has no docstring: it is the public page of the rule")
    parameters = {}
    for parameter in inspect.signature(check).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if parameter.default is parameter.empty:
            raise ValueError(f"{name}: parameter {parameter.name} has no default")
        parameters[parameter.name] = parameter.default
    return Rule(
        name=name.rpartition(".")[2].replace("_", "-"),
        check=check,
        doc=module.__doc__,
        examples=_examples(vars(module)),
        parameters=parameters,
        **check.__rule__,
    )


def _examples(module: Mapping[str, JSON]) -> Examples:
    names = (each.name for each in fields(Examples))
    return Examples(**{name: tuple(module.get(name.upper(), ())) for name in names})
