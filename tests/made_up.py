"""Rules that no catalogue holds, and doors that ask them: what no shipped rule reads yet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from rules.model import (
    JSON,
    POD,
    Action,
    ActiveRule,
    Check,
    Examples,
    Finding,
    Path,
    Phase,
    Rule,
)
from rules.review import Cluster, Review
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from webhook.front import ROUTES, Front, Reply
from webhook.live import Live
from webhook.metrics import Metrics
from webhook.observe import DecisionLog, Recorder
from webhook.opa import Opa


def made_up(check: Check, *, name: str = "made-up", **declared: Any) -> Rule:
    """A rule of pods, enforced, that mends nothing; the rest as declared."""
    usual: dict[str, Any] = {
        "kinds": (POD,),
        "operations": frozenset({"CREATE", "UPDATE"}),
        "subresources": ("",),
        "reads": frozenset(),
        "severity": "high",
        "scope": "tenants",
        "phase": "final",
        "transition": False,
        "mend": "off",
        "action": "enforce",
        "doc": "Something must hold.\n\nWhy: somebody says so.\nSource: this test.",
        "examples": Examples(),
        "parameters": {},
    }
    return Rule(name=name, check=check, **(usual | declared))


def activate(rule: Rule, action: Action = "enforce", *, ratchet: bool = True) -> ActiveRule:
    """The rule in force."""
    mends = rule.mend == "enforce" and action == "enforce"
    return ActiveRule(rule, action, rule.check, mends=mends, ratchet=ratchet)


def book(*rules: Rule | ActiveRule, site: Site | None = None) -> Rulebook:
    """These rules, and no others."""
    active = (rule if isinstance(rule, ActiveRule) else activate(rule) for rule in rules)
    return Rulebook.of(site or Site(), (Configured(each) for each in active), revision="made-up")


def say(path: Path = ("spec",), message: str = "is wrong; set it right", **rest: Any) -> Finding:
    """A Finding that denies."""
    return Finding(**({"check": "MADE-UP", "path": path, "message": message} | rest))


def always(*findings: Finding) -> Check:
    """A check that says these of whatever it is asked about."""

    def check(_review: Review, _cluster: Cluster) -> Iterator[Finding]:
        yield from findings

    return check


@dataclass
class Standing:
    """What Front needs of Live, without files."""

    rulebook: Rulebook
    cluster: Cluster = field(default_factory=Cluster)
    draining: bool = False
    seeing: bool = True
    opa: Opa | None = None
    mutate: bool = True

    def phases(self, own: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """The phases of a door."""
        return own if self.mutate else ("final", "raw")


class Doors:
    """Both doors in this process, from the bytes that come to the bytes that go."""

    def __init__(self, *rules: Rule | ActiveRule, cluster: Cluster | None = None) -> None:
        """The doors of a server on which these rules stand."""
        self.standing = Standing(book(*rules), cluster or Cluster())
        self.metrics = Metrics(["Pod"])
        self.stream = io.BytesIO()
        log = DecisionLog(self.metrics.lost_lines, self.stream)
        self.recorder = Recorder(self.metrics, log)
        self.front = Front(cast("Live", self.standing), self.recorder, _nowhere)

    def send(self, body: bytes, path: bytes = b"/validate", query: bytes = b"") -> Reply:
        """The answer to a body."""
        self.front.breathe()
        return self.front.answer(ROUTES[path], body, query)

    def ask(self, review: JSON, path: bytes = b"/validate", query: bytes = b"") -> Any:
        """The response to a review."""
        reply = self.send(json.dumps(review).encode(), path, query)
        assert reply.status == 200, reply
        response = json.loads(reply.body)["response"]
        assert response["uid"] == review["request"]["uid"]
        return response

    def lines(self) -> list[Any]:
        """The decision log so far."""
        log = self.recorder.log
        log._flush()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def count(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """The value of a metric; 0 where it has no such sample."""
        return self.metrics.registry.get_sample_value(f"sallyport_{name}", dict(labels or {})) or 0


async def _nowhere(*_: object) -> None:
    raise AssertionError("no door leads here")
