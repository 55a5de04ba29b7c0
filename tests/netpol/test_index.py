"""The index: whatever way it came about, it says what one made of the same objects says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.changes import compare
from rules.netpol.engines import engine_of
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.keys import key_of
from rules.netpol.shards import Shards
from tests.netpol.clusters import objects
from tests.netpol.strategies import NAMESPACES, admin_policies, label_maps, network_policies
from tests.netpol.worlds import OUTSIDE, end

SPEC = engine_of("spec")
NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    where = draw(st.sampled_from(sorted(NAMESPACES)))
    return _object("Pod", draw(NAMES), where, labels=draw(label_maps))


@st.composite
def namespaces(draw: st.DrawFn) -> dict[str, Any]:
    return _object("Namespace", draw(st.sampled_from(sorted(NAMESPACES))), labels=draw(label_maps))


@st.composite
def named_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Policies of few names, so that one often takes the place of another."""
    policy = deepcopy(draw(network_policies() | admin_policies()))
    if policy["kind"] != "BaselineAdminNetworkPolicy":
        policy["metadata"]["name"] = draw(NAMES)
    return policy


changes = st.lists(st.tuples(st.booleans(), pods() | namespaces() | named_policies()), max_size=14)


def _object(kind: str, name: str, namespace: str = "", **metadata: Any) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **where, **metadata}}


def answers(index: Index) -> dict[tuple[str, frozenset[Any]], Any]:
    """All that the index says: of each group the number and what passes to each end outside."""
    return {
        (name, frozenset(pod.labels.items())): (count, _reach(index, pod))
        for name in NAMESPACES
        for pod, count in index.pods(name)
    }


def _reach(index: Index, pod: Pod) -> list[str]:
    return [
        str(side.verdict(end(party)))
        for direction in ("egress", "ingress")
        for side in index.sides(pod, direction)
        for party in OUTSIDE
    ]


@settings(max_examples=100, deadline=None)
@given(changes)
def test_the_way_it_came_about_does_not_matter(steps: list[tuple[bool, dict[str, Any]]]) -> None:
    index, kept = Index(SPEC), {}
    for puts, node in steps:
        index = index.put(node) if puts else index.take(node)
        for name in NAMESPACES:  # what is found out now must not be said later
            for pod, _ in index.pods(name):
                index.sides(pod, "egress")
        if puts:
            kept[key_of(node)] = node
        else:
            kept.pop(key_of(node), None)
    anew = Index.of(SPEC, kept.values())
    assert answers(index) == answers(anew)
    emptied = index
    for node in kept.values():
        emptied = emptied.take(node)
    assert emptied == Index(SPEC)


@settings(max_examples=50, deadline=None)
@given(changes, named_policies() | pods() | namespaces())
def test_a_change_leaves_the_old_value_as_it_was(
    steps: list[tuple[bool, dict[str, Any]]], node: dict[str, Any]
) -> None:
    index = Index.of(SPEC, [each for _, each in steps])
    before = answers(index)
    index.put(node)
    index.take(node)
    assert answers(index) == before


@settings(max_examples=50, deadline=None)
@given(changes, named_policies())
def test_what_opens_and_closes_is_the_difference_of_the_answers(
    steps: list[tuple[bool, dict[str, Any]]], policy: dict[str, Any]
) -> None:
    before = Index.of(SPEC, [each for _, each in steps])
    after = before.put(policy)
    told = {
        (change.pod.namespace.name, frozenset(change.pod.labels.items()), change.direction): change
        for change in compare(
            before, after, [each for name in NAMESPACES for each in after.pods(name)]
        )
    }
    for name in NAMESPACES:
        for pod, _ in after.pods(name):
            for direction in ("egress", "ingress"):
                change = told.get((name, frozenset(pod.labels.items()), direction))
                for party in OUTSIDE:
                    (old,) = before.sides(pod, direction)
                    (new,) = after.sides(pod, direction)
                    was, now = (side.verdict(end(party)).allowed for side in (old, new))
                    stretches = change.opened if change else ()
                    opened = [each.ports for each in stretches if party in each.addresses]
                    assert ([now - was] if now - was else []) == opened
    changed = {key[:2] for key in told}
    about = (*before.meaning(policy), *after.meaning(policy))
    selected = {
        (pod.namespace.name, frozenset(pod.labels.items())) for pod, _ in after.subjects("", about)
    }
    assert changed <= selected


CLUSTER = """
apiVersion: v1
kind: Pod
metadata: {name: web-5d-1, namespace: red, labels: {app: web, pod-template-hash: 5d}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-6e-1, namespace: red, labels: {app: web, pod-template-hash: 6e}}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: red, labels: {app: db}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: red}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
"""


def test_pods_of_one_workload_are_one_group_whatever_rollout_they_are_of() -> None:
    index = Index.of(SPEC, objects([CLUSTER]))
    assert sorted((dict(pod.labels)["app"], count) for pod, count in index.pods("red")) == [
        ("db", 1),
        ("web", 2),
    ]


def test_the_deletion_of_the_last_isolation_names_the_pods_it_frees() -> None:
    (closed,) = (node for node in objects([CLUSTER]) if node["kind"] == "NetworkPolicy")
    before = Index.of(SPEC, objects([CLUSTER]))
    groups = before.subjects("red", before.meaning(closed))
    found = list(compare(before, before.take(closed), groups))
    assert [(change.count, change.direction, change.isolated) for change in found] == [
        (2, "egress", (True, False))
    ]
    assert {str(each.ports) for each in found[0].opened} == {"1-65535/TCP 1-65535/UDP 1-65535/SCTP"}


def test_pods_that_stay_are_in_the_namespace_and_of_the_account_that_there_are_now() -> None:
    before = Index.of(SPEC, objects([CLUSTER]))
    (former, _), *_ = before.pods("red")
    after = before.put(_object("Namespace", "red", labels={"stage": "test"}))
    account = _object("ServiceAccount", "default", "red", labels={"tier": "web"})
    last = after.put(account)
    assert before.pods("red")[0][0] is former
    assert after.pods("red")[0][0].namespace.labels["stage"] == "test"
    found = last.pods("red")[0][0].service_account
    assert found is not None
    assert found.labels == {"tier": "web"}


def test_a_policy_that_the_engine_does_not_implement_changes_nothing() -> None:
    node = yaml.safe_load(
        "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy,"
        " metadata: {name: a}, spec: {priority: 1, subject: {namespaces: {}}}}"
    )
    index = Index(engine_of("npm"))
    assert index.put(node) is index


@given(st.lists(st.tuples(st.integers(0, 300), st.none() | st.integers()), max_size=60))
def test_shards_are_a_dictionary_that_never_changes(steps: list[tuple[int, int | None]]) -> None:
    shards: Shards[int, int] = Shards()
    model: dict[int, int] = {}
    for key, value in steps:
        former, entries = shards, dict(model)
        shards = shards.put(key, value)
        model = {each: old for each, old in model.items() if each != key}
        if value is not None:
            model[key] = value
        assert dict(former.items()) == entries
    assert dict(shards.items()) == model
    assert shards == Shards.of(model)
    assert (len(shards), set(shards)) == (len(model), set(model))
    assert {key: shards.get(key) for key in range(301) if key in model} == model


SET = yaml.safe_load(
    """
    - {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: red}}
    - apiVersion: projectcalico.org/v3
      kind: NetworkSet
      metadata: {name: s, namespace: blue}
      spec: {nets: [8.8.8.0/24]}
    - apiVersion: projectcalico.org/v3
      kind: NetworkPolicy
      metadata: {name: p, namespace: red}
      spec: {egress: [{action: Allow, destination: {namespaceSelector: team == 'b'}}]}
    """
)


def test_a_set_of_networks_has_the_labels_of_its_namespace_however_they_change() -> None:
    index = Index.of(engine_of("calico"), SET)
    blue = _object("Namespace", "blue", labels={"team": "b"})
    assert not _reaches(index)
    assert _reaches(index.put(blue))
    assert not _reaches(index.put(blue).take(blue))


def _reaches(index: Index) -> bool:
    ((pod, _),) = index.pods("red")
    return any(side.verdict(end("8.8.8.8")).allowed for side in index.sides(pod, "egress"))
