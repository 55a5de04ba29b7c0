"""Quantities: exactly what the API server reads."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.quantity import LONGEST, InvalidQuantity, parse

SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("128Mi", 134217728),
        ("134217728", 134217728),
        (134217728, 134217728),
        ("0.125Gi", 134217728),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("5e-1", Fraction(1, 2)),
        ("1E", 10**18),
        ("12e6", 12 * 10**6),
        ("12e006", 12 * 10**6),
        ("100m", Fraction(1, 10)),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1500u", Fraction(15, 10**4)),
        ("7n", Fraction(7, 10**9)),
        ("-1.5", Fraction(-3, 2)),
        ("+1.5", Fraction(3, 2)),
        ("-0", 0),
        ("007", 7),
        (".5", Fraction(1, 2)),
        ("1.", 1),
        ("1.Gi", 2**30),
        (0, 0),
        (-5, -5),
        (0.1, Fraction(1, 10)),
        (1e16, 10**16),
        (1e-7, Fraction(1, 10**7)),
        (" 1Gi ", 2**30),
    ],
)
def test_parse(value: Any, number: Fraction | int) -> None:
    assert parse(value) == number


def test_what_is_finer_than_a_billionth_is_rounded_away_from_zero() -> None:
    assert parse("0.1n") == parse("1e-999") == Fraction(1, 10**9)
    assert parse("-1.5n") == Fraction(-2, 10**9)
    assert parse("0e-999") == 0


def test_binary_quantities_are_capped() -> None:
    assert parse("8Ei") == parse("99999999Ei") == 2**63 - 1
    assert parse("-8Ei") == 1 - 2**63
    assert parse("7Ei") == 7 * 2**60
    assert parse("9223372036854775808") == 2**63


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "1e3Mi",
        "1 Gi",
        "Mi",
        "-",
        ".",
        "-.Ki",
        "1..5",
        "1.5.5",
        "1e",
        "1e1.5",
        "1e1000",
        "1i",
        "1mi",
        "1K",
        "1KI",
        "1B",
        "1GB",
        "1,5",
        "1_000",
        "0x10",
        "+-1",
        "--1",
        "1\n",
        "\t1",
        "\u0661",
        "\uff11",
        "NaN",
        "inf",
        "max",
        True,
        None,
        [],
        {},
        b"1",
        float("nan"),
        float("-inf"),
        pytest.param("9" * 10_000, id="digits"),
        pytest.param("1" + " " * 10_000, id="blanks"),
        pytest.param(10**5000, id="integer"),
    ],
)
def test_what_is_no_quantity_is_refused(value: Any) -> None:
    with pytest.raises(InvalidQuantity, match="must be a quantity") as caught:
        parse(value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_the_longest_text() -> None:
    assert parse("9" * LONGEST) == parse(int("9" * LONGEST)) == 10**LONGEST - 1
    with pytest.raises(InvalidQuantity):
        parse("9" * (LONGEST + 1))


numbers = st.decimals(-(10**6), 10**6, places=3).map(str)


@settings(max_examples=200, deadline=None)
@given(numbers, st.sampled_from(sorted(SUFFIXES)))
@example("0.0004", "n")
def test_a_suffix_multiplies(number: str, suffix: str) -> None:
    exact = Fraction(number) * SUFFIXES[suffix]
    read = Fraction(parse(number + suffix))
    if abs(exact) < 2**63:
        assert abs(read - exact) < Fraction(1, 10**9)
        assert abs(read) >= abs(exact)
    assert (read * 10**9).denominator == 1


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**18), 10**18))
def test_integers_mean_themselves_as_number_and_as_text(number: int) -> None:
    assert parse(number) == parse(str(number)) == number


@settings(max_examples=200, deadline=None)
@given(st.floats(min_value=1e-6, max_value=1e15))
def test_floats_mean_their_shortest_decimal_text(number: float) -> None:
    assert abs(parse(number) - Fraction(repr(number))) < Fraction(1, 10**9)


GRAMMAR = re.compile(
    r"[+-]?([0-9]+|[0-9]+\.[0-9]+|[0-9]+\.|\.[0-9]+)"
    r"([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
)
"""As the documentation of the type has it, exponents being integers as the code has it."""


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet="0123456789.+-eEinumkKMGTP x", max_size=6)
    | st.from_regex(GRAMMAR, fullmatch=True).filter(lambda text: len(text) <= LONGEST)
)
def test_text_is_read_where_the_grammar_has_it(text: str) -> None:
    if GRAMMAR.fullmatch(text.strip(" ")) and not re.search("[eE][+-]?[0-9]{4}", text):
        assert parse(text) == parse(text.strip())
    else:
        with pytest.raises(InvalidQuantity):
            parse(text)
