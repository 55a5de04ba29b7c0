"""The rules: one file each, grouped by subject, found and not registered.

To add a rule, write its file; see CONTRIBUTING.md. A rule here imports from `rules`, never from
another rule. What two rules share belongs beside the catalogue.
"""

from __future__ import annotations

import importlib
import pkgutil

from rules.model import Rule, describe


def discover() -> tuple[Rule, ...]:
    """Every rule of the catalogue, in the order of their names.

    Raises ValueError where a file declares no rule, or two rules have one name.
    """
    found: dict[str, Rule] = {}
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        if module.ispkg:
            continue
        check = getattr(importlib.import_module(module.name), "check", None)
        if check is None or not hasattr(check, "__rule__"):
            raise ValueError(f"{module.name} declares no rule: it needs a check with @rule(...)")
        rule = describe(check)
        if rule.name in found:
            raise ValueError(f"{module.name}: another rule is called {rule.name} already")
        found[rule.name] = rule
    return tuple(found[name] for name in sorted(found))
