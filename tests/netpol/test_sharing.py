"""What is kept once, and what is remembered by identity, is what it would be anyway."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.netpol import sharing
from rules.netpol.known import Known
from rules.netpol.languages import translate
from rules.netpol.sharing import shared, thrifty
from tests.netpol.strategies import admin_policies, network_policies

CILIUM: dict[str, Any] = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNetworkPolicy",
    "metadata": {"name": "a", "namespace": "red"},
    "spec": {
        "endpointSelector": {"matchLabels": {"app": "web"}},
        "egress": [{"toEndpoints": [{"matchLabels": {"app": "db"}}]}],
    },
}


STAGED: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "StagedKubernetesNetworkPolicy",
    "metadata": {"name": "a", "namespace": "red"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]},
}


@given(network_policies() | admin_policies() | st.sampled_from([CILIUM, STAGED]))
def test_a_policy_made_of_shared_parts_is_equal_and_shares_them(node: dict[str, Any]) -> None:
    one, other = (tuple(map(thrifty, translate(each))) for each in (deepcopy(node), deepcopy(node)))
    assert one == translate(node)
    for first, second in zip(one, other, strict=True):
        assert first.subject is second.subject
        assert all(each.subject is first.subject for each in first.grants)
        for mine, yours in zip(first.grants, second.grants, strict=True):
            assert (mine.peers, mine.ports, mine.path) == (yours.peers, yours.ports, yours.path)
            assert mine.peers is yours.peers
            assert mine.ports is yours.ports


@pytest.mark.parametrize("number", [1, 1.0, True])
def test_numbers_that_are_equal_stay_what_they_are(number: float) -> None:
    assert type(shared(number)) is type(number)


def test_after_too_many_values_all_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST", 2)
    monkeypatch.setattr(sharing, "_known", {})
    first = shared(("a", ("b",)))
    assert shared(("c", "d")) == ("c", "d")
    assert shared(("a", ("b",))) == first


def test_what_is_known_of_a_value_is_found_once_and_of_its_equal_by_itself() -> None:
    known: Known[list[int], int] = Known(2)
    asked: list[list[int]] = []

    def count(value: list[int]) -> int:
        asked.append(value)
        return len(value)

    one, equal, other = [1], [1], [1, 2]
    assert [known.of(each, count) for each in (one, one, equal, other, one)] == [1, 1, 1, 2, 1]
    assert asked == [[1], [1], [1, 2], [1]]
