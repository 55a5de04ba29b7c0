"""Who reaches whom, as values and as JSON (contracts 9). `webhook.reach_text` writes it for people.

Outputs may gain fields, never lose or rename one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from rules.model import Path
from rules.netpol.connections import Connection, name_of
from rules.netpol.explain import Told
from rules.netpol.sets import PROTOCOLS, Ports
from rules.words import place
from webhook.objects import Identity
from webhook.text import Mistake

VERSION = 1


class Row(NamedTuple):
    """A connection, and the steps to it, each with the object that took it."""

    connection: Connection
    why: tuple[tuple[Identity | None, Told], ...] = ()


class Uncertain(NamedTuple):
    """What is not known: between whom ("": of anybody), by what, where in it, and why."""

    source: str
    target: str
    object: Identity | None
    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that `reach` has to say."""

    engine: str
    rows: tuple[Row, ...] = ()
    uncertain: tuple[Uncertain, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """2 where something could not be read, else 0."""
        return 2 if self.mistakes else 0


def to_json(answer: Answer, *, why: bool = False) -> dict[str, Any]:
    """The answer; `why` with the steps to each connection."""
    return {
        "version": VERSION,
        "engine": answer.engine,
        "connections": [_connection(row, why=why) for row in answer.rows],
        "unknown": [_uncertain(each) for each in answer.uncertain],
        "errors": [
            {
                "file": mistake.file,
                "line": mistake.line,
                "column": mistake.column,
                "message": mistake.message,
            }
            for mistake in sorted(answer.mistakes)
        ],
        "assumed": list(answer.assumed),
    }


def _connection(row: Row, *, why: bool) -> dict[str, Any]:
    found, ports = row.connection, row.connection.verdict.allowed
    value = {
        "from": name_of(found.source),
        "to": name_of(found.target),
        "allowed": [{"protocol": name, "ports": text} for name, text in _ports(ports)],
    }
    return value | {"why": [_told(*each) for each in row.why]} if why else value


@lru_cache(maxsize=256)
def _ports(ports: Ports) -> tuple[tuple[str, str], ...]:
    """The protocols with their ports as one text each; many connections are on the same ones."""
    texts = ((protocol, ports.text(protocol)) for protocol in PROTOCOLS)
    return tuple((protocol, text) for protocol, text in texts if text)


def _told(identity: Identity | None, told: Told) -> dict[str, Any]:
    return {
        "object": _object(identity),
        "rule": place(told.path),
        "direction": told.direction,
        "action": told.action,
        "text": told.text,
    }


def _uncertain(each: Uncertain) -> dict[str, Any]:
    return {
        "from": each.source,
        "to": each.target,
        "object": _object(each.object),
        "path": place(each.path),
        "reason": each.reason,
    }


def _object(identity: Identity | None) -> dict[str, str] | None:
    if identity is None:
        return None
    return {
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
    }
