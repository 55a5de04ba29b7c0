"""The list of threats: what a line means, and what is met by names, patterns and addresses."""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_network
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.listing import Met, meet_host, meet_outside
from rules.netpol.destinations import Outside
from rules.netpol.sets import Addresses
from rules.threats import InvalidThreat, Threats, parse

LISTED = Threats.of(
    map(parse, ["C2.bad.example.", "203.0.113.0/24", "203.0.113.7", "2001:db8::/32"])
)
LABELS = st.text("ab", min_size=1, max_size=3)
NAMES = st.lists(LABELS, min_size=2, max_size=3).map(".".join)
GLOBS = st.lists(st.text("ab*", min_size=1, max_size=3), min_size=2, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("example", "neither a domain"),
        ("*.bad.example", "neither a domain"),
        ("bad example", "neither a domain"),
        ("bad..example", "neither a domain"),
        ("b\u00e4d.example", "neither a domain"),
        ("203.0.113.7/24", "no network"),
        ("203.0.113", "no network"),
        ("2001:db8::/129", "no network"),
        ("https://bad.example", "no network"),
    ],
)
def test_a_line_that_is_no_entry_is_told(text: str, wanted: str) -> None:
    with pytest.raises(InvalidThreat, match=wanted):
        parse(text)


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [
        ("c2.bad.example", "c2.bad.example"),
        ("a.c2.bad.example", "c2.bad.example"),
        ("xc2.bad.example", ""),
        ("bad.example", ""),
        ("*.bad.example", "c2.bad.example"),
        ("**.bad.example", "c2.bad.example"),
        ("**.example", "c2.bad.example"),
        ("*.example", ""),
        ("*.*.*.example", "c2.bad.example"),
        ("*.c2.bad.example", "c2.bad.example"),
        ("*.a.c2.bad.example", "c2.bad.example"),
        ("d*.bad.example", ""),
        ("d**.bad.example", ""),
        ("c2.bad.exampl*", "c2.bad.example"),
        ("*", ""),
        ("**.*", ""),
        ("a.**.bad.example", "c2.bad.example"),
        ("a.**.c2.example", ""),
        ("c2.bad.**", None),
    ],
)
def test_a_pattern_meets_what_it_covers_and_what_it_is_below_of(
    pattern: str, entry: str | None
) -> None:
    assert LISTED.pattern(pattern) == entry


@given(st.sets(NAMES, max_size=4), GLOBS)
def test_a_pattern_meets_as_all_names_that_it_covers_do(names: set[str], glob: str) -> None:
    """Against every name of three labels over a small alphabet."""
    listed = Threats.of(names)
    assume("**" not in glob.split("."))  # stands for several labels
    labels = ["".join(letters) for size in (1, 2, 3) for letters in product("ab", repeat=size)]
    wanted = glob.split(".")
    fitting = [[label for label in labels if fnmatchcase(label, one)] for one in wanted]
    covered = any(listed.domain(".".join(name)) for name in product(*fitting))
    met = listed.pattern(glob)
    if set(glob) <= {"*", "."}:
        assert met == ""
    elif all(fitting):
        assert bool(met) == covered


def test_a_pattern_that_covers_too_much_to_be_looked_through_is_not_silent() -> None:
    listed = Threats.of(f"n{number}.example" for number in range(2_000))
    assert listed.pattern("x*.example") is None
    assert meet_outside(Outside(names=("x*.example",)), listed) == Met(None)


@pytest.mark.parametrize(
    ("cidrs", "wanted"),
    [
        (["203.0.113.7/32"], Met("203.0.113.0/24")),
        (["203.0.113.0/24"], Met("203.0.113.0/24")),
        (["::ffff:203.0.113.7/128"], Met("203.0.113.0/24")),
        (["2001:db8:1::/48"], Met("2001:db8::/32")),
        (["198.51.100.0/24", "203.0.113.9/32"], Met("203.0.113.0/24")),
        (["203.0.112.0/23"], Met("203.0.113.0/24", whole=False)),
        (["2001:db0::/28"], Met("2001:db8::/32", whole=False)),
        (["198.51.100.0/24"], None),
        (["0.0.0.0/0"], None),
        (["128.0.0.0/1"], None),
        (["::/0"], None),
    ],
)
def test_networks_meet_what_holds_them_and_warn_of_what_they_hold(
    cidrs: list[str], wanted: Met | None
) -> None:
    found = Outside(Addresses.union(map(Addresses.cidr, cidrs)).unmapped())
    assert meet_outside(found, LISTED) == wanted
    assert meet_outside(Outside(~found.addresses), LISTED) is None


@given(st.sets(st.integers(0, 255), max_size=5), st.integers(0, 255), st.integers(24, 32))
def test_looking_up_addresses_agrees_with_looking_at_every_network(
    starts: set[int], start: int, size: int
) -> None:
    networks = [ip_network((f"10.0.0.{one}", 28), strict=False) for one in starts]
    asked = ip_network((f"10.0.0.{start}", size), strict=False)
    run = int(asked.network_address), int(asked.broadcast_address), 4
    listed = Threats.of(networks)
    holding = [str(one) for one in networks if asked.subnet_of(one)]  # type: ignore[arg-type]
    assert bool(listed.holding(*run)) == bool(holding)
    assert bool(listed.touching(*run)) == any(asked.overlaps(one) for one in networks)


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("A.c2.bad.example.", "c2.bad.example"),
        ("*.bad.example", "c2.bad.example"),
        ("*.example", "c2.bad.example"),
        ("203.0.113.7", "203.0.113.0/24"),
        ("0xcb007107", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("[2001:db8::1]", "2001:db8::/32"),
    ],
)
def test_a_host_is_a_name_a_wildcard_of_istio_or_an_address(host: str, entry: str) -> None:
    met = meet_host(host, LISTED)
    assert met is not None
    assert met.entry == entry
