"""NetworkPolicy, malformed: nothing crashes, nothing is dropped, nothing gets narrower unsaid."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.dialects.kubernetes import translate
from rules.netpol.model import Grant, PeerEntry, PortEntry, Unknown
from rules.netpol.peers import Networks, Pods
from rules.netpol.sets import V4, Addresses, Ports
from rules.selectors import EVERYTHING, Path
from tests.netpol.places import places, with_value
from tests.netpol.strategies import junk

RICH: dict[str, Any] = yaml.safe_load(
    """
    metadata: {name: p, namespace: red}
    spec:
      podSelector:
        matchLabels: {app: web}
        matchExpressions:
        - {key: env, operator: NotIn, values: [prod, test]}
        - {key: old, operator: DoesNotExist}
      policyTypes: [Ingress, Egress]
      ingress:
      - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {team: a}}}]
        ports: [{port: http}]
      egress:
      - to:
        - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12]}
        - podSelector: {matchLabels: {app: db}}
          namespaceSelector: {matchLabels: {team: b}}
        ports:
        - {protocol: TCP, port: 80}
        - {protocol: UDP, port: 8000, endPort: 8100}
        - {protocol: SCTP}
      - {}
    """
)
RULE: Path = ("spec", "egress", 0)
BLOCK: Path = (*RULE, "to", 0, "ipBlock")
PORT: Path = (*RULE, "ports", 1)


PLACES = list(places(RICH))


def put(path: Path, value: Any) -> Any:
    """The rich policy with another value at the place."""
    return with_value(RICH, path, value)


def unknown_paths(node: Any) -> list[Path]:
    return [unknown.path for unknown in translate(node).unknowns]


def test_the_rich_policy_is_readable() -> None:
    assert translate(RICH).unknowns == ()


@pytest.mark.parametrize("wrong", [True, 0.5, date(2000, 1, 1)], ids=["boolean", "float", "date"])
def test_what_is_right_nowhere_is_told_where_it_stands(wrong: Any) -> None:
    for path in PLACES:
        assert unknown_paths(put(path, wrong)) == [path]


@pytest.mark.parametrize("wrong", [0, "x", []])
@pytest.mark.parametrize("path", [(), ("metadata",), ("spec",)], ids=str)
def test_heads_of_another_type(path: Path, wrong: Any) -> None:
    assert unknown_paths(put(path, wrong)) == [path]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "text",
        0,
        -1,
        70000,
        pytest.param(10**5000, id="huge"),
        float("nan"),
        [],
        [None],
        [[]],
        {},
        {"x": 1},
        {"": None},
        {5: {}},
    ],
    ids=repr,
)
def test_nothing_crashes_and_the_input_is_left_alone(wrong: Any) -> None:
    for path in PLACES:
        node = put(path, wrong)
        before = deepcopy(node)
        for unknown in translate(node).unknowns:
            assert unknown.reason.isprintable()
            assert len(unknown.reason) < 250
        # in lists, where a NaN equals itself
        assert [node] == [before]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), junk)
def test_junk_anywhere_is_read_or_told(path: Path, wrong: Any) -> None:
    translated = translate(put(path, wrong))
    inside = [
        unknown for grant in (*translated.grants, *translated.void) for unknown in grant.unknowns()
    ]
    assert all(unknown in translated.unknowns for unknown in inside)
    assert len(set(translated.unknowns)) == len(translated.unknowns)


CASES: list[tuple[Path, Any, Path, str, str]] = [
    (("spec", "policyTypes"), "Egress", (), '"Egress"', "a list of Ingress, Egress or both"),
    (("spec", "policyTypes", 1), "egress", (), '"egress"', "Ingress or Egress"),
    (
        ("spec", "policyTypes"),
        ["Egress"] * 3,
        (),
        "a list of 3",
        "a list of Ingress, Egress or both",
    ),
    (("spec", "egres"), [{}], (), "an unknown field", "one of podSelector, policyTypes"),
    ((*RULE, "port"), [], (), "an unknown field", "one of to, ports"),
    ((*RULE, "to", 0), {}, (), "empty", "a map with one of podSelector"),
    ((*RULE, "to", 0), None, (), "empty", "a map with one of podSelector"),
    (
        (*RULE, "to", 0, "podSelector"),
        {},
        (*RULE, "to", 0),
        "ipBlock beside a selector",
        "two items",
    ),
    ((*BLOCK, "cidr"), "10.0.0.0", (), '"10.0.0.0"', "a network in CIDR notation"),
    ((*BLOCK, "cidr"), None, (), "null", "a network in CIDR notation"),
    ((*BLOCK, "cidr"), "010.0.0.0/8", (), '"010.0.0.0/8"', "a network in CIDR notation"),
    ((*BLOCK, "except"), "10.0.0.0/8", (), '"10.0.0.0/8"', "a list of networks"),
    ((*BLOCK, "except", 0), "::/8", (), '"::/8"', "inside cidr, and smaller"),
    ((*BLOCK, "except", 1), "0.0.0.0/0", (), '"0.0.0.0/0"', "inside cidr, and smaller"),
    ((*BLOCK, "except", 1), "x", (), '"x"', "a network in CIDR notation"),
    ((*PORT, "port"), 0, (), "0", "a number from 1 to 65535"),
    ((*PORT, "port"), 70000, (), "70000", "a number from 1 to 65535"),
    ((*PORT, "endPort"), 7999, (), "7999", "a port from 8000 to 65535"),
    ((*PORT, "endPort"), 70000, (), "70000", "a port from 8000 to 65535"),
    ((*PORT, "protocol"), "tcp", (), '"tcp"', "TCP, UDP or SCTP"),
    ((*PORT, "protocol"), "", (), '""', "TCP, UDP or SCTP"),
    ((*PORT, "port"), "http", (*PORT, "endPort"), "8100", "absent, for port is no number"),
    ((*PORT, "port"), None, (*PORT, "endPort"), "8100", "absent, for port is no number"),
    ((*RULE, "ports", 0, "port"), "80", (), '"80"', "a number from 1 to 65535 without quotes"),
    ((*RULE, "ports", 0, "port"), "Web", (), '"Web"', "or a port's name"),
    ((*RULE, "ports", 0, "port"), "a--b", (), '"a--b"', "or a port's name"),
    ((*RULE, "ports", 0, "port"), "x" * 16, (), '"xxxx', "or a port's name"),
    (("spec", "podSelector", "matchExpressions", 0, "operator"), "in", (), '"in"', "In, NotIn"),
]


@pytest.mark.parametrize(("at", "value", "told_at", "found", "wanted"), CASES, ids=str)
def test_what_is_and_what_must_be(
    at: Path, value: Any, told_at: Path, found: str, wanted: str
) -> None:
    (unknown,) = translate(put(at, value)).unknowns
    assert unknown.path == (told_at or at)
    assert unknown.found.startswith(found)
    assert wanted in unknown.wanted
    assert unknown.reason == f"is {unknown.found}, must be {unknown.wanted}"


# What can be read around an unreadable part is read as the wider meaning.


def first_grant(path: Path, value: Any) -> Grant:
    translated = translate(put(path, value))
    assert translated.unknowns
    return next(grant for grant in translated.grants if grant.path == RULE)


def granted_ports(grant: Grant) -> str:
    united = Ports.empty()
    for entry in grant.ports:
        if isinstance(entry, PortEntry):
            united |= entry.ports
    return str(united)


@pytest.mark.parametrize("wrong", [5, "x", {}, ["x", "1.2.3.4/33"], ["0.0.0.0/0", "::/8"]])
def test_unreadable_exceptions_except_nothing(wrong: Any) -> None:
    grant = first_grant((*BLOCK, "except"), wrong)
    assert PeerEntry((*RULE, "to", 0), Networks(Addresses.every(V4))) in grant.peers


def test_readable_exceptions_beside_unreadable_ones_count() -> None:
    grant = first_grant((*BLOCK, "except"), ["x", "10.0.0.0/8"])
    world = Networks(Addresses.cidr("0.0.0.0/0", ["10.0.0.0/8"]))
    assert PeerEntry((*RULE, "to", 0), world) in grant.peers


def test_an_unreadable_selector_of_a_peer_narrows_nothing() -> None:
    at: Path = (*RULE, "to", 1)
    grant = first_grant((*at, "podSelector"), {"matchLabels": 5})
    (wide,) = (
        entry.peer for entry in grant.peers if entry.path == at and isinstance(entry, PeerEntry)
    )
    assert isinstance(wide, Pods)
    assert wide.pods == EVERYTHING
    assert wide.namespaces != EVERYTHING
    grant = first_grant((*at, "namespaceSelector"), "x")
    (wide,) = (
        entry.peer for entry in grant.peers if entry.path == at and isinstance(entry, PeerEntry)
    )
    assert isinstance(wide, Pods)
    assert wide.namespaces == EVERYTHING


def test_an_empty_peer_is_told_and_read_as_the_pods_of_its_namespace() -> None:
    grant = first_grant((*RULE, "to", 0), {})
    assert PeerEntry((*RULE, "to", 0), Pods("red", EVERYTHING)) in grant.peers


def test_an_unreadable_protocol_is_all_of_them() -> None:
    assert "8000-8100/TCP" in granted_ports(first_grant((*PORT, "protocol"), 6))


def test_an_unreadable_end_leaves_the_base_port() -> None:
    assert "8000/UDP" in granted_ports(first_grant((*PORT, "endPort"), "x"))


@pytest.mark.parametrize("wrong", ["Egress", 5, ["egress"], [None], ["Ingress", "x"]])
def test_unreadable_types_make_no_rule_void(wrong: Any) -> None:
    translated = translate(put(("spec", "policyTypes"), wrong))
    assert translated.void == ()
    assert len(translated.grants) == 3
    assert "egress" not in {isolation.direction for isolation in translated.isolations}


@pytest.mark.parametrize(
    ("path", "field"),
    [((*RULE, "to"), "peers"), ((*RULE, "ports"), "ports"), ((*BLOCK, "cidr"), "peers")],
    ids=str,
)
def test_what_names_the_peers_or_ports_stands_as_unknown_in_the_grant(
    path: Path, field: str
) -> None:
    entries: tuple[Any, ...] = getattr(first_grant(path, "x"), field)
    assert [entry.path for entry in entries if isinstance(entry, Unknown)] == [path]


def test_an_unreadable_subject_is_unknown_and_its_grants_stay() -> None:
    translated = translate(put(("spec", "podSelector", "matchLabels"), "x"))
    assert isinstance(translated.subject, Unknown)
    assert translated.subject.path == ("spec", "podSelector", "matchLabels")
    assert len(translated.grants) == 3
    assert {grant.subject for grant in translated.grants} == {translated.subject}


def test_an_unreadable_spec_means_nothing() -> None:
    translated = translate({"metadata": {"name": "p"}, "spec": "x"})
    assert translated.subject == Unknown(("spec",), '"x"', "a map")
    assert not translated.isolations
    assert not translated.grants
