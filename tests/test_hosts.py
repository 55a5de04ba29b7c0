"""Host names as Istio reads them, and what address blocks let in together."""

from __future__ import annotations

import pytest

from rules.authorization import openings
from rules.hosts import is_mesh_host, meet, namespace_of, never_matches
from rules.model import JSON

REVIEWS = "reviews.shop.svc.cluster.local"


@pytest.mark.parametrize(
    "host",
    [
        "reviews",
        REVIEWS,
        f"{REVIEWS.upper()}.",
        "x.svc",
        "a.local",
        "*",
        "*.local",
        "*l",
        "*s.x.svc",
    ],
)
def test_what_is_or_covers_a_service_is_a_mesh_host(host: str) -> None:
    assert is_mesh_host(host)


@pytest.mark.parametrize("host", ["example.com", "*.example.com", "*.com", "local.example.com"])
def test_what_lies_outside_is_no_mesh_host(host: str) -> None:
    assert not is_mesh_host(host)


def test_what_cannot_be_read_may_be_a_mesh_host() -> None:
    assert is_mesh_host(None)
    assert is_mesh_host(["reviews"])


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("reviews", "own"),
        (REVIEWS, "shop"),
        ("reviews.shop.svc", "shop"),
        ("*s.shop.svc.cluster.local", "shop"),
        ("*.svc.cluster.local", "*"),
        ("*hop.svc.cluster.local", "*"),
        ("svc.cluster.local", "*"),
        ("*", "*"),
        (None, "*"),
    ],
)
def test_a_mesh_host_lies_in_one_namespace_or_in_any(host: str, namespace: str) -> None:
    assert namespace_of(host, "own") == namespace


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("reviews", REVIEWS, True),
        ("reviews", "ratings", False),
        ("*s.shop.svc.cluster.local", "reviews", True),
        ("*", "api.example.com", True),
        ("*.local", "*.cluster.local", True),
        ("*.com", "*.local", False),
    ],
)
def test_hosts_meet_where_one_name_fits_both(one: str, other: str, *, together: bool) -> None:
    assert meet(one, other, own="shop", others="shop") is together
    assert meet(other, one, own="shop", others="shop") is together


def test_a_short_name_is_another_one_in_another_namespace() -> None:
    assert not meet("reviews", "reviews", own="shop", others="pay")


def test_a_name_that_istio_does_not_complete_is_told() -> None:
    assert never_matches("reviews.pay", ["pay"])
    assert never_matches("reviews.pay.svc", [])
    assert not never_matches("example.com", ["pay"])


def _blocks(*sources: list[str]) -> list[JSON]:
    return [{"from": [{"source": {"ipBlocks": blocks}} for blocks in sources]}]


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (_blocks(["10.0.0.0/8"]), []),
        (_blocks(["0.0.0.0/1", "128.0.0.0/1"]), ["everything"]),
        (_blocks(["0.0.0.0/1"], ["128.0.0.0/1"]), ["everything"]),
        (_blocks(["0.0.0.0/1"], ["128.0.0.0/2"]), []),
        (_blocks(["::/0"]), ["everything"]),
        (_blocks(["10.0.0.0/8"], ["nonsense"]), ["everything"]),
    ],
)
def test_address_blocks_are_judged_together(rules: JSON, found: list[str]) -> None:
    assert [opening.kind for opening in openings(rules, ("spec",), mesh_wide=True)] == found
