"""Reach by hand: what the corpora do not tell apart, tiers, and what nobody knows.

The T numbers are those of the table of test cases in the specification of egress.
"""

from __future__ import annotations

import pytest
import yaml

from rules.netpol.connections import Question, Selection
from rules.netpol.engines import engine_of
from rules.netpol.survey import Survey
from tests.netpol.clusters import objects, survey, table

PODS = """
apiVersion: v1
kind: Namespace
metadata: {name: red, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: blue, labels: {team: b}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: red, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: red, labels: {app: db, env: prod}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: blue, labels: {app: db}}
"""
WEB, DB, FOREIGN = "red/web[Pod]", "red/db[Pod]", "blue/db[Pod]"
HTTP = "80/TCP"
ADMIN = """
apiVersion: policy.networking.k8s.io/v1alpha1
kind: {kind}
metadata: {{name: {name}}}
spec: {{subject: {{namespaces: {{}}}}, {spec}}}
"""


def policy(spec: str, *, name: str = "p", namespace: str = "red") -> str:
    head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
    return f"{head}metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"


def egress(rules: str, pods: str = "{}") -> str:
    return policy(f"{{podSelector: {pods}, policyTypes: [Egress], egress: {rules}}}")


def admin(spec: str, *, name: str = "admin") -> str:
    return ADMIN.format(kind="AdminNetworkPolicy", name=name, spec=spec)


def baseline(spec: str) -> str:
    return ADMIN.format(kind="BaselineAdminNetworkPolicy", name="default", spec=spec)


def surveyed(*texts: str, engine: str = "spec", pods: str = PODS) -> Survey:
    question = Question(side="egress", families=(4,))
    return survey(objects([pods, *texts]), question, engine=engine_of(engine))


def reached(*texts: str, source: str = WEB, engine: str = "spec") -> dict[str, str]:
    """What the source reaches, by the policies of its own side."""
    found = table(surveyed(*texts, engine=engine).connections())
    return {target: ports for (origin, target), ports in found.items() if origin == source}


def everything(ports: str) -> dict[str, str]:
    """Every end but the web pod itself."""
    return dict.fromkeys((DB, FOREIGN, "0.0.0.0-255.255.255.255"), ports)


ALL = everything("1-65535/TCP 1-65535/UDP 1-65535/SCTP")


# What np-guard's answers would not notice.


def test_pods_by_label_alone_are_those_of_the_own_namespace() -> None:
    text = egress("[{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]")
    assert reached(text) == {DB: HTTP}


def test_t04_exceptions_are_cut_out_of_their_block_alone() -> None:
    blocks = "{cidr: 10.0.0.0/30, except: [10.0.0.1/32]}"
    assert reached(egress(f"[{{to: [{{ipBlock: {blocks}}}], ports: [{{port: 80}}]}}]")) == {
        "10.0.0.0-10.0.0.0": HTTP,
        "10.0.0.2-10.0.0.3": HTTP,
    }
    both = f"[{{to: [{{ipBlock: {blocks}}}, {{ipBlock: {{cidr: 10.0.0.1/32}}}}]}}]"
    assert list(reached(egress(both))) == ["10.0.0.0-10.0.0.3"]


def test_t50_not_in_matches_where_the_label_is_absent() -> None:
    pods = "{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}"
    assert reached(egress("[]", pods)) == {}
    assert reached(egress("[]", pods), source=DB) != {}


def test_t10_t11_an_entry_without_a_port_is_all_of_its_protocol() -> None:
    assert reached(egress("[{ports: [{protocol: UDP}]}]")) == everything("1-65535/UDP")
    assert reached(egress("[{ports: [{}]}]")) == everything("1-65535/TCP")


# Isolation.


def test_t14_t15_what_nothing_isolates_is_open() -> None:
    assert reached() == ALL
    assert reached(policy("{podSelector: {}, policyTypes: [Ingress]}")) == ALL


def test_t13_types_that_leave_egress_out_leave_it_open_save_under_cilium() -> None:
    text = policy("{podSelector: {}, policyTypes: [Ingress], egress: [{ports: [{port: 443}]}]}")
    assert reached(text) == ALL
    assert reached(text, engine="cilium") == everything("443/TCP")


def test_t17_policies_add_up() -> None:
    world = "[{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}]"
    texts = egress("[]"), egress(world).replace("name: p,", "name: q,")
    assert reached(*texts) == {"0.0.0.0-255.255.255.255": HTTP}


# Tiers.

ALLOW_WEB = "egress: [{action: Allow, to: [{networks: [0.0.0.0/0]}], ports: [%s]}]"
ALLOW_80 = ALLOW_WEB % "{portNumber: {protocol: TCP, port: 80}}"


def test_t61_what_an_administrator_allows_no_network_policy_denies() -> None:
    text = admin(f"priority: 5, {ALLOW_80}")
    assert reached(text, egress("[]")) == {"0.0.0.0-255.255.255.255": HTTP}


def test_t62_after_pass_a_network_policy_has_the_last_word_on_pods_it_selects() -> None:
    passed = admin("priority: 5, egress: [{action: Pass, to: [{networks: [0.0.0.0/0]}]}]")
    allowed = baseline("egress: [{action: Allow, to: [{networks: [0.0.0.0/0]}]}]")
    assert reached(passed, egress("[]"), allowed) == {}


def test_t63_without_a_network_policy_the_baseline_decides() -> None:
    passed = admin("priority: 5, egress: [{action: Pass, to: [{networks: [0.0.0.0/0]}]}]")
    denied = baseline("egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]")
    assert "0.0.0.0-255.255.255.255" not in reached(passed, denied)
    assert DB in reached(passed, denied)


def test_of_two_policies_of_one_priority_the_weaker_counts_whatever_their_rules_numbers() -> None:
    deny = "{action: Deny, to: [{namespaces: {}}]}"
    allow = "{action: Allow, to: [{namespaces: {}}], ports: [{namedPort: none}]}"
    strict = admin(f"priority: 5, egress: [{deny}]", name="a")
    late = "{action: Allow, to: [{namespaces: {}}]}"
    weak = admin(f"priority: 5, egress: [{allow}, {late}]", name="b")
    assert DB in reached(strict, weak)
    assert DB not in reached(strict, weak.replace("priority: 5", "priority: 6"))


def test_the_first_rule_of_a_policy_counts() -> None:
    rules = "{action: Deny, to: [{namespaces: {}}]}, {action: Allow, to: [{namespaces: {}}]}"
    assert DB not in reached(admin(f"priority: 5, egress: [{rules}]"))


def test_a_direction_without_rules_has_no_effect() -> None:
    assert reached(admin("priority: 5, ingress: []")) == ALL


# What is refused does not count, and what is not known is not allowed.


@pytest.mark.parametrize(
    "text",
    [
        egress("[]").replace("[Egress]", "[Egres]"),
        admin("priority: 1001, egress: [{action: Deny, to: [{namespaces: {}}]}]"),
        admin("priority: 1, egress: [{action: Deny, to: [{}]}]"),
        admin("priority: 1, egress: [{action: Deny, to: []}]"),
        admin("priority: 1, egress: [{action: deny, to: [{namespaces: {}}]}]"),
        baseline("egress: [{action: Deny, to: [{namespaces: {}}]}]").replace("default", "mine"),
        baseline("egress: [{action: Pass, to: [{namespaces: {}}]}]"),
    ],
)
def test_what_the_api_server_refuses_does_not_count(text: str) -> None:
    assert reached(text) == ALL


def test_where_pods_are_not_known_what_asks_for_their_address_is_unknown() -> None:
    text = egress("[{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]")
    (met,) = (
        each
        for each in surveyed(text, engine="npm").connections()
        if (str(each.source), str(each.target)) == (WEB, DB)
    )
    assert (str(met.verdict.allowed), str(met.verdict.unknown)) == ("none", HTTP)


def test_an_address_that_is_known_is_matched_where_the_engine_matches_pods() -> None:
    node = yaml.safe_load(PODS.split("---")[3])
    node["status"] = {"podIPs": [{"ip": "10.1.2.3"}]}
    texts = (PODS, yaml.safe_dump(node), egress("[{to: [{ipBlock: {cidr: 10.1.2.3/32}}]}]"))
    nodes = list({str(each["metadata"]) + each["kind"]: each for each in objects(texts)}.values())
    question = Question(targets=Selection.of(DB), sources=Selection.of(WEB))
    (met,) = survey(nodes, question, engine=engine_of("npm")).connections()
    assert str(met.verdict.allowed) == ALL[DB]
    assert not met.verdict.unknown
    assert not list(survey(nodes, question).connections())


def test_pods_on_the_network_of_their_node_have_no_policies_where_engines_say_so() -> None:
    pods = PODS.replace("app: web}}", "app: web}}\nspec: {hostNetwork: true}")
    for engine, isolated in (("spec", True), ("cilium", False), ("npm", False)):
        found = surveyed(egress("[]"), engine=engine, pods=pods)
        web = next(each for each in found.workloads if each.name == WEB)
        assert found.isolated(web, "egress") == isolated, engine
