"""NetworkPolicy, read twice: every packet of a small world must fare the same."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.dialects.kubernetes import translate
from tests.netpol.evaluation import permits
from tests.netpol.oracle import Packet, Pod, allows
from tests.netpol.strategies import NAMESPACES, network_policies

_LABELS: tuple[dict[str, str], ...] = (
    {},
    {"app": "web"},
    {"app": "db", "env": "prod"},
    {"app": "web", "env": "dev", "team": "a"},
)
_NAMES = {("http", "TCP"): 80, ("dns", "UDP"): 53, ("dns", "TCP"): 53}
PODS = [
    Pod(namespace, labels, NAMESPACES[namespace], _NAMES if labels else {})
    for namespace, labels in product(NAMESPACES, _LABELS)
]
OUTSIDE = ("8.8.8.8", "9.9.9.9", "10.1.2.3", "10.2.0.0", "2001:db8::1", "2001:db8:1::1", "2a00::1")
ENDS: list[Pod | str] = [*PODS, *OUTSIDE]
PORTS: tuple[tuple[Literal["TCP", "UDP", "SCTP"], int], ...] = (
    ("TCP", 53),
    ("TCP", 78),
    ("TCP", 80),
    ("TCP", 443),
    ("TCP", 65535),
    ("UDP", 53),
    ("UDP", 80),
    ("SCTP", 1),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(network_policies(), min_size=1, max_size=3), st.data())
def test_both_readings_agree(policies: list[dict[str, Any]], data: st.DataObject) -> None:
    translated = [translate(policy) for policy in policies]
    assert not [unknown for policy in translated for unknown in policy.unknowns]
    # all ends of one pod, for a packet drawn at random seldom meets a rule
    pod = data.draw(st.sampled_from(PODS))
    for end, (protocol, port), egress in product(ENDS, PORTS, (True, False)):
        packet = Packet(pod, end, protocol, port, egress)
        assert permits(translated, packet) == allows(policies, packet), packet
