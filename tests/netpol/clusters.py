"""Clusters for tests: files or texts to what `reach` is asked about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from rules.netpol import census
from rules.netpol.connections import Connection, Question, name_of
from rules.netpol.engine import Engine
from rules.netpol.engines import engine_of
from rules.netpol.languages import api_of, translate
from rules.netpol.model import Policy
from rules.netpol.reach import Network
from rules.netpol.survey import Survey

_SEPARATOR = re.compile(r"(?m)^---.*$")
_TEXTS = {".json", ".yaml", ".yml"}


def objects(texts: Iterable[str]) -> Iterator[Any]:
    """Objects and items of lists; one document that is no YAML leaves the others as they are."""
    for text in texts:
        for piece in _SEPARATOR.split(text):
            try:
                yield from _flat(yaml.load(piece, Loader=yaml.CSafeLoader))
            except yaml.YAMLError:
                continue


def files(folder: Path) -> Iterator[str]:
    """The texts of all YAML and JSON files below a folder."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in _TEXTS:
            yield file.read_text()


def survey(
    nodes: Iterable[Any], question: Question | None = None, *, engine: Engine | None = None
) -> Survey:
    """The survey of a cluster of these objects, by default as the API texts say."""
    nodes = list(nodes)
    engine = engine or engine_of("spec")
    policies: list[Policy] = [
        policy for node in nodes if engine.implements(api_of(node)) for policy in translate(node)
    ]
    return Survey(Network.of(engine, census.take(nodes), policies), question or Question())


def table(found: Iterable[Connection]) -> dict[tuple[str, str], str]:
    """What is allowed, in words, by the names of both parties."""
    return {
        (name_of(each.source), name_of(each.target)): str(each.verdict.allowed)
        for each in found
        if each.verdict.allowed
    }


def _flat(value: Any) -> Iterator[Any]:
    items = value.get("items") if isinstance(value, dict) else None
    if isinstance(items, list):
        shared = {"apiVersion": value.get("apiVersion"), "kind": value["kind"].removesuffix("List")}
        for item in items:
            yield from _flat(shared | item)
    elif isinstance(value, dict):
        yield value
