"""`sallyport reach`: contracts 9, paragraph by paragraph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import compare
from webhook.cli import main

CLUSTER = """\
apiVersion: v1
kind: Namespace
metadata: {name: red, labels: {team: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: red}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: &db
    name: db-0
    namespace: red
    labels: {app: db}
    ownerReferences: [{kind: StatefulSet, name: db}]
- apiVersion: v1
  kind: Pod
  metadata: {<<: *db, name: db-1}
- apiVersion: v1
  kind: Pod
  metadata: {name: proxy, namespace: red, ownerReferences: [{kind: Node, name: node-1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: red}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{ports: [{port: http}]}]
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: 5432}]
  - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 443}, {port: 8000, endPort: 8100}, {protocol: UDP, port: 53}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: guard}
spec:
  priority: 1
  subject: {namespaces: {}}
  egress:
  - {action: Deny, to: [{networks: [10.2.0.0/16]}]}
  - {action: Pass, to: [{networks: [10.3.0.0/16]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: refused, namespace: red}
spec: {podSelector: {}, policyTypes: [Egres]}
"""
WEB, DB, PROXY = "red/web[Deployment]", "red/db[StatefulSet]", "red/proxy[Pod]"
V4, V6 = "0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
EVERYTHING = [{"protocol": name, "ports": "1-65535"} for name in ("TCP", "UDP", "SCTP")]


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A file with a small cluster in it."""
    path = tmp_path / "cluster.yaml"
    path.write_text(CLUSTER)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["reach", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    code, out, _ = run(capsys, *arguments, "-o", "json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def allowed(found: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, str]]]:
    return {(each["from"], each["to"]): each["allowed"] for each in found["connections"]}


def test_the_answer_has_its_fields_and_protocols_and_ports_their_order(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, cluster, "--family", "4")
    assert (found["version"], found["engine"], found["errors"]) == (1, "spec", [])
    assert {key for each in found["connections"] for key in each} == {"from", "to", "allowed"}
    assert allowed(found)[WEB, "10.0.0.0-10.0.255.255"] == [
        {"protocol": "TCP", "ports": "443,8000-8100"},
        {"protocol": "UDP", "ports": "53"},
    ]
    assert allowed(found)[DB, WEB] == [{"protocol": "TCP", "ports": "8080"}]
    assert allowed(found)[DB, PROXY] == EVERYTHING


def test_parties_are_named_by_owner_and_ranges_are_maximal_and_disjoint(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = set(allowed(answer(capsys, cluster, "--family", "4")))
    assert {end for pair in pairs for end in pair if "[" in end} == {WEB, DB, PROXY}
    assert {target for source, target in pairs if source == WEB} == {
        DB,
        "10.0.0.0-10.0.255.255",
        "10.3.0.0-10.255.255.255",
    }
    assert all(one != other for one, other in pairs)
    assert (V4, DB) in pairs


def test_what_is_refused_is_unknown_and_does_not_count(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, cluster)["unknown"] == [
        {
            "from": "",
            "to": "",
            "object": {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "namespace": "red",
                "name": "refused",
            },
            "path": "spec.policyTypes[0]",
            "reason": 'is "Egres", must be Ingress or Egress',
        }
    ]


def test_from_to_port_side_and_family_narrow_the_answer(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = allowed(answer(capsys, cluster, "--from", WEB, "--to", DB))
    assert only == {(WEB, DB): [{"protocol": "TCP", "ports": "5432"}]}
    assert allowed(answer(capsys, cluster, "--from", WEB, "--to", DB, "--port", "443/TCP")) == {}
    ingress = allowed(answer(capsys, cluster, "--from", WEB, "--to", DB, "--side", "ingress"))
    assert ingress == {(WEB, DB): EVERYTHING}
    egress = allowed(answer(capsys, cluster, "--from", DB, "--to", WEB, "--side", "egress"))
    assert egress == {(DB, WEB): EVERYTHING}
    families = {pair for pair in allowed(answer(capsys, cluster, "--family", "6")) if pair[0] == DB}
    assert families == {(DB, WEB), (DB, PROXY), (DB, V6)}


def test_an_end_outside_may_be_one_address_or_a_range(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = allowed(answer(capsys, cluster, "--from", DB, "--to", "10.9.9.9-10.9.9.9"))
    assert one == {(DB, "10.9.9.9-10.9.9.9"): EVERYTHING}
    cut = set(allowed(answer(capsys, cluster, "--from", DB, "--to", "10.1.255.0-10.3.0.9")))
    assert cut == {(DB, "10.1.255.0-10.1.255.255"), (DB, "10.3.0.0-10.3.0.9")}


def test_why_names_object_rule_direction_and_action_in_the_order_in_which_they_are_asked(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, cluster, "--why", "--from", WEB, "--to", "10.3.0.7", "--port", "443/TCP")
    (connection,) = found["connections"]
    steps = [(each["action"], each["rule"], each["direction"]) for each in connection["why"]]
    assert steps == [("pass", "spec.egress[1]", "egress"), ("allow", "spec.egress[1]", "egress")]
    assert connection["why"][0]["object"] == {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "namespace": "",
        "name": "guard",
    }
    open_ = answer(capsys, cluster, "--why", "--from", DB, "--to", "8.8.8.8")["connections"][0]
    assert [(each["action"], each["object"]) for each in open_["why"]] == [("default", None)]


def test_an_engine_enforces_only_its_kinds_and_says_what_it_leaves_out(
    cluster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, cluster, "--engine", "npm", "--family", "4")
    assert found["assumed"] == [
        "npm does not enforce policy.networking.k8s.io/AdminNetworkPolicy: 1 left out"
    ]
    assert (DB, V4) in allowed(found)
    rulebook = tmp_path / "rulebook.yaml"
    rulebook.write_text("version: 1\ncluster: {engine: npm}\n")
    assert answer(capsys, cluster, "--rulebook", rulebook)["engine"] == "npm"
    over = answer(capsys, cluster, "--rulebook", rulebook, "--engine", "spec")
    assert over["engine"] == "spec"


def test_networks_of_the_rulebook_say_where_pods_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    rulebook = tmp_path / "rulebook.yaml"
    told = {}
    for pods in ("10.1.0.0/16", "10.8.0.0/16", "10.0.0.0/15"):
        rulebook.write_text(f"version: 1\ncluster: {{engine: npm, cidrs: {{pods: [{pods}]}}}}\n")
        question = ("--rulebook", rulebook, "--from", WEB, "--to", PROXY, "--side", "egress")
        found = answer(capsys, tmp_path / "cluster.yaml", *question, "--port", "443/TCP")
        told[pods] = (len(found["connections"]), len(found["unknown"]) - 1)
    # all of the exception, all of the block, some of each
    assert told == {"10.1.0.0/16": (0, 0), "10.8.0.0/16": (1, 0), "10.0.0.0/15": (0, 1)}


@pytest.mark.parametrize("output", ["text", "dot"])
def test_what_people_read(cluster: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    code, out, err = run(capsys, cluster, "--family", "4", "-o", output, "--why")
    assert (code, err) == (0, "")
    compare(out, f"reach/{output}.txt")


def test_what_cannot_be_read_is_an_error_and_the_rest_is_answered(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = cluster.with_name("broken.yaml")
    broken.write_text("kind: Pod\nmetadata: [\n")
    code, out, err = run(capsys, cluster.parent)
    assert code == 2
    assert f"error: {broken}:" in err
    assert f"{DB} -> {WEB}: 8080/TCP" in out
    code, out, _ = run(capsys, cluster.parent, "-o", "json")
    assert code == 2
    assert [set(each) for each in json.loads(out)["errors"]] == [
        {"file", "line", "column", "message"}
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "http"], '--port is "http", must be ports and a protocol such as 80,443/TCP'),
        (["--to", "10.0.0.0/8"], '--to is "10.0.0.0/8", must be ns/name[Kind], addresses as'),
        (["--to", "entity:world"], '--to is "world", must be one of host, remote-node,'),
        (["--from", "red/none[Pod]"], '--from is "red/none[Pod]", must be one of the 3 workloads'),
    ],
)
def test_a_question_that_cannot_be_asked_names_the_flag(
    cluster: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, out, err = run(capsys, cluster, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"sallyport: {said}")


def test_a_bad_rulebook_and_no_document_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rulebook = tmp_path / "rulebook.yaml"
    rulebook.write_text("version: 1\nclutser: {}\n")
    code, _, err = run(capsys, tmp_path, "--rulebook", rulebook)
    assert (code, "clutser" in err) == (2, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    code, _, err = run(capsys, empty)
    assert (code, "no document found" in err) == (2, True)
