"""docs/coverage.md: what is proved of each rule, who looks at what, which rules hold a check."""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import ISTIO, WORKLOADS, Kind, OperationName
from rules.rulebook import Rulebook
from rules.words import enumerate_words
from tests.coverage import EXCUSED, OPERATIONS, Cover, covers, resource
from tests.moves import SEATS, Seat
from tests.pages import join, table
from webhook.configuration import webhooks

_SHOWN: tuple[OperationName, ...] = ("CREATE", "UPDATE", "DELETE")
_TOGETHER = (("templates", WORKLOADS), ("kinds of Istio", ISTIO))


def coverage_page(built_in: Rulebook) -> str:
    """The page."""
    excuses = [
        f"{number}. {rule}, {field} of {enumerate_words(list(seats), 'and')}: {why}."
        for number, ((rule, field), (seats, why)) in enumerate(EXCUSED.items(), start=1)
    ]
    return join(
        "# Coverage",
        "What each rule is asked, and where its examples make it speak. Each example is carried "
        "into every kind, subresource and operation that its rule declares, and each container of "
        "which it speaks into every place of containers; a test fails where the rule is silent.",
        "## By rule",
        "`yes`: of a container there the rule says what it says elsewhere. `refused`: the API "
        "server takes no such field there. A number: silent of one field, for the reason below. "
        "Empty: the rule is not asked about containers there. Templates are Deployment, "
        "StatefulSet, DaemonSet, ReplicaSet, Job and CronJob, judged as the pod that they would "
        "make; sidecars are init containers with `restartPolicy: Always`; ephemeral "
        "containers come through `pods/ephemeralcontainers`.",
        table(("rule", *_SHOWN, *SEATS), map(_row, covers())),
        "\n".join(excuses),
        "## By resource",
        "What the API server sends where the built-in rulebook stands, and the rules that look.",
        table(("resource", "/validate", "/mutate", "rules"), _resources(built_in)),
        "## By check",
        "The paragraphs that Findings name, and the rules whose examples show them.",
        table(("check", "rules"), _checks()),
    )


def _row(cover: Cover) -> list[str]:
    return [
        _link(cover.rule.name),
        *(_kinds(cover, operation) for operation in _SHOWN),
        *(_seat(cover, seat) for seat in SEATS),
    ]


def _kinds(cover: Cover, operation: OperationName) -> str:
    """The resources at which the rule is asked, those that are often together by one name."""
    left = [(kind, part) for kind, part, asked in cover.asked if asked == operation]
    names = []
    for name, kinds in _TOGETHER:
        if {(kind, "") for kind in kinds} <= {*left}:
            names.append(name)
            left = [(kind, part) for kind, part in left if part or kind not in kinds]
    return ", ".join([*(_short(kind, part) for kind, part in left), *names])


def _short(kind: Kind, part: str) -> str:
    return f"{kind.resource}/{part}" if part else kind.resource


def _seat(cover: Cover, seat: Seat) -> str:
    if not cover.looks_at(seat):
        return ""
    if cover.is_spared(seat):
        return "refused"
    numbers = [
        str(number)
        for number, ((rule, field), _) in enumerate(EXCUSED.items(), start=1)
        if rule == cover.rule.name and cover.is_excused(field, seat)
    ]
    return ", ".join([*(["yes"] if cover.seen[seat] else []), *numbers])


def _resources(built_in: Rulebook) -> Iterator[tuple[str, ...]]:
    mutate, validate = (sent(built_in, name) for name in ("mutate", "validate"))
    asked: dict[str, list[str]] = {}
    for cover in covers():
        for kind, part, _ in cover.asked:
            named = asked.setdefault(resource(kind, part), [])
            named += [cover.rule.name] if cover.rule.name not in named else []
    for name in sorted(asked):
        doors = (", ".join(door.get(name, [])) for door in (validate, mutate))
        yield name, *doors, _links(asked[name])


def sent(built_in: Rulebook, door: str) -> dict[str, list[OperationName]]:
    """The operations that a webhook configuration asks for, by resource. `door`: mutate ..."""
    found: dict[str, list[str]] = {}
    for configuration in webhooks(built_in):
        if not configuration["metadata"]["name"].endswith(door):
            continue
        for entry in configuration["webhooks"]:
            for rule in entry["rules"]:
                for listed in rule["resources"]:
                    name, slash, part = listed.partition("/")
                    group = f".{rule['apiGroups'][0]}" if rule["apiGroups"][0] else ""
                    found.setdefault(f"{name}{group}{slash}{part}", []).extend(rule["operations"])
    return {name: [o for o in OPERATIONS if o in asked] for name, asked in found.items()}


def _checks() -> Iterator[tuple[str, str]]:
    held: dict[str, list[str]] = {}
    for cover in covers():
        for check in cover.checks:
            held.setdefault(check, []).append(cover.rule.name)
    for check in sorted(held, key=_in_order):
        yield check, _links(held[check])


def _in_order(check: str) -> tuple[str, int]:
    """SBX-9 before SBX-10."""
    name, _, number = check.rpartition("-")
    return (name, int(number)) if number.isdigit() else (check, 0)


def _links(names: list[str]) -> str:
    return ", ".join(map(_link, names))


def _link(name: str) -> str:
    return f"[{name}](rules/{name}.md)"
