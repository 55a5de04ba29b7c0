"""Calico cases with the answers of another engine: np-guard/network-config-analyzer.

It compares sets of policies with each other (the same, one inside the other), and of some of them
it says who reaches whom. It knows no tiers; pods have an allow-all profile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from rules.netpol.connections import Connection, Question, Workload, name_of
from rules.netpol.engines import engine_of
from rules.netpol.inventory import Pod
from rules.netpol.languages import api_of
from rules.netpol.sets import V4, Ports
from rules.netpol.sides import Verdict
from tests.corpora import corpus
from tests.netpol.clusters import objects, survey

NAME = "network-config-analyzer"
CALICO = engine_of("calico")
OUTSIDE = "0.0.0.0-255.255.255.255"
NOTHING = Verdict(Ports.empty())
FOUR = Question(families=(V4,))
Reached = dict[tuple[str, str], Verdict]

# were one of them lost, green would mean nothing
COMPARISONS = {"equivalence": 36, "containment": 21, "twoWayContainment": 5}
MAPS, PAIRS = 7, 2_261
_SOURCE_PORTS = "ports of the source are not looked at: undecided"
DISAGREEMENTS = {
    "equiv_all_ports_via_named_ports": "Calico takes no names of more than 15 characters",
    "equiv_new_TCP-101-104-ver2": _SOURCE_PORTS,
    "equiv_new_TCP-all-ports": _SOURCE_PORTS,
}


@dataclass(frozen=True)
class Scheme:
    """A file of sets of policies and of questions about them."""

    path: Path
    told: dict[str, Any]
    known: dict[str, Reached] = field(default_factory=dict)

    @cached_property
    def surroundings(self) -> list[Any]:
        """Pods and namespaces."""
        named = (self.told["podList"], self.told["namespaceList"])
        return list(objects(text for name in named for text in self.texts(name)))

    def texts(self, name: str) -> Iterator[str]:
        """Those of a file, or of all in a folder; some that are named do not exist."""
        place = self.path.parent / name
        for file in sorted(place.rglob("*.*")) if place.is_dir() else (place,):
            if file.is_file():
                yield file.read_text()

    def nodes(self, name: str) -> list[Any]:
        """The policies of a set, or the one policy of it that `set/Kind/namespace/name` names."""
        config, *where = name.split("/")
        files = next(c for c in self.told["networkConfigList"] if c["name"] == config)
        found = objects(t for each in files["networkPolicyList"] for t in self.texts(each))
        return [node for node in found if _is_meant(node, where)]

    def reached(self, name: str) -> Reached:
        """Who reaches whom, or may, by that set."""
        if name not in self.known:
            found = survey([*self.surroundings, *self.nodes(name)], FOUR, engine=CALICO)
            self.known[name] = {_ends(each): each.verdict for each in found.connections()}
        return self.known[name]


def schemes(pods: str) -> Iterator[Scheme]:
    folder = corpus(f"np-guard-{NAME}") / "tests" / "calico_testcases" / "example_policies"
    for path in sorted(folder.rglob("*scheme.yaml")):
        told = yaml.safe_load(path.read_text())
        if pods in told["podList"]:
            yield Scheme(path, told)


def test_sets_compare_as_told() -> None:
    counts: Counter[str] = Counter()
    wrong = {}
    for scheme in schemes("pods_list.json"):
        for query in scheme.told["queries"]:
            for kind in COMPARISONS.keys() & query.keys() if "expected" in query else ():
                counts[kind] += 1
                ours = _compare(kind, [scheme.reached(name) for name in query[kind]])
                if ours != query["expected"]:
                    wrong[query["name"]] = ours, query["expected"]
    assert wrong.keys() == DISAGREEMENTS.keys(), wrong
    assert counts == COMPARISONS


def _compare(kind: str, sets: list[Reached]) -> int:
    first, *others = sets
    if kind == "equivalence":
        return sum(other != first for other in others)
    if kind == "containment":
        return sum(_within(other, first) for other in others)
    return 2 * _within(first, others[0]) + _within(others[0], first)


def _within(one: Reached, other: Reached) -> bool:
    return all(verdict.allowed <= other.get(ends, NOTHING).allowed for ends, verdict in one.items())


def _ends(connection: Connection) -> tuple[str, str]:
    return name_of(connection.source), name_of(connection.target)


def _is_meant(node: Any, where: list[str]) -> bool:
    """Whether an object is the one of that kind, namespace and name, as far as they are stated."""
    metadata = node["metadata"]
    if not CALICO.implements(api_of(node)):
        return not where
    group = "Calico" if "calico" in node["apiVersion"] else "K8s"
    own = (f"{group}{node['kind']}", metadata.get("namespace", ""), metadata["name"])
    return all(stated in ("", real) for stated, real in zip(where[::-1], own[::-1], strict=False))


LINE = re.compile(
    r"src(?:_ns: \[(?P<src_ns>.*?)\] src_pods: \[(?P<src_pods>.*?)\]|: (?P<src>\S+)) "
    r"dst(?:_ns: \[(?P<dst_ns>.*?)\] dst_pods: \[(?P<dst_pods>.*?)\]|: (?P<dst>\S+)) "
    r"conn: (?P<conn>.*)"
)
_HEAD = "final fw rules for query: "


def test_who_reaches_whom_as_told() -> None:
    maps = pairs = 0
    for scheme, name, lines in _maps():
        maps += 1
        pairs += _check(scheme, name, lines)
    assert (maps, pairs) == (MAPS, PAIRS)


def _maps() -> Iterator[tuple[Scheme, str, list[str]]]:
    for scheme in schemes(""):
        for query in scheme.told["queries"]:
            if scheme.path.name not in _WITH_MAPS or "connectivityMap" not in query:
                continue
            text = (scheme.path.parent / query["expectedOutput"]).read_text()
            pieces = text.split(_HEAD)[1:]
            for name, piece in zip(query["connectivityMap"], pieces, strict=True):
                head, *lines = piece.strip().splitlines()
                assert name.split("/")[0] in head
                if name not in _OF_INGRESSES:
                    yield scheme, name, lines


_OF_INGRESSES = ("ip", "global-simple-with-ingress", "global-not-simple-with-ingress")
_WITH_MAPS = ("testcase15-with-ingress-scheme.yaml", "testcase25-scheme.yaml")


def _check(scheme: Scheme, name: str, lines: list[str]) -> int:
    found = survey([*scheme.surroundings, *scheme.nodes(name)], FOUR, engine=CALICO)
    ours = {_ends(each): each.verdict for each in found.connections()}
    told: dict[tuple[str, str], Ports] = {}
    for line in lines:
        match = LINE.fullmatch(line)
        assert match, line
        for source, target in product(_parties(match, "src", found), _parties(match, "dst", found)):
            if source != target:
                before = told.get((source, target), Ports.empty())
                told[source, target] = before | _ports(match["conn"])
    names = [str(each) for each in found.workloads]
    pairs = [*product(names, names), *product(names, [OUTSIDE]), *product([OUTSIDE], names)]
    for pair in pairs:
        verdict = ours.get(pair, NOTHING)
        assert not verdict.unknown, (name, pair)
        assert verdict.allowed == told.get(pair, Ports.empty()), (name, pair)
    return len(pairs)


def _parties(match: re.Match[str], end: str, found: Any) -> list[str]:
    if match[end]:
        return [OUTSIDE]
    namespaces = match[f"{end}_ns"].split(",")
    wanted = match[f"{end}_pods"].split(", ")
    return [
        str(each)
        for each in found.workloads
        if isinstance(each, Workload)
        and any(_has(pod, word) for pod in each.pods for word in wanted)
        and each.pods[0].namespace.name in namespaces
    ]


def _has(pod: Pod, word: str) -> bool:
    """`*`, the name of its owner, or terms joined as in `!has(k) or (has(k) and k!=v)`."""
    return any(
        all(_meets(pod, term) for term in each.removeprefix("(").split(" and "))
        for each in word.split(" or ")
    )


def _meets(pod: Pod, term: str) -> bool:
    match = re.match(r"(!?)has\((.*?)\)|([^=!]+)(!?)=([^)]*)", term)
    if match is None:
        return term in ("*", pod.name)
    if match[2]:
        return (match[2] in pod.labels) != bool(match[1])
    return (pod.labels.get(match[3]) == match[5]) != bool(match[4])


def _ports(text: str) -> Ports:
    if text == "All connections":
        return Ports.full()
    match = re.fullmatch(r"\{protocols:(TCP|UDP|SCTP)(?:,dst_ports:([0-9,-]+))?\}", text)
    assert match, text
    return Ports.parse(f"{match[2] or '1-65535'}/{match[1]}")
