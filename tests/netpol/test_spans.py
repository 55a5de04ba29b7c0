"""What lies at some addresses is what each of them, asked by itself, would be found at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.netpol.sets import Addresses
from rules.netpol.spans import Spans
from tests.netpol.strategies import addresses


@given(held=st.lists(addresses()), asked=addresses())
def test_near_is_what_meets(held: list[Addresses], asked: Addresses) -> None:
    spans = Spans((each, number) for number, each in enumerate(held))
    assert set(spans.near(asked)) == {at for at, each in enumerate(held) if each & asked}
