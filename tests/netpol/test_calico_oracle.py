"""Calico's policies, read twice: every packet of a small world must fare the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol import census
from rules.netpol.engines import engine_of
from rules.netpol.inventory import Inventory
from rules.netpol.languages import translate
from rules.netpol.reach import Network
from rules.netpol.sets import V4
from tests.netpol.calico_oracle import IN_NAMESPACES, SELECTORS, TIERS, Cluster
from tests.netpol.oracle import Packet, Pod
from tests.netpol.strategies import NAMESPACES, VALUES
from tests.netpol.worlds import ENDS, PODS, PORTS, end, known

V4_NETS = ["10.0.0.0/8", "10.1.0.0/16", "8.0.0.0/7", "10.0.0.7/32", "0.0.0.0/1"]
V6_NETS = ["2001:db8::/32", "::/0"]
texts = st.sampled_from(sorted(set(SELECTORS) - {""}))
spots = st.sampled_from([*IN_NAMESPACES, "all()", "global()"])


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def some(items: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(items), min_size=1, max_size=2, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule that the API takes: one family in it, ports only beside a protocol."""
    nets = draw(st.sampled_from([V4_NETS, V6_NETS]))
    ends = optional(
        selector=texts, notSelector=texts, namespaceSelector=spots, nets=some(nets)
    ) | optional(notNets=some([net for net in nets if not net.endswith("/0")]))
    rule = draw(optional(source=ends, destination=ends, notProtocol=st.sampled_from(["UDP"])))
    rule["action"] = draw(st.sampled_from(["Allow", "Deny", "Pass", "Log"]))
    if draw(st.booleans()):
        rule["protocol"] = draw(st.sampled_from(["TCP", "UDP"]))
        ports = optional(
            ports=some([80, 443, "53:81", "http", "dns"]), notPorts=some([80, "1:60", "http"])
        )
        rule["destination"] = {**rule.get("destination", {}), **draw(ports)}
    elif nets is V4_NETS and draw(st.booleans()):
        rule["ipVersion"] = V4
    return rule


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["NetworkPolicy", "GlobalNetworkPolicy"]))
    fields = {"selector": texts, "order": st.sampled_from([1, 2.5, 1000])}
    if kind == "GlobalNetworkPolicy":
        fields["namespaceSelector"] = st.sampled_from([*IN_NAMESPACES, "all()"])
    spec = draw(optional(**fields))
    spec["tier"] = draw(st.sampled_from(sorted(TIERS)))
    spec["types"] = draw(some(["Ingress", "Egress"]))
    for direction in ("ingress", "egress"):
        spec[direction] = draw(st.lists(rules(), max_size=3))
    metadata = {"name": draw(st.sampled_from(["a", "a-b", "b", "c"]))}
    if kind == "NetworkPolicy":
        metadata["namespace"] = draw(st.sampled_from(sorted(NAMESPACES)))
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": spec}


VERSION = "projectcalico.org/v3"


@st.composite
def sets(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["NetworkSet", "GlobalNetworkSet"]))
    labels = draw(optional(**{key: st.sampled_from(values) for key, values in VALUES.items()}))
    metadata = {"name": draw(st.uuids()).hex, "labels": labels}
    if kind == "NetworkSet":
        metadata["namespace"] = draw(st.sampled_from(sorted(NAMESPACES)))
    nets = draw(some(["10.1.0.0/16", "10.0.0.0/15", "8.8.8.8/32", "2001:db8::/32"]))
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": {"nets": nets}}


def by_name(policy: dict[str, Any]) -> tuple[str, str]:
    return policy["metadata"]["name"], policy["metadata"].get("namespace", "")


def surroundings(found: list[dict[str, Any]]) -> Inventory:
    around = [
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name, labels in NAMESPACES.items()
        ),
        *(
            {
                "apiVersion": VERSION,
                "kind": "Tier",
                "metadata": {"name": name},
                "spec": {"order": order, "defaultAction": action},
            }
            for name, (order, action) in TIERS.items()
        ),
    ]
    return census.take([*around, *found])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(policies(), min_size=1, max_size=4, unique_by=by_name),
    st.lists(sets(), max_size=2),
    st.sampled_from(PODS),
)
def test_both_readings_agree(
    drawn: list[dict[str, Any]], found: list[dict[str, Any]], pod: Pod
) -> None:
    translated = [each for policy in drawn for each in translate(policy)]
    assert not [unknown for policy in translated for unknown in policy.unknowns]
    network = Network.of(engine_of("calico"), surroundings(found), translated)
    cluster = Cluster(drawn, found, NAMESPACES)
    for egress in (True, False):
        side = network.side(known(pod), "egress" if egress else "ingress")
        for party in ENDS:
            if ":" in (party if isinstance(party, str) else party.address):
                continue  # the pods of this world have no address of that family
            verdict = side.verdict(end(party))
            assert not verdict.unknown
            for protocol, port in PORTS:
                packet = Packet(pod, party, protocol, port, egress)
                assert ((protocol, port) in verdict.allowed) == cluster.allows(packet), packet
