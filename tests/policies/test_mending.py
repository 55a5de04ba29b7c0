"""What may be filled into a policy, where a rulebook asks for it: ports and DNS, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from rules.model import JSON, ActiveRule, Rule
from rules.patch import apply
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from tests.examples import RULES, Example, read
from webhook.judge import judge

ROWS: Any = yaml.safe_load((Path(__file__).parent / "rows.yaml").read_text("utf-8"))
MENDING = {"no-plain-http-egress", "names-resolvable"}


def _active(rule: Rule) -> ActiveRule:
    return ActiveRule(rule, "enforce", rule.check, mends=rule.name in MENDING)


def _mended(value: JSON) -> tuple[JSON, set[str]]:
    """The object as those rules fill it in, and the checks that still speak."""
    example = Example(object=value, namespace="foo")
    book = Rulebook.of(Site(), [Configured(_active(rule)) for rule in RULES])
    decision = judge(example.review(), book, example.view())
    return apply(value, decision.patch), {finding.check for finding in decision.findings}


def test_a_rule_about_names_gets_port_443_and_the_dns_rule() -> None:
    before = ROWS["D1"]["object"]
    after, left = _mended(before)
    assert left == {"FQDN-APEX", "DNS-ANY-NAME", "SELECTS-NOTHING"}  # none denies
    first, *between, last = after["spec"]["egress"]
    assert first["toPorts"] == [{"ports": [{"port": "443", "protocol": "TCP"}]}]
    assert last["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}
    assert between == before["spec"]["egress"][1:-1]
    assert _mended(after)[0] == after


def test_what_an_author_states_stays_as_it_is() -> None:
    for row in ("T02", "T10", "T23", "T25", "T33", "T35", "T38"):
        value = read(yaml.safe_dump(ROWS[row]["object"])).object
        assert _mended(value)[0] == value


def test_without_being_asked_nothing_is_filled_in() -> None:
    shipped = [rule for rule in RULES if rule.name in MENDING]
    assert [rule.mend for rule in shipped] == ["off", "off"]
    example = replace(Example(object=ROWS["D1"]["object"]), phase="raw")
    book = Rulebook.of(Site(), [Configured(ActiveRule(r, "enforce", r.check)) for r in RULES])
    assert judge(example.review(), book, example.view()).patch == ()
