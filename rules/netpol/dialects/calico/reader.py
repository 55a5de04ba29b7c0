"""Reading one object: by which door it came, what becomes of its faults, and what fields hold.

Calico's API refuses what is wrong. Behind a CustomResourceDefinition only the schema is asked, and
what comes through is void, or means something else than it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from rules.netpol.dialects.calico.selectors import parse
from rules.netpol.dialects.calico.tokens import InvalidExpression
from rules.netpol.fields import JSON
from rules.netpol.model import Consequence, Unknown
from rules.netpol.parts import strangers
from rules.selectors import Path, describe

Door = Literal["api", "native", "crd"]
"""How an object is stored: by Calico's API server, which checks it and fills in defaults; as
projectcalico.org/v3 by definitions of that group, which fill in defaults; or as
crd.projectcalico.org/v1 as it was written."""

_Kind = TypeVar("_Kind")
GLOBAL = "global("
SELECTOR_WANTED = "a selector such as app == 'web'"
VOIDED = ", or felix throws the whole policy away"
_DROPPED = ", or it is dropped, and the policy is about more pods"
_GLOBAL_WANTED = "without global(), which only the namespaceSelector of a rule may have"


@dataclass(slots=True)
class Reader:
    """What is read of one object. `faults` are all that means not what it says, as it is found."""

    door: Door
    faults: list[Unknown] = field(default_factory=list)

    def fault(
        self,
        path: Path,
        found: str,
        wanted: str,
        behind_crd: Consequence = "refused",
        told: str = "",
    ) -> None:
        """A fault that the API refuses, and that has this consequence where it is not asked.

        `told` goes on from `wanted`: what happens there, if not what happens to all that is void.
        """
        if self.door == "api":
            self.faults.append(Unknown(path, found, wanted, "refused"))
        else:
            told = told or (VOIDED if behind_crd == "void" else "")
            self.faults.append(Unknown(path, found, f"{wanted}{told}", behind_crd))

    def strict(self, path: Path, found: str, wanted: str) -> None:
        """A fault that the API refuses, and that nobody else minds."""
        if self.door == "api":
            self.fault(path, found, wanted)

    def void(self, path: Path, found: str, wanted: str) -> None:
        """A fault that no door refuses, and for which felix throws the object away."""
        self.faults.append(Unknown(path, found, f"{wanted}{VOIDED}", "void"))

    def wider(self, path: Path, found: str, wanted: str) -> None:
        """A fault that no door refuses, and which makes the object mean more than it says."""
        self.faults.append(Unknown(path, found, wanted, "as-read"))

    def strangers(self, node: Mapping[Any, Any], known: tuple[str, ...], path: Path) -> None:
        """Fields that the API does not have, and cuts off."""
        self.faults += strangers(node, known, path)

    def text(self, node: JSON, name: str, path: Path) -> str:
        """A string; "" if there is none."""
        return self._typed(node, name, path, str, "a string") or ""

    def map(self, node: JSON, name: str, path: Path) -> JSON | None:
        """A map; None if there is none."""
        return self._typed(node, name, path, dict, "a map")

    def items(self, node: JSON, name: str, path: Path) -> list[Any]:
        """A list; empty if there is none."""
        return self._typed(node, name, path, list, "a list") or []

    def truth(self, node: JSON, name: str, path: Path) -> bool:
        """A boolean; False if there is none."""
        return self._typed(node, name, path, bool, "true or false") or False

    def choice(self, node: JSON, name: str, path: Path, choices: tuple[Any, ...]) -> Any:
        """One of the choices; None if there is none of them."""
        value = node.get(name)
        if any(type(value) is type(each) and value == each for each in choices):
            return value
        if value is not None:
            wanted = " or ".join(map(str, choices))
            self.fault((*path, name), describe(value), wanted)
        return None

    def selector(
        self,
        node: JSON,
        name: str,
        path: Path,
        behind_crd: Consequence = "void",
        *,
        may_be_global: bool = False,
    ) -> str:
        """A selector's text; "" where there is none, or none that can be read."""
        text, at = self.text(node, name, path), (*path, name)
        if not may_be_global:
            self.not_global(text, at)
        try:
            parse(text)
        except InvalidExpression as error:
            told = _DROPPED if behind_crd == "as-read" else ""
            self.fault(at, str(error), SELECTOR_WANTED, behind_crd, told)
            return ""
        return text

    def not_global(self, text: str, path: Path) -> None:
        """A selector that asks for what only a rule's namespaceSelector may ask for."""
        if GLOBAL in text:
            self.fault(path, describe(text), _GLOBAL_WANTED)

    def _typed(
        self, node: JSON, name: str, path: Path, kind: type[_Kind], wanted: str
    ) -> _Kind | None:
        value = node.get(name)
        if isinstance(value, kind):
            return value
        if value is not None or (name in node and self.door != "api"):
            self.fault((*path, name), describe(value), wanted)
        return None
