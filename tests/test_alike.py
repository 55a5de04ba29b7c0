"""Pods that are alike are judged once, and nobody can tell that from the answers."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rules.alike import Group, likeness
from rules.content import NOTHING, Content
from rules.model import JSON, POD, PODS, ActiveRule, Finding, Operation, Rule
from rules.netpol.entries import VOLATILE
from rules.patch import apply, lookup
from rules.pods import TEMPLATES
from rules.review import Cluster, Requester, Review
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from tests.disguises import nodes
from tests.examples import RULES, Example, kind_of, read, rulebook, well_formed
from tests.reviews import ask, pod
from webhook.codec import decode
from webhook.judge import judge

WRONG: tuple[JSON, ...] = (None, "text", True, {})
STEADY, PASSING, GROUPED = "sub-paths-unused", "passing", "egress-isolated"
ALL = {STEADY: 3, PASSING: 1, GROUPED: 1}


def _new_pods() -> list[Any]:
    """The examples in which pods are created, or templates of such pods are written."""
    return [
        pytest.param(rule, example, id=f"{rule.name}-{number}")
        for rule in RULES
        if POD in rule.kinds
        for number, text in enumerate((*rule.examples.allow, *rule.examples.deny))
        if (example := read(text)).operation != "DELETE"
        and (kind := kind_of(example.object)) in PODS
        and (example.operation == "CREATE" or kind is not POD)
        and not example.subresource
    ]


def _book(rule: Rule, example: Example) -> Rulebook:
    others = [] if rule.name == "well-formed" else [well_formed()]
    return rulebook(rule, *others, parameters=example.parameters)


def _variants(example: Example) -> Iterator[Example]:
    """The example, and others with one value changed."""
    yield example
    for path, _ in nodes(example.object):
        if path not in {(), ("kind",), ("apiVersion",)}:
            for wrong in WRONG:
                value = apply(example.object, [Operation("replace", path, wrong)])
                yield replace(example, object=value)


@pytest.mark.parametrize(("rule", "example"), _new_pods())
def test_what_is_remembered_changes_no_answer(rule: Rule, example: Example) -> None:
    book, known = _book(rule, example), example.view()
    for variant in _variants(example):
        review = variant.review(book.shaped)
        fresh = judge(review, book, variant.view())
        assert judge(review, book, known) == fresh, variant.object
        assert judge(review, book, known) == fresh, variant.object


def _renamed(value: JSON, suffix: str) -> JSON:
    """The pod as another replica: with names, labels and a token volume that are made up for it.

    Of a workload, another whose pods are those.
    """
    other = copy.deepcopy(value)
    pod_ = lookup(other, TEMPLATES.get((kind_of(value).group, value["kind"]), ()))
    metadata, spec = pod_.get("metadata") or {}, pod_.get("spec") or {}
    token = f"kube-api-access-{suffix}"
    pod_["metadata"] = {**metadata, "name": f"replica-{suffix}", "generateName": suffix}
    if isinstance(metadata.get("labels") or {}, dict):
        made = dict.fromkeys(VOLATILE, suffix)
        pod_["metadata"]["labels"] = {**(metadata.get("labels") or {}), **made}
    pod_["spec"] = {**spec, "volumes": [*(spec.get("volumes") or []), {"name": token}]}
    return other


@pytest.mark.parametrize(("rule", "example"), _new_pods())
def test_replicas_are_alike_and_judged_alike(rule: Rule, example: Example) -> None:
    book = _book(rule, example)
    one, other = (
        replace(example, object=_renamed(example.object, suffix)).review(book.shaped)
        for suffix in ("b4x9k", "zz7qp")
    )
    assert likeness(one) == likeness(other)
    assert likeness(one) is not None or not one.fits
    said, also = (judge(each, book, example.view()) for each in (one, other))
    assert said.patch == also.patch
    assert [(f.rule, f.check, f.path, f.level) for f in said.findings] == [
        (f.rule, f.check, f.path, f.level) for f in also.findings
    ]


def test_what_is_made_up_for_the_token_hides_nothing_else() -> None:
    """The name is blotted out where it stands, so that nothing can be hidden around it."""

    def saying(command: str, name: str) -> JSON:
        container = {"name": "app", "image": "web:1", "command": [command]}
        return pod({"containers": [container], "volumes": [{"name": name}]})

    volume = "kube-api-access-b4x9k"
    known = likeness(_asked(saying(f"ht{volume}tp://a", volume)))
    assert known is not None
    assert likeness(_asked(saying("http://a", volume))) != known
    assert likeness(_asked(saying("htkube-api-access-tp://a", volume))) != known
    assert likeness(_asked(saying("htkube-api-access-zz7qptp://a", volume))) != known
    assert likeness(_asked(saying("http://a", f"{volume}{volume}"))) != known


def _asked(value: JSON, **circumstances: Any) -> Review:
    """The creation of a pod, as it comes from the wire."""
    body = json.dumps(ask(value, name=""), separators=(",", ":")).encode()
    review = decode(body, shaped=frozenset({(POD.group, POD.resource)}))
    return review._replace(**circumstances)


class Panelists:
    """Rules of the catalogue that count how often they are asked; they say `said`."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.said: list[Finding] = []
        steady, grouped = (next(r for r in RULES if r.name == name) for name in (STEADY, GROUPED))
        passing = replace(grouped, name=PASSING, by_group=False)
        others = (replace(steady, name=name) for name in ("second", "third"))
        rules = map(self._seat, (steady, *others, passing, grouped))
        self.book = Rulebook.of(Site(), map(Configured, rules))

    def _seat(self, rule: Rule) -> ActiveRule:
        def check(_review: Review, _cluster: Cluster) -> Iterator[Finding]:
            self.asked[rule.name if rule.name in (PASSING, GROUPED) else STEADY] += 1
            if rule.name not in self.silent:
                yield from self.said

        return ActiveRule(rule, "enforce", check)

    def judge(self, value: JSON, cluster: Cluster, **circumstances: Any) -> dict[str, int]:
        """How often each is asked about a new pod."""
        self.asked.clear()
        judge(_asked(value, **circumstances), self.book, cluster)
        return dict(self.asked)


def test_a_replica_is_not_judged_again_until_something_changes() -> None:
    panel, cluster = Panelists(), Cluster()
    assert panel.judge(pod(), cluster) == ALL
    assert panel.judge(pod(), cluster) == {}
    assert panel.judge(pod(name="web-2"), cluster) == {}
    assert GROUPED not in panel.judge(pod(annotations={"a": "b"}), cluster)
    assert panel.judge(pod(labels={"a": "b"}), cluster) == ALL
    asker = Requester("somebody", frozenset({"else"}))
    assert panel.judge(pod(), cluster, requester=asker)[STEADY] == 3
    assert panel.judge(pod(), cluster, phases=("raw", "final"))[STEADY] == 3
    assert panel.judge(pod(), cluster, namespace="bank") == ALL
    assert panel.judge(pod(), Cluster()) == ALL


def test_pods_that_come_and_go_concern_only_rules_that_look_at_them() -> None:
    panel, cluster = Panelists(), Cluster()
    panel.judge(pod(), cluster)
    changed = cluster.with_networks(None)
    assert panel.judge(pod(), changed) == {PASSING: 1, GROUPED: 1}
    assert panel.judge(pod(), changed) == {}


def test_only_who_spoke_is_asked_again() -> None:
    panel, cluster = Panelists(), Cluster()
    panel.silent = {"second", "third"}
    panel.said = [Finding(check="X", path=(), message="is bad")]
    assert panel.judge(pod(), cluster) == ALL
    assert panel.judge(pod(), cluster) == {STEADY: 1, PASSING: 1}
    assert panel.judge(pod(), cluster.with_networks(None)) == {STEADY: 1, PASSING: 1, GROUPED: 1}


def test_who_is_told_something_is_told_it_of_his_own_pod() -> None:
    panel, cluster = Panelists(), Cluster()
    panel.said = [Finding(check="X", path=(), message="is bad")]
    assert panel.judge(pod(), cluster) == ALL
    assert panel.judge(pod(), cluster) == {STEADY: 3, PASSING: 1}  # that of the group is the same
    panel.said = [Finding(check="X", path=(), message="is bad", error=True)]
    assert panel.judge(pod(), Cluster()) == ALL


def test_a_failure_is_not_remembered() -> None:
    panel, cluster = Panelists(), Cluster()
    panel.said = [Finding(check="X", path=(), message="failed", error=True)]
    assert panel.judge(pod(), cluster) == panel.judge(pod(), cluster) == ALL


@pytest.mark.parametrize("change", [{"operation": "UPDATE"}, {"new": NOTHING}])
def test_only_new_pods_are_alike(change: dict[str, Any]) -> None:
    assert likeness(_asked(pod())) is not None
    assert likeness(_asked(pod(), **change)) is None


def test_what_is_nested_too_deeply_is_in_no_group() -> None:
    value: JSON = {}
    for _ in range(500):
        value = {"a": value}
    review = Review("CREATE", "", "pods", "Pod", new=Content.of(pod({"serviceAccountName": value})))
    assert Group.of(review).key is None
