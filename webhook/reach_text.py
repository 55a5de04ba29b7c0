"""Who reaches whom, for people: a line for each connection, or a graph for Graphviz."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rules.netpol.connections import name_of
from rules.netpol.explain import Told, words
from rules.words import place
from webhook.objects import Identity
from webhook.reach_report import Answer, Row, Uncertain
from webhook.text import visible


def to_text(answer: Answer) -> str:
    """A line for each connection, its reasons below it, then what is not known, then a count."""
    lines = [line for row in answer.rows for line in _row(row)]
    lines += [f"unknown: {_uncertain(each)}" for each in answer.uncertain]
    lines.append(_count(answer))
    return "".join(f"{visible(line)}\n" for line in lines)


def to_dot(answer: Answer) -> str:
    """A graph in the language of Graphviz; what is not known is a dashed edge."""
    lines = ["digraph reach {", "  rankdir=LR;", "  node [shape=box];"]
    for row in answer.rows:
        found = row.connection
        label = words(found.verdict.allowed)
        lines.append(f"  {_edge(name_of(found.source), name_of(found.target), label)};")
    for source, target in dict.fromkeys((each.source, each.target) for each in answer.uncertain):
        if source and target:
            lines.append(f"  {_edge(source, target, 'unknown', 'style=dashed')};")
    return "".join(f"{line}\n" for line in (*lines, "}"))


def _row(row: Row) -> Iterator[str]:
    found = row.connection
    ports = words(found.verdict.allowed)
    yield f"{name_of(found.source)} -> {name_of(found.target)}: {ports}"
    for identity, told in row.why:
        yield f"    {told.direction}: {_told(identity, told)}"


def _told(identity: Identity | None, told: Told) -> str:
    if identity is None:
        return told.text
    return f"{_name(identity)} {place(told.path)} {told.text}"


def _uncertain(each: Uncertain) -> str:
    pair = f"{each.source} -> {each.target}: " if each.source or each.target else ""
    return f"{pair}{_name(each.object)} {place(each.path)} {each.reason}"


def _name(identity: Identity | None) -> str:
    if identity is None:
        return "no policy"
    name = f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
    return f"{identity.kind} {name}"


def _count(answer: Answer) -> str:
    number, doubts = len(answer.rows), len(answer.uncertain)
    rest = f", {doubts} unknown" if doubts else ""
    return f"{number} connection{'' if number == 1 else 's'}{rest} (engine {answer.engine})"


def _edge(source: str, target: str, label: str, style: str = "") -> str:
    shown = ", ".join(filter(None, (f"label={_quote(label)}", style)))
    return f"{_quote(source)} -> {_quote(target)} [{shown}]"


def _quote(text: str) -> str:
    # Graphviz takes the escapes of JSON for what they stand for, in quotes and backslashes
    return json.dumps(visible(text), ensure_ascii=False)
