"""What is said of a change by less work than asking all again is what asking all again says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.changes import DIRECTIONS, changed
from rules.netpol.engines import engine_of
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.keys import EVERYWHERE, key_of
from rules.netpol.outside import align, runs
from rules.netpol.reach import Applying
from rules.netpol.sets import FAMILIES, Addresses
from rules.netpol.shifts import shifts
from rules.netpol.sides import Side, Verdict
from rules.netpol.swaps import Swap
from tests.netpol.strategies import NAMESPACES, admin_policies, network_policies

ENGINES = ("spec", "cilium", "calico")
LABELS = st.fixed_dictionaries(
    {},
    optional={
        "app": st.sampled_from(["web", "db"]),
        "env": st.sampled_from(["prod", "dev"]),
        "pcns.team": st.just("a"),
    },
)
WHERE = st.sampled_from(sorted(NAMESPACES))
NAMES = st.sampled_from(["a", "b", "c"])
CIDRS = st.sampled_from(["8.0.0.0/8", "8.8.8.8/32", "9.9.9.9/32", "2001:db8::/32", "10.0.0.0/8"])
OF_NAMESPACE = "io.cilium.k8s.namespace.labels."


def _object(api: str, kind: str, name: str, where: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": rest.pop("labels", {})}
    metadata |= {"namespace": where} if where else {}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": draw(st.sampled_from([80, 8080]))}]
    spec = {"containers": [{"ports": ports}], "hostNetwork": draw(st.booleans())}
    labels = draw(LABELS)
    return _object("v1", "Pod", draw(NAMES), draw(WHERE), labels=labels, spec=spec)


ASKED: list[tuple[str, list[str]]] = [
    ("app", ["web"]),
    ("app", ["web", "db"]),
    ("k8s:io.kubernetes.pod.namespace", sorted(NAMESPACES)[:1]),
    (f"k8s:{OF_NAMESPACE}team", ["a"]),
    (f"k8s:{OF_NAMESPACE}env", ["prod"]),
    ("io.cilium.k8s.policy.serviceaccount", ["default"]),
]
SELECTORS: list[dict[str, Any]] = [
    {},
    *(
        {"matchExpressions": [{"key": key, "operator": how} | ({"values": values} if n else {})]}
        for key, values in ASKED
        for how, n in (("In", 1), ("NotIn", 1), ("Exists", 0), ("DoesNotExist", 0))
    ),
]


@st.composite
def cilium_policies(draw: st.DrawFn) -> dict[str, Any]:
    way = draw(st.sampled_from(["egress", "egressDeny", "ingress", "ingressDeny"]))
    towards = "to" if way.startswith("egress") else "from"
    peers: list[tuple[str, list[Any]]] = [
        ("Endpoints", [{"matchLabels": {"app": "web"}}]),
        ("Entities", ["kube-apiserver"]),
        ("Entities", ["world"]),
        ("CIDR", draw(st.lists(CIDRS, min_size=1, max_size=2))),
    ]
    field, ends = draw(st.sampled_from(peers))
    rule: dict[str, Any] = {f"{towards}{field}": ends}
    if draw(st.booleans()):
        ports = [{"port": draw(st.sampled_from(["80", "http"])), "protocol": "TCP"}]
        rule = {**rule, "toPorts": [{"ports": ports}]}
    spec = {
        "endpointSelector": draw(st.sampled_from(SELECTORS)),
        way: [rule],
        "enableDefaultDeny": {"egress": draw(st.booleans()), "ingress": draw(st.booleans())},
    }
    name, wide = draw(NAMES), draw(st.booleans())
    kind = "CiliumClusterwideNetworkPolicy" if wide else "CiliumNetworkPolicy"
    return _object("cilium.io/v2", kind, name, "" if wide else draw(WHERE), spec=spec)


@st.composite
def calico_policies(draw: st.DrawFn) -> dict[str, Any]:
    nets = draw(st.lists(CIDRS, min_size=1, max_size=2))
    rule = {
        "action": draw(st.sampled_from(["Allow", "Deny", "Pass"])),
        "destination": {"nets": nets},
    }
    spec = {
        "selector": draw(
            st.sampled_from(["all()", "app == 'web'", "has(env)", "pcns.team == 'a'"])
        ),
        "order": draw(st.integers(1, 3)),
        "types": ["Egress"],
        "egress": [rule],
    }
    kind, where = draw(st.sampled_from([("GlobalNetworkPolicy", ""), ("NetworkPolicy", "red")]))
    return _object("projectcalico.org/v3", kind, draw(NAMES), where, spec=spec)


policies = network_policies() | admin_policies() | cilium_policies() | calico_policies()
namespaces = WHERE.flatmap(
    lambda name: st.builds(
        lambda labels: _object("v1", "Namespace", name, "", labels=labels),
        st.fixed_dictionaries({}, optional={"team": st.just("a"), "env": st.just("prod")}),
    )
)
states = st.lists(pods() | policies | namespaces, max_size=12)
changes = st.tuples(policies, st.booleans())


def _indexes(
    engine: str, state: list[Any], change: tuple[dict[str, Any], bool]
) -> tuple[Index, Index]:
    """The index before and after a policy is put or, if it was there, taken."""
    before = Index.of(engine_of(engine), state)
    policy, goes = change
    if goes:
        before = before.put(policy)
    return before, before.take(policy) if goes else before.put(policy)


def _everybody(index: Index) -> Iterator[Pod]:
    return (pod for name in sorted(NAMESPACES) for pod, _ in index.pods(name))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None)
@given(state=states, change=changes)
def test_sides_differ_where_they_say_so_and_nowhere_else(
    engine: str, state: list[Any], change: tuple[dict[str, Any], bool]
) -> None:
    before, after = _indexes(engine, state, change)
    for pod in _everybody(before):
        for direction in DIRECTIONS:
            for old, new in zip(
                before.sides(pod, direction), after.sides(pod, direction), strict=True
            ):
                _compare(old, new)


@settings(max_examples=60, deadline=None)
@given(state=states)
def test_sides_of_two_pods_differ_where_they_say_so(state: list[Any]) -> None:
    index = Index.of(engine_of("cilium"), state)
    for one, other in pairwise(_everybody(index)):
        for direction in DIRECTIONS:
            _compare(*index.sides(one, direction), *index.sides(other, direction))


def _compare(old: Side, new: Side) -> None:
    told: dict[tuple[Verdict, Verdict], Addresses] = defaultdict(Addresses)
    for each in shifts(old, new):
        told[each.was, each.now] |= each.addresses
    asked: dict[tuple[Verdict, Verdict], Addresses] = defaultdict(Addresses)
    for family in FAMILIES:
        for run, (was, now) in align((runs(old, family), runs(new, family))):
            if was != now:
                asked[was, now] |= run.addresses
    assert told == asked


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(state=states, change=changes)
def test_who_is_said_not_to_move_fares_as_before(
    engine: str, state: list[Any], change: tuple[dict[str, Any], bool]
) -> None:
    before, after = _indexes(engine, state, change)
    key = key_of(change[0])
    swap = Swap(before.policies_at(key), after.policies_at(key))
    for pod in _everybody(before):
        former = before.network(pod.namespace.name)
        future = after.network(pod.namespace.name)
        for end in before.ends(pod):
            was = former.applying(end)
            now = swap.applying(future, end, was)
            assert _policies(now) == _policies(future.applying(end))
            for direction in DIRECTIONS:
                old, new = former.told(end, was)[direction], future.told(end, now)[direction]
                stays = swap.leaves_closed(former, pod.namespace, direction)
                if not swap.moves(former, was, direction) or (stays and not pod.host_network):
                    assert not list(changed(pod, 1, (old,), (new,)))


@st.composite
def towns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Namespaces with a pod and a policy of few words, so that many are copies of others."""
    cidrs, numbers = st.sampled_from(["8.0.0.0/8", "8.8.8.8/32"]), st.sampled_from([80, "http"])
    found = []
    for where in (*sorted(NAMESPACES), "d", "e"):
        named = [{"name": "http", "containerPort": draw(st.sampled_from([80, 8080]))}]
        found.append(_object("v1", "Pod", "p", where, spec={"containers": [{"ports": named}]}))
        field, peer = draw(st.sampled_from([("egress", "to"), ("ingress", "from")]))
        rule = {peer: [{"ipBlock": {"cidr": draw(cidrs)}}], "ports": [{"port": draw(numbers)}]}
        spec = {"podSelector": {}, "policyTypes": [field.title()], field: [rule]}
        found.append(_object("networking.k8s.io/v1", "NetworkPolicy", "n", where, spec=spec))
    return found


def _is_wide(policy: dict[str, Any]) -> bool:
    return "namespace" not in policy["metadata"]


@settings(max_examples=300, deadline=None)
@given(state=towns(), change=st.tuples(cilium_policies().filter(_is_wide), st.booleans()))
def test_pods_of_one_form_fare_alike(
    state: list[dict[str, Any]], change: tuple[dict[str, Any], bool]
) -> None:
    before, after = _indexes("cilium", state, change)
    key = key_of(change[0])
    swap = Swap(before.policies_at(key), after.policies_at(key))
    fares: dict[Any, Any] = {}
    kept = []  # what forms are made of is known by identity
    for pod in (pod for name in sorted(before.members) for pod, _ in before.pods(name)):
        former, future = (index.network(pod.namespace.name) for index in (before, after))
        for end in before.ends(pod):
            was = former.applying(end)
            now = swap.applying(future, end, was)
            kept.append((was, now))
            for direction in DIRECTIONS:
                old, new = former.told(end, was)[direction], future.told(end, now)[direction]
                found = [
                    (each.isolated, each.opened, each.closed)
                    for each in changed(pod, 1, (old,), (new,))
                ]
                form = direction, swap.form(before.engine, end, was, now, direction)
                assert fares.setdefault(form, found) == found


def _policies(applying: Applying) -> list[int]:
    return sorted(id(policy) for policy, _ in applying)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(state=states, some=st.lists(policies, min_size=1, max_size=2))
def test_the_pods_that_are_found_are_those_that_the_engine_says_are_meant(
    engine: str, state: list[Any], some: list[dict[str, Any]]
) -> None:
    _compare_found(Index.of(engine_of(engine), [*state, *some]), some)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_the_pods_that_a_selector_means_are_found(selector: dict[str, Any]) -> None:
    some = [
        _object("cilium.io/v2", kind, "a", where, spec={"endpointSelector": selector})
        for kind, where in (("CiliumClusterwideNetworkPolicy", ""), ("CiliumNetworkPolicy", "red"))
    ]
    for each in some:
        each["spec"]["egress"] = [{"toEntities": ["world"]}]
    everybody = [
        _object(
            "v1", "Pod", f"{labels}{on_node}", where, labels=labels, spec={"hostNetwork": on_node}
        )
        for where in sorted(NAMESPACES)
        for labels in ({}, {"app": "web"}, {"env": "dev", "app": "db"})
        for on_node in (True, False)
    ]
    spaces = [_object("v1", "Namespace", "red", "", labels={"team": "a"})]
    for each in some:
        _compare_found(Index.of(engine_of("cilium"), [*everybody, *spaces, each]), [each])


def _compare_found(index: Index, some: list[dict[str, Any]]) -> None:
    meant = [policy for each in some for policy in index.policies_at(key_of(each))]
    matcher = index.network(EVERYWHERE).matcher
    for where in (EVERYWHERE, *sorted(NAMESPACES)):
        found = {_shown(pod) for pod, _ in index.subjects(where, meant)}
        asked = _everybody(index) if where == EVERYWHERE else (p for p, _ in index.pods(where))
        assert found == {
            _shown(pod)
            for pod in asked
            if any(matcher.subject(each.subject, end) for each in meant for end in index.ends(pod))
        }


def _shown(pod: Pod) -> tuple[Any, ...]:
    return pod.namespace.name, frozenset(pod.labels.items()), pod.ports, pod.host_network
