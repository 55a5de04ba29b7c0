"""Names of domains: a field of Calico Enterprise and Cloud, which open-source Calico cuts off.

Which of both is there is the engine's to say. So `domains` is an unknown field here, what it says
stands as one peer by itself among the parts of its end (`AnyOf` names), and what Enterprise finds
fault with is said, too. Source: tigera/docs calico-enterprise/_includes/content (_domain-names.mdx,
_entityrule.mdx).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rules.netpol.dialects.calico.reader import Reader
from rules.netpol.fields import JSON, mapping
from rules.netpol.model import Consequence, Direction, Unknown
from rules.netpol.names import EVERY_NAME, MANY
from rules.netpol.parts import UNKNOWN_FIELD
from rules.netpol.peers import AnyOf, Fqdn, Peer
from rules.selectors import Path, describe

FIELD = "domains"
_ENDS = ("source", "destination")
_BESIDE = (
    *("nets", "notNets", "selector", "notSelector", "namespaceSelector"),
    *("services", "serviceAccounts"),
)
DOMAIN_WANTED = "a name, or one with a single * for whole labels, such as *.example.com"
_LONGEST = 253
_LABEL = re.compile(r"[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?|\*")


def read_domains(end: JSON) -> Iterator[Peer]:
    """The names that one end of a rule states, one for each item, whatever that is."""
    stated = _stated(end)
    if stated:
        yield AnyOf(tuple(map(domain, stated)))


def judge_domains(reader: Reader, rule: JSON, path: Path, direction: Direction) -> None:
    """What Enterprise finds fault with in the names of a rule; it is read as wide as may be."""
    for role in _ENDS:
        end, at = mapping(rule, role), (*path, role, FIELD)
        stated = _stated(end)
        if not isinstance(end.get(FIELD), list | None):
            reader.fault(at, describe(end[FIELD]), "a list of names")
        if stated and (role, direction, rule.get("action")) != ("destination", "egress", "Allow"):
            told = "in the destination of an egress rule that allows"
            reader.fault(at, f"in the {role} of another rule", told, "as-read")
        beside = [field for field in _BESIDE if end.get(field)]
        if stated and beside:
            reader.fault(at, f"beside {' and '.join(beside)}", "alone, but for ports", "as-read")
        for index, item in enumerate(stated):
            if not is_supported(item) and isinstance(end[FIELD], list):
                consequence: Consequence = "as-read" if isinstance(item, str) else "refused"
                reader.fault((*at, index), describe(item), DOMAIN_WANTED, consequence)


def is_of_enterprise(unknown: Unknown) -> bool | None:
    """Whether an Unknown about names is a fault to Enterprise, or (False) to open source only."""
    return unknown.found != UNKNOWN_FIELD if FIELD in unknown.path[-2:] else None


def domain(stated: Any) -> Fqdn:
    """A name as the model writes it: a `*` in the place of labels stands for one of them or more.

    What Calico does not support is read as wide as it may be meant.
    """
    text = _plain(stated) if isinstance(stated, str) else EVERY_NAME
    if text == EVERY_NAME or "*" not in text:
        return Fqdn(text)
    if is_supported(text):
        return Fqdn(".".join(MANY if label == "*" else label for label in text.split(".")))
    last = text.rpartition("*")[2].partition(".")[2]
    return Fqdn(f"{MANY}.{last}" if last else EVERY_NAME)


def is_supported(stated: Any) -> bool:
    """Whether it is a name, or one with a single `*` in the place of whole labels."""
    if not isinstance(stated, str) or len(stated) > _LONGEST:
        return False
    text = _plain(stated)
    return text.count("*") <= 1 and all(map(_LABEL.fullmatch, text.split(".")))


def _stated(end: JSON) -> list[Any]:
    stated = end.get(FIELD)
    if stated is None:
        return []
    return stated if isinstance(stated, list) else [stated]


def _plain(stated: str) -> str:
    return stated.lower().removesuffix(".")
