"""What Hypothesis draws for the tests of rules.netpol."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rules.netpol.sets import PROTOCOLS, Addresses, Ports

EDGES = (1, 2, 79, 80, 81, 443, 8080, 65534, 65535)
V4_TOP, V6_TOP = (1 << 32) - 1, (1 << 128) - 1
V4_MARKS = (0, 1, 0x0A000000, 0x0AFFFFFF, 0x7FFFFFFF, 0x80000000, V4_TOP - 1, V4_TOP)
V6_MARKS = (0, 1, 0xFFFF << 32, (0xFFFF << 32) + V4_TOP, 0x64FF9B << 96, V6_TOP - 1, V6_TOP)

port_numbers = st.one_of(st.sampled_from(EDGES), st.integers(1, 65535))
protocols = st.sampled_from(PROTOCOLS)


@st.composite
def port_ranges(draw: st.DrawFn) -> Ports:
    first, last = sorted((draw(port_numbers), draw(port_numbers)))
    return Ports.of(draw(protocols), first, last=last)


@st.composite
def ports(draw: st.DrawFn) -> Ports:
    """Few ranges, now and then complemented, so that nearly full sets are met, too."""
    drawn = Ports.empty()
    for piece in draw(st.lists(port_ranges(), max_size=5)):
        drawn |= piece
    return ~drawn if draw(st.booleans()) else drawn


@st.composite
def spans(draw: st.DrawFn) -> Addresses:
    family, marks, top = draw(st.sampled_from([(4, V4_MARKS, V4_TOP), (6, V6_MARKS, V6_TOP)]))
    numbers = st.one_of(st.sampled_from(marks), st.integers(0, top))
    first, last = sorted((draw(numbers), draw(numbers)))
    edges = (first, last + 1)
    return Addresses(v4=edges) if family == 4 else Addresses(v6=edges)


@st.composite
def addresses(draw: st.DrawFn) -> Addresses:
    drawn = Addresses.union(draw(st.lists(spans(), max_size=5)))
    return ~drawn if draw(st.booleans()) else drawn


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["10.0.0.0/8", "TCP", "In", "Egress", 80]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cidr", "port", "matchLabels", "to", "ports", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
"""Whatever a decoder may leave behind, with words of the language strewn in."""


# NetworkPolicies over a tiny vocabulary, so that selectors, peers and packets often meet.

NAMESPACES = {"red": {"team": "a"}, "blue": {"team": "b", "env": "prod"}}
VALUES = {"app": ("web", "db"), "env": ("prod", "dev"), "team": ("a", "b")}

label_keys = st.sampled_from(sorted(VALUES))
label_maps = st.dictionaries(label_keys, st.just("")).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.sampled_from(VALUES[key]) for key in keys})
)


@st.composite
def expressions(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(label_keys)
    operator = draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    if operator in {"Exists", "DoesNotExist"}:
        return {"key": key, "operator": operator}
    values = draw(st.lists(st.sampled_from(VALUES[key]), min_size=1, max_size=2))
    return {"key": key, "operator": operator, "values": values}


@st.composite
def label_selectors(draw: st.DrawFn) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if draw(st.booleans()):
        node["matchLabels"] = draw(st.none() | label_maps)
    if draw(st.booleans()):
        node["matchExpressions"] = draw(st.none() | st.lists(expressions(), max_size=2))
    return node


_BLOCKS = (
    {"cidr": "0.0.0.0/0"},
    {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "8.0.0.0/8"]},
    {"cidr": "10.1.2.3/8", "except": ["10.1.0.0/16"]},
    {"cidr": "10.1.0.0/16", "except": []},
    {"cidr": "::/0", "except": None},
    {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]},
)


@st.composite
def peers(draw: st.DrawFn) -> dict[str, Any]:
    pods, namespaces = label_selectors(), label_selectors()
    match draw(st.sampled_from(["block", "pods", "namespaces", "both"])):
        case "block":
            return {"ipBlock": draw(st.sampled_from(_BLOCKS)), "podSelector": None}
        case "pods":
            return {"podSelector": draw(pods)}
        case "namespaces":
            return {"namespaceSelector": draw(namespaces)}
        case _:
            return {"podSelector": draw(pods), "namespaceSelector": draw(namespaces)}


@st.composite
def port_items(draw: st.DrawFn) -> dict[str, Any] | None:
    item: dict[str, Any] = {}
    if draw(st.booleans()):
        item["protocol"] = draw(st.none() | protocols)
    match draw(st.sampled_from(["none", "null", "number", "range", "name", "nothing"])):
        case "null":
            item["port"] = None
        case "number":
            item["port"] = draw(st.sampled_from([53, 80, 443]))
        case "range":
            item["port"] = draw(st.sampled_from([79, 80, 81]))
            item["endPort"] = draw(st.sampled_from([81, 443, 65535]))
        case "name":
            item["port"] = draw(st.sampled_from(["http", "dns"]))
        case "nothing":
            return None
    return item


def _some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A list field as people leave it: missing is null here, for both are the same."""
    return st.none() | st.lists(items, max_size=2)


@st.composite
def rules(draw: st.DrawFn, field: str) -> dict[str, Any] | None:
    if draw(st.integers(0, 15)) == 0:
        return None
    return {field: draw(_some(peers())), "ports": draw(_some(port_items()))}


# Policies of administrators, over the same vocabulary.

_NETWORKS = (["10.0.0.0/8"], ["8.0.0.0/7", "10.1.0.0/16"], ["0.0.0.0/0", "::/0"], ["10.2.0.0/16"])
_numbers = st.sampled_from([53, 79, 80, 443])


@st.composite
def admin_ends(draw: st.DrawFn) -> dict[str, Any]:
    """A subject, or a peer that is no network."""
    if draw(st.booleans()):
        return {"namespaces": draw(label_selectors())}
    pods = draw(label_selectors())
    return {"pods": {"namespaceSelector": draw(label_selectors()), "podSelector": pods}}


@st.composite
def admin_ports(draw: st.DrawFn, *, cluster: bool, named: bool) -> dict[str, Any]:
    """An item of `ports`, or of `protocols` where it is a ClusterNetworkPolicy's."""
    protocol, first = draw(protocols), draw(_numbers)
    last = draw(st.sampled_from([444, 8080, 65535]))
    kind = draw(st.sampled_from(["number", "range", *(["name"] if named else [])]))
    if kind == "name":
        name = draw(st.sampled_from(["http", "dns"]))
        return {"destinationNamedPort" if cluster else "namedPort": name}
    if cluster:
        bounds = {"number": first} if kind == "number" else {"range": {"start": first, "end": last}}
        return {protocol.lower(): {"destinationPort": bounds}}
    if kind == "number":
        return {"portNumber": {"protocol": protocol, "port": first}}
    return {"portRange": {"protocol": protocol, "start": first, "end": last}}


@st.composite
def admin_rules(
    draw: st.DrawFn, field: str, actions: list[str], *, cluster: bool
) -> dict[str, Any]:
    ends = st.lists(admin_ends(), min_size=1, max_size=2)
    networks = field == "to" and draw(st.booleans())
    found: dict[str, Any] = {"action": draw(st.sampled_from(actions)), field: draw(ends)}
    if networks:
        found[field].append({"networks": draw(st.sampled_from(_NETWORKS))})
    if draw(st.booleans()):
        item = admin_ports(cluster=cluster, named=not networks)
        listed = draw(st.lists(item, min_size=1, max_size=2))
        found["protocols" if cluster else "ports"] = listed
    return found


@st.composite
def admin_policies(draw: st.DrawFn) -> dict[str, Any]:
    """A policy of an administrator that the API server would accept."""
    kind = draw(
        st.sampled_from(
            ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"]
        )
    )
    cluster, baseline = kind == "ClusterNetworkPolicy", kind == "BaselineAdminNetworkPolicy"
    actions = ["Accept" if cluster else "Allow", "Deny", *([] if baseline else ["Pass"])]
    spec: dict[str, Any] = {"subject": draw(admin_ends())}
    if not baseline:
        spec["priority"] = draw(st.sampled_from([0, 1, 1000]))
    if cluster:
        spec["tier"] = draw(st.sampled_from(["Admin", "Baseline"]))
    for direction, field in (("ingress", "from"), ("egress", "to")):
        spec[direction] = draw(st.lists(admin_rules(field, actions, cluster=cluster), max_size=2))
    name = "default" if baseline else draw(st.uuids()).hex
    version = "v1alpha2" if cluster else "v1alpha1"
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


@st.composite
def network_policies(draw: st.DrawFn) -> dict[str, Any]:
    """A NetworkPolicy that the API server would accept."""
    types = [None, [], ["Ingress"], ["Egress"], ["Egress", "Ingress"], ["Egress", "Egress"]]
    spec = {
        "podSelector": draw(st.none() | label_selectors()),
        "policyTypes": draw(st.sampled_from(types)),
        "ingress": draw(_some(rules("from"))),
        "egress": draw(_some(rules("to"))),
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": draw(st.uuids()).hex,
            "namespace": draw(st.sampled_from(sorted(NAMESPACES))),
        },
        "spec": {
            key: value for key, value in spec.items() if value is not None or draw(st.booleans())
        },
    }
