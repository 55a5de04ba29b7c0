"""The public pages of the rules, their catalogue and the built-in rulebook, as Markdown.

Messages are not written here: each example is judged, and what the rule says of it is shown.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import groupby

import yaml

from rules.model import JSON, Finding, Rule
from rules.rulebook import Rulebook, operations_of, resources_of
from rules.words import enumerate_words, sentence
from tests.examples import read, rulebook
from webhook.judge import judge
from webhook.rulebook_text import render

_SCOPES = {
    "tenants": "namespaces of tenants: all that are not trusted",
    "everywhere": "the whole cluster; who asks is looked at",
}
_PHASES = {
    "raw": "raw: the author's text, before anything else has changed it",
    "final": "final: what will be stored",
}


def catalogue_page(rules: Iterable[Rule]) -> str:
    """The tables of all rules, by subject."""
    head = ("rule", "what must hold", "severity", "action", "mend")
    tables: list[str] = []
    for subject, own in groupby(sorted(rules, key=_subject), key=_subject):
        rows = [
            (f"[{rule.name}]({rule.name}.md)", rule.summary, rule.severity, rule.action, rule.mend)
            for rule in own
        ]
        about = inspect.cleandoc(import_module(subject).__doc__ or "").partition("\n\n")[0]
        tables += [f"## {subject.rpartition('.')[2].capitalize()}", _flow(about), table(head, rows)]
    return join(
        "# Rules",
        "Each page is written from the file of its rule in `rules/catalog`. Action and mend are "
        "those of the built-in rulebook; yours may say otherwise, for the cluster or per tenant.",
        *tables,
    )


def _subject(rule: Rule) -> str:
    return rule.check.__module__.rpartition(".")[0]


def rulebook_page(built_in: Rulebook) -> str:
    """The rulebook that stands where the operator says nothing."""
    return join(
        "# The built-in rulebook",
        "Every key may be left out, and then stands as here. `sallyport rulebook` prints the one "
        "in force, `sallyport rulebook check FILE` finds the mistakes of one. What the rules and "
        "their parameters mean: [rules](rules/README.md).",
        block("yaml", render(built_in).rstrip("\n")),
    )


def rule_page(rule: Rule) -> str:
    """The page of one rule."""
    _, *notes = rule.doc.rstrip().split("\n\n")
    reason, _, source = notes.pop(0).partition("\nSource: ")
    why = _flow(reason.removeprefix("Why: "))
    return join(
        f"# {rule.name}",
        rule.summary,
        table(("", ""), _facts(rule)),
        *_section("Why", [why[:1].upper() + why[1:], *notes]),
        *_section("Parameters", _parameters(rule)),
        *_examples("Filled in", _fixes(rule)),
        *_examples("Allowed", (_example(text) for text in rule.examples.allow)),
        *_examples("Denied", (_judged(rule, text) for text in rule.examples.deny)),
        *_examples("Warned", (_judged(rule, text) for text in rule.examples.warn)),
        *_examples("Noted", (_judged(rule, text) for text in rule.examples.info)),
        *_section("Source", [_flow(source)]),
    )


def _facts(rule: Rule) -> list[tuple[str, str]]:
    reads = sorted(kind.kind for kind in rule.reads)
    return [
        ("severity", rule.severity),
        ("action", f"{rule.action} in the built-in rulebook"),
        ("mend", f"{rule.mend} in the built-in rulebook"),
        ("scope", _SCOPES[rule.scope]),
        ("phase", _PHASES[rule.phase]),
        ("checks", ", ".join(_checks(rule))),
        ("judges", "; ".join(_judges(rule))),
        ("reads besides", ", ".join(reads) or "nothing"),
    ]


def _checks(rule: Rule) -> dict[str, None]:
    """The paragraphs that its examples show, in their order."""
    texts = (*rule.examples.deny, *rule.examples.warn, *rule.examples.info)
    return dict.fromkeys(finding.check for text in texts for finding in _said(rule, text))


def _judges(rule: Rule) -> Iterator[str]:
    """`CREATE and UPDATE of Pod, Deployment`, kinds with the same operations together."""
    together: dict[str, list[str]] = {}
    for kind, part in resources_of(rule):
        operations = enumerate_words(sorted(operations_of(kind, rule.operations, part)), "and")
        name = f"{kind.kind} ({part})" if part else kind.kind
        together.setdefault(operations, []).append(name)
    for operations, names in together.items():
        yield f"{operations} of {', '.join(names)}"


def _parameters(rule: Rule) -> Iterator[str]:
    if not rule.parameters:
        return
    values = {name: _plain(value) for name, value in rule.parameters.items()}
    yield _flow(rule.check.__doc__ or "")
    yield "In the rulebook, with the defaults:"
    yield _yaml({"rules": {rule.name: {"parameters": values}}})


def _plain(value: JSON) -> JSON:
    return list(value) if isinstance(value, tuple) else value


def _fixes(rule: Rule) -> Iterator[str]:
    for before, after in rule.examples.fix:
        yield f"{_example(before)}\n\nbecomes\n\n{_example(after)}"


def _judged(rule: Rule, text: str) -> str:
    """An example, and what the rule says of it."""
    said = "\n".join(f"[{finding.rule}] {sentence(finding)}" for finding in _said(rule, text))
    return f"{_example(text)}\n\n{block('text', said)}"


def _said(rule: Rule, text: str) -> tuple[Finding, ...]:
    example = read(text)
    book = rulebook(rule, parameters=example.parameters)
    return judge(example.review(), book, example.view()).findings


def _example(text: str) -> str:
    """The object of an example in block form, then the circumstances in which it is met."""
    value = yaml.safe_load(text)
    if "kind" in value:
        return _yaml(value)
    around = {key: given for key, given in value.items() if key != "object"}
    return f"{_yaml(value.get('object'))}\n\nwhere\n\n{_yaml(around)}"


def _section(title: str, parts: Iterable[str]) -> list[str]:
    body = [part for part in parts if part]
    return [f"## {title}", *body] if body else []


def _examples(title: str, parts: Iterable[str]) -> list[str]:
    return _section(title, ["\n\n---\n\n".join(parts)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell is one line."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in escaped)


def _yaml(value: JSON) -> str:
    return block("yaml", yaml.safe_dump(value, sort_keys=False, width=100).rstrip("\n"))


def block(language: str, text: str) -> str:
    """Text as it stands."""
    return f"```{language}\n{text}\n```"


def _flow(text: str) -> str:
    return " ".join(text.split())


def join(*parts: str) -> str:
    """A page of these paragraphs."""
    return "\n\n".join(parts) + "\n"
