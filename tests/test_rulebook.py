"""The rulebook: what it may say, what follows from it, and all its mistakes at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.content import Content
from rules.model import JSON, POD, ActiveRule, Examples, Finding, Rule
from rules.review import Cluster, Review
from rules.rulebook import Configured, Rulebook
from rules.site import TRUSTED_NAMES, Acns, Cidrs, Mesh, Messages, Network, Platform, Site
from webhook.judge import judge
from webhook.rulebook import BadRulebook, Options, catalogue, load, read
from webhook.rulebook_shape import schema_of, shape_of
from webhook.rulebook_text import render
from webhook.text import Mistake, Text


def _check(  # noqa: PLR0913  # a parameter of each type
    _review: Review,
    _cluster: Cluster,
    *,
    accepted: Sequence[str] = ("a", "b"),
    strict: bool = False,
    most: int = 3,
    word: str = "w",
    share: float = 0.5,
    ports: frozenset[int] = frozenset({80}),
    table: dict[str, str] | None = None,
) -> Iterator[Finding]:
    said = (accepted, strict, most, word, share, ports, table)
    yield Finding(check="TEST", path=(), message="speaks", found=said)


def _rule(name: str, **settings: Any) -> Rule:
    defaults: dict[str, Any] = {
        "check": _check,
        "kinds": (POD,),
        "operations": frozenset({"CREATE"}),
        "subresources": ("",),
        "reads": frozenset(),
        "severity": "low",
        "scope": "tenants",
        "phase": "final",
        "transition": False,
        "mend": "off",
        "action": "enforce",
        "doc": "A pod must.\n\nWhy: so.\nSource: us.",
        "examples": Examples(),
        "parameters": {
            "accepted": ("a", "b"),
            "strict": False,
            "most": 3,
            "word": "w",
            "share": 0.5,
            "ports": frozenset({80}),
            "table": None,
        },
    }
    return Rule(name=name, **{**defaults, **settings})


RULES = (_rule("first-rule", mend="enforce"), _rule("second-rule", action="warn"))


def _read(text: str, options: Options | None = None) -> Rulebook:
    return read(Text("rb.yaml", text), options, rules=RULES)


def _mistakes(text: str) -> list[str]:
    with pytest.raises(BadRulebook) as bad:
        _read(text)
    return [f"{m.line}:{m.column} {m.message}" for m in bad.value.mistakes]


def _default(rulebook: Rulebook, name: str = "first-rule") -> ActiveRule:
    return _find(rulebook, name).default


def _find(rulebook: Rulebook, name: str = "first-rule") -> Configured:
    return next(c for c in rulebook.rules if c.default.rule.name == name)


def _plain(rulebook: Rulebook) -> JSON:
    """A rulebook as values that compare; a bound `check` follows from rule and parameters."""

    def plain(active: ActiveRule) -> JSON:
        name, parameters = active.rule.name, dict(active.parameters)
        return name, active.action, active.mends, active.ratchet, parameters

    rules = [
        (plain(c.default), [(selector, plain(active)) for selector, active in c.overrides])
        for c in rulebook.rules
    ]
    return rulebook.site, rules


# What follows from a rulebook


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "version: 1", "rules:\n", "mesh: {}"])
def test_an_empty_rulebook_is_the_built_in_one(text: str) -> None:
    rulebook = _read(text)
    assert rulebook.site == Site()
    assert [c.default.action for c in rulebook.rules] == ["enforce", "warn"]
    assert [c.default.mends for c in rulebook.rules] == [True, False]


def test_the_built_in_rulebook_has_every_rule_of_the_catalogue() -> None:
    rulebook = load(None)
    assert [c.default.rule for c in rulebook.rules] == list(catalogue())
    assert [c.default.action for c in rulebook.rules] == [rule.action for rule in catalogue()]
    assert all(c.default.parameters == c.default.rule.parameters for c in rulebook.rules)


def test_an_action_of_its_own_wins_over_that_for_all() -> None:
    rulebook = _read("{action: audit, rules: {second-rule: {action: enforce}}}")
    assert [c.default.action for c in rulebook.rules] == ["audit", "enforce"]


@pytest.mark.parametrize("spelled", ["off", "Off", "'off'", "no", "false"])
def test_off_is_off_however_yaml_reads_it(spelled: str) -> None:
    text = f"""
rules:
  first-rule:
    action: {spelled}
    mend: {spelled}
    overrides: [{{namespaceSelector: {{}}, action: {spelled}}}]
"""
    found = _find(_read(text))
    assert (found.default.action, found.default.mends) == ("off", False)
    assert found.within({}).action == "off"


@pytest.mark.parametrize(
    ("mend", "action", "mends"),
    [
        ("enforce", "enforce", True),
        ("enforce", "warn", False),
        ("enforce", "audit", False),
        ("warn", "enforce", True),
        ("warn", "warn", True),
        ("warn", "audit", False),
        ("warn", "'off'", False),
        ("'off'", "enforce", False),
    ],
)
def test_a_rule_mends_from_its_mend_on_and_never_under_audit(
    mend: str, action: str, *, mends: bool
) -> None:
    text = f"{{rules: {{first-rule: {{action: {action}, mend: {mend}}}}}}}"
    assert _default(_read(text)).mends is mends
    assert not _default(_read(text, Options(audit=True))).mends
    assert not _default(_read(text, Options(mutate=False))).mends


def test_audit_caps_every_action_and_leaves_off_off() -> None:
    text = """
rules:
  first-rule: {action: off}
  second-rule:
    action: warn
    mend: warn
    overrides:
    - {namespaceSelector: {matchLabels: {a: b}}, action: enforce}
    - {namespaceSelector: {matchLabels: {a: c}}, action: off}
"""
    rulebook = _read(text, Options(audit=True))
    assert _default(rulebook).action == "off"
    second = _find(rulebook, "second-rule")
    assert [second.within({"a": a}).action for a in ("a", "b", "c")] == ["audit", "audit", "off"]
    assert not any(second.within({"a": a}).mends for a in ("a", "b", "c"))


def test_the_first_override_that_matches_counts_and_keeps_what_it_does_not_say() -> None:
    text = """
rules:
  first-rule:
    action: warn
    ratchet: false
    parameters: {most: 5, strict: true}
    overrides:
    - namespaceSelector: {matchLabels: {stage: canary}}
      action: enforce
      parameters: {most: 7}
    - namespaceSelector: {matchExpressions: [{key: stage, operator: Exists}]}
"""
    found = _find(_read(text))
    canary, staged, other = (found.within(x) for x in ({"stage": "canary"}, {"stage": "x"}, {}))
    assert [a.action for a in (canary, staged, other)] == ["enforce", "warn", "warn"]
    assert [a.parameters["most"] for a in (canary, staged, other)] == [7, 5, 5]
    assert [a.mends for a in (canary, staged, other)] == [True, False, False]
    assert all(a.parameters["strict"] and not a.ratchet for a in (canary, staged, other))


def test_parameters_reach_the_rule_as_what_its_defaults_are() -> None:
    text = """
rules:
  first-rule:
    parameters: {accepted: [x], strict: on, most: 0x10, word: "yes", share: 1, ports: [443, 443],
                 table: {a: b}}
"""
    review = Review(
        operation="CREATE", group="", resource="pods", kind="Pod", new=Content.of({"kind": "Pod"})
    )
    found = judge(review, _read(text, Options(mutate=False)), Cluster()).findings
    assert [f.found for f in found] == [
        (("x",), True, 16, "yes", 1, frozenset({443}), {"a": "b"}),
        (("a", "b"), False, 3, "w", 0.5, frozenset({80}), None),
    ]


def test_trusted_namespaces_add_and_every_other_list_replaces() -> None:
    text = """
trusted: {namespaces: [platform-tools], label: true}
platform: {users: [alice], groups: []}
tenant: {label: example.com/team}
mesh: {revision: asm-1-28, revisions: [canary], root: istio-system, redirection: CNIChaining}
cluster:
  engine: calico
  version: "1.20"
  calico: enterprise
  acns: {l7: false}
  enforced: ["projectcalico.org/*", "crd.projectcalico.org/NetworkPolicy"]
  cidrs: {pods: [10.244.0.0/16, "fd00::/64"]}
  imdsRestriction: true
messages: {docs: "https://docs.example/", contact: "#platform"}
"""
    site = _read(text).site
    assert site.trusted.namespaces == TRUSTED_NAMES | {"platform-tools"}
    assert site == Site(
        trusted=replace(site.trusted, label=True),
        platform=Platform(frozenset({"alice"}), frozenset()),
        tenant_label="example.com/team",
        mesh=Mesh("asm-1-28", ("canary",), "istio-system", "CNIChaining"),
        network=Network(
            engine="calico",
            version="1.20",
            calico="enterprise",
            acns=Acns(l7=False),
            enforced=("projectcalico.org/*", "crd.projectcalico.org/NetworkPolicy"),
            cidrs=Cidrs(pods=("10.244.0.0/16", "fd00::/64")),
            imds_restriction=True,
        ),
        messages=Messages("https://docs.example/", "#platform"),
    )


def test_rules_of_opa_are_known_by_any_name() -> None:
    text = """
rules:
  opa/*: {action: warn}
  opa/my-rule: {action: off, overrides: [{namespaceSelector: {}, action: audit}]}
"""
    assert _plain(_read(text)) == _plain(_read(""))


def test_the_revision_names_text_and_options() -> None:
    revisions = {
        _read(text, options).revision
        for text in ("", "version: 1", "version: 1 ")
        for options in (Options(), Options(audit=True), Options(mutate=False))
    }
    assert len(revisions) == 9
    assert _read("").revision == _read("").revision


# Mistakes


def test_all_mistakes_are_told_at_once_each_at_its_place() -> None:
    text = """\
version: 2
acton: enforce
trusted: {namespaces: [team-*], label: "yes"}
tenant: {label: a b}
mesh: {revison: x}
cluster: {version: 1.18, engine: cillium, cidrs: {pods: [10.0.0.1/8, 5]}, enforced: [Calico]}
rules:
  frst-rule: {action: off}
  first-rule:
    action: enforced
    mend: true
    overrides:
    - {action: warn}
    - {namespaceSelector: {matchLabels: {a: 5}}, parameters: {mos: 1}}
    parameters: {accepted: a, most: 1.5, strict: 1}
  opa/x: {mend: warn}
"""
    assert _mistakes(text) == [
        "1:10 version is 2; it must be 1",
        "2:1 acton is an unknown key; did you mean action?",
        '3:24 trusted.namespaces[0] is "team-*"; it must be the exact name of a namespace',
        '3:40 trusted.label is "yes"; it must be true or false',
        '4:17 tenant.label is "a b"; it must be a label key such as sallyport.dev/tenant',
        "5:8 mesh.revison is an unknown key; did you mean revision?",
        "6:20 cluster.version is 1.18; it must be a string, in quotes",
        '6:34 cluster.engine is "cillium"; it must be cilium, calico, npm or spec',
        '6:58 cluster.cidrs.pods[0] is "10.0.0.1/8"; it must be a network such as '
        "10.244.0.0/16, without bits behind its mask",
        "6:70 cluster.cidrs.pods[1] is 5; it must be a network such as 10.244.0.0/16, "
        "without bits behind its mask",
        '6:86 cluster.enforced[0] is "Calico"; it must be group/Kind or group/*, such as '
        "projectcalico.org/*",
        "8:3 rules.frst-rule is an unknown rule; did you mean first-rule?",
        '10:13 rules.first-rule.action is "enforced"; it must be enforce, warn, audit or off',
        "11:11 rules.first-rule.mend is true; it must be enforce, warn or off",
        "13:7 rules.first-rule.overrides[0].namespaceSelector is missing; {} selects every "
        "namespace",
        "14:45 rules.first-rule.overrides[1].namespaceSelector.matchLabels[a] is 5; it must be a "
        "label value: a string of at most 63 letters, digits, - _ .",
        "14:63 rules.first-rule.overrides[1].parameters.mos is an unknown parameter; did you "
        "mean most?",
        '15:28 rules.first-rule.parameters.accepted is "a"; it must be a list',
        "15:37 rules.first-rule.parameters.most is 1.5; it must be an integer",
        "15:50 rules.first-rule.parameters.strict is 1; it must be true or false",
        "16:11 rules[opa/x].mend is an unknown key; known are action, overrides and ratchet",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[]", "1:1 the rulebook is a list; it must be a map"),
        ("a: [\n", "1:4 did not find expected node content"),
        ("{}\n---\n{}\n", "3:1 a rulebook is one document"),
        ("rules: []", "1:1 rules is a list; it must be a map"),
        ("rules: {first-rule: enforce}", '1:21 rules.first-rule is "enforce"; it must be a map'),
        ("mesh: {root: [a]}", "1:8 mesh.root is a list; it must be the exact name of a namespace"),
        (
            "rules: {first-rule: {overrides: [{namespaceSelector: {matchLabel: {}}}]}}",
            "1:55 rules.first-rule.overrides[0].namespaceSelector.matchLabel is an unknown field; "
            "it must be matchLabels or matchExpressions",
        ),
        (
            "rules: {first-rule: {parameters: {accepted: [a, null]}}}",
            "1:49 rules.first-rule.parameters.accepted[1] is null; it must be a string",
        ),
    ],
)
def test_a_mistake_says_what_is_and_what_must_be(text: str, mistake: str) -> None:
    assert _mistakes(text) == [mistake]


def test_a_file_that_cannot_be_read_is_a_bad_rulebook(tmp_path: Path) -> None:
    with pytest.raises(BadRulebook, match="No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(BadRulebook, match="directory"):
        load(tmp_path)


def test_a_file_is_read_with_its_name_in_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "rulebook.yaml"
    file.write_text("{action: audit}")
    assert {c.default.action for c in load(file).rules} == {"audit"}
    file.write_text("action: all\n")
    with pytest.raises(BadRulebook) as bad:
        load(file, audit=True)
    assert bad.value.mistakes == (
        Mistake(str(file), 1, 9, 'action is "all"; it must be enforce, warn, audit or off'),
    )


# Back to text


_ACTIONS = st.sampled_from(["enforce", "warn", "audit", "off"])
_NAMES = st.from_regex(r"[a-z]([a-z0-9]{0,3})", fullmatch=True)
_WORDS = st.sampled_from(["y", "no", "1", "1e3", "", "#", "a: b", "ä", "- x", "~", "<<", "\u2028"])
_PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "accepted": st.lists(_WORDS, max_size=3),
        "strict": st.booleans(),
        "most": st.integers(0, 99),
        "word": _WORDS,
        "ports": st.lists(st.integers(1, 9), max_size=2),
        "table": st.dictionaries(_NAMES, _WORDS, max_size=2),
    },
)
_REQUIREMENTS = st.fixed_dictionaries(
    {
        "key": _NAMES,
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(_NAMES, min_size=1, max_size=2),
    }
) | st.fixed_dictionaries({"key": _NAMES, "operator": st.sampled_from(["Exists", "DoesNotExist"])})
_SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(_NAMES, _NAMES, max_size=2),
        "matchExpressions": st.lists(_REQUIREMENTS, max_size=2),
    },
)
_OVERRIDES = st.fixed_dictionaries(
    {"namespaceSelector": _SELECTORS}, optional={"action": _ACTIONS, "parameters": _PARAMETERS}
)
_SAID = st.fixed_dictionaries(
    {},
    optional={
        "action": _ACTIONS,
        "mend": st.sampled_from(["enforce", "warn", "off"]),
        "ratchet": st.booleans(),
        "overrides": st.lists(_OVERRIDES, max_size=2),
        "parameters": _PARAMETERS,
    },
)
_RULEBOOKS = st.fixed_dictionaries(
    {},
    optional={
        "action": _ACTIONS,
        "trusted": st.fixed_dictionaries(
            {"namespaces": st.lists(_NAMES, max_size=2), "label": st.booleans()}
        ),
        "platform": st.fixed_dictionaries({"users": st.lists(_WORDS), "groups": st.just([])}),
        "messages": st.fixed_dictionaries({"docs": _WORDS}),
        "mesh": st.fixed_dictionaries({"revisions": st.lists(_WORDS)}),
        "cluster": st.fixed_dictionaries({"imdsRestriction": st.booleans()}),
        "rules": st.dictionaries(st.sampled_from([rule.name for rule in RULES]), _SAID),
    },
)


@given(_RULEBOOKS, st.builds(Options, st.booleans(), st.booleans()))
def test_what_is_rendered_reads_back_as_the_same_rulebook(value: JSON, options: Options) -> None:
    rulebook = _read(json.dumps(value), options)
    assert _plain(_read(render(rulebook))) == _plain(rulebook)


def test_a_selector_that_names_a_key_twice_reads_back() -> None:
    both = "{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [c]}]}"
    text = f"{{rules: {{first-rule: {{overrides: [{{namespaceSelector: {both}}}]}}}}}}"
    rulebook = _read(text)
    assert _plain(_read(render(rulebook))) == _plain(rulebook)


def test_the_built_in_rulebook_renders_whole_and_reads_back() -> None:
    rulebook = load(None)
    text = render(rulebook)
    assert text.startswith("version: 1\n")
    assert all(rule.name in text for rule in catalogue())
    assert _plain(read(Text("", text))) == _plain(rulebook)


@given(st.recursive(st.none() | st.booleans() | st.integers() | _WORDS | _NAMES,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["rules", "mesh", "first-rule", "action", "overrides",
                                         "parameters", "namespaceSelector", "accepted", "cluster",
                                         "cidrs", "pods", "opa/a", "trusted", "namespaces"]),
                        inner, max_size=4)))  # fmt: skip
def test_any_value_gives_a_rulebook_or_mistakes(value: JSON) -> None:
    try:
        rulebook = _read(json.dumps(value))
    except BadRulebook:
        return
    assert _plain(_read(render(rulebook))) == _plain(rulebook)


def test_the_schema_knows_every_key() -> None:
    schema = schema_of(shape_of(RULES))
    assert set(schema["properties"]) >= {"version", "action", "mesh", "cluster", "rules"}
    rules = schema["properties"]["rules"]
    assert set(rules["properties"]) == {"first-rule", "second-rule"}
    assert set(rules["patternProperties"]) == {"^opa/"}
    first = rules["properties"]["first-rule"]["properties"]
    assert first["parameters"]["properties"]["accepted"] == {
        "type": "array",
        "items": {"type": "string"},
    }
    assert first["overrides"]["items"]["required"] == ["namespaceSelector"]
    json.dumps(schema)
