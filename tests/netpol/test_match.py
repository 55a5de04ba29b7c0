"""Three-valued matches: they hold for a port exactly as Kleene's logic has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.netpol.match import ALWAYS, MAYBE, NEVER, Match
from rules.netpol.sets import Ports, Protocol
from tests.netpol.strategies import ports

Truth = bool | None
PROBES: list[tuple[Protocol, int]] = [
    ("TCP", 80),
    ("TCP", 81),
    ("UDP", 443),
    ("SCTP", 65535),
    ("UDP", 1),
]


@st.composite
def _matches(draw: st.DrawFn) -> Match:
    sure = draw(ports())
    return Match(sure, sure | draw(ports()))


matches = _matches() | st.sampled_from([ALWAYS, NEVER, MAYBE])


def truths(match: Match) -> list[Truth]:
    return [
        True if probe in match.sure else None if probe in match.maybe else False for probe in PROBES
    ]


def both(one: Truth, other: Truth) -> Truth:
    return False if False in (one, other) else None if None in (one, other) else True


def negation(one: Truth) -> Truth:
    return None if one is None else not one


@given(matches, matches)
def test_they_combine_as_kleene_has_it(one: Match, other: Match) -> None:
    pairs = list(zip(truths(one), truths(other), strict=True))
    assert truths(one & other) == [both(*pair) for pair in pairs]
    either = [negation(both(negation(a), negation(b))) for a, b in pairs]
    assert truths(one | other) == either
    assert truths(one - other) == [both(a, negation(b)) for a, b in pairs]
    assert truths(~one) == [negation(a) for a in truths(one)]


@given(matches, matches)
def test_what_is_sure_may_be(one: Match, other: Match) -> None:
    for match in (one & other, one | other, one - other, ~one):
        assert match.sure <= match.maybe


@given(st.lists(matches, max_size=4))
def test_any_and_all_are_folds(many: list[Match]) -> None:
    any_, all_ = NEVER, ALWAYS
    for each in many:
        any_, all_ = any_ | each, all_ & each
    assert (Match.any(many), Match.all(many)) == (any_, all_)


def test_of_one_answer_for_all_ports() -> None:
    assert [Match.of(holds=holds) for holds in (True, False, None)] == [ALWAYS, NEVER, MAYBE]
    assert [bool(each) for each in (ALWAYS, NEVER, MAYBE)] == [True, False, True]
    assert Match.on(Ports.full()) == ALWAYS
