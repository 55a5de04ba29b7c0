"""Calico by hand: what no corpus tells apart, samples of its documentation, its sentences."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules.netpol import census
from rules.netpol.connections import Question
from rules.netpol.dialects import calico
from rules.netpol.dialects.calico.reader import VOIDED, Door
from rules.netpol.engine import Api
from rules.netpol.engines import engine_of
from rules.netpol.languages import translate
from rules.netpol.model import Policy
from rules.netpol.sets import V4, Ports
from rules.netpol.sides import Verdict
from tests.netpol.clusters import objects, survey, table

CALICO = engine_of("calico")
EVERY_PORT = str(Ports.full())
WORLD = "0.0.0.0-255.255.255.255"
DOORS: tuple[Door, ...] = ("api", "native", "crd")


def reach(text: str) -> dict[tuple[str, str], str]:
    """Who reaches whom over IPv4 in a cluster of these objects."""
    found = survey(objects([POD, text]), Question(families=(V4,)), engine=CALICO)
    return table(found.connections())


POD = """
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: red, labels: {app: web}}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: red, labels: {app: db}}
status: {podIPs: [{ip: 10.0.0.2}]}
"""
ALLOW_80 = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: k, namespace: red}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}]
"""


def policy(spec: str, kind: str = "NetworkPolicy", version: str = "projectcalico.org/v3") -> str:
    namespace = "" if kind.endswith("GlobalNetworkPolicy") else ", namespace: red"
    metadata = f"{{name: p{namespace}}}"
    return f"---\napiVersion: {version}\nkind: {kind}\nmetadata: {metadata}\nspec: {{{spec}}}\n"


WEB_ONLY = "selector: app == 'web'"


@pytest.mark.parametrize(
    ("text", "world", "pod"),
    [
        pytest.param(
            policy(
                "order: 10, egress: [{action: Deny, protocol: TCP, destination: {ports: [80]}}]",
                "GlobalNetworkPolicy",
            )
            + ALLOW_80,
            None,
            None,
            id="T51 what comes first decides",
        ),
        pytest.param(
            policy(f"types: [Egress], {WEB_ONLY}"), None, None, id="T53 no rules: nothing"
        ),
        pytest.param(
            "---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: sec}\n"
            "spec: {order: 5}\n" + policy("tier: sec, egress: [{action: Pass}]"),
            EVERY_PORT,
            EVERY_PORT,
            id="T54 passed on by the last tier: the profile allows",
        ),
        pytest.param(
            policy(
                f"{WEB_ONLY}, egress: [{{action: Allow, protocol: TCP,"
                " destination: {notPorts: [80]}}]"
            ),
            "1-79,81-65535/TCP",
            "1-79,81-65535/TCP",
            id="T55 all but one port",
        ),
        pytest.param(
            policy(
                f"{WEB_ONLY}, egress: [{{action: Allow, protocol: TCP,"
                " destination: {notSelector: role == 'db', ports: [80]}}]"
            ),
            None,
            "80/TCP",
            id="T57 in a namespace it stays among pods",
        ),
        pytest.param(
            policy(
                f"{WEB_ONLY}, egress: [{{action: Allow, protocol: TCP,"
                " destination: {notSelector: role == 'db', ports: [80]}}]",
                "GlobalNetworkPolicy",
            ),
            "80/TCP",
            "80/TCP",
            id="T57 in the cluster it is the Internet, too",
        ),
        pytest.param(
            policy("egress: [{action: Deny}]", "StagedGlobalNetworkPolicy"),
            EVERY_PORT,
            EVERY_PORT,
            id="T58 staged: no effect",
        ),
    ],
)
def test_cases_of_the_specification(text: str, world: str | None, pod: str | None) -> None:
    found = reach(text)
    assert found.get(("red/a[Pod]", WORLD)) == world
    assert found.get(("red/a[Pod]", "red/b[Pod]")) == pod


def test_cilium_enforces_none_of_its_kinds() -> None:
    """T59."""
    cilium = engine_of("cilium")
    assert not any(
        cilium.implements(Api(group, kind)) for group in calico.GROUPS for kind in calico.KINDS
    )


def test_staged_policies_are_there_to_be_looked_at() -> None:
    spec = "podSelector: {}, policyTypes: [Egress], stagedAction: Set, egress: [{}]"
    (found,) = translate(yaml.safe_load(policy(spec, "StagedKubernetesNetworkPolicy")))
    assert found.staged
    assert found.unknowns == ()
    parts = [each.origin for each in found.grants] + [each.origin for each in found.isolations]
    origins = [found.origin, *parts]
    assert {origin.kind for origin in origins} == {"StagedKubernetesNetworkPolicy"}
    (found,) = translate(yaml.safe_load(policy("stagedAction: Learn", "StagedNetworkPolicy")))
    assert found.staged
    assert found.unknowns == ()
    (found,) = translate(yaml.safe_load(policy("stagedAction: Now", "StagedNetworkPolicy")))
    assert [each.path for each in found.unknowns] == [("spec", "stagedAction")]


EMOJIVOTO = """
{apiVersion: v1, kind: Namespace, metadata: {name: emojivoto}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}
"""
PODS = {
    "web": ("emojivoto", "app: web-svc"),
    "emoji": ("emojivoto", "app: emoji-svc"),
    "voting": ("emojivoto", "app: voting-svc"),
    "vote-bot": ("emojivoto", "app: vote-bot"),
    "multitool": ("default", "run: multitool"),
    "kube-dns": ("kube-system", "k8s-app: kube-dns"),
}
DNS = """
  - action: Allow
    protocol: UDP
    destination: {namespaceSelector: kubernetes.io/metadata.name == 'kube-system', selector: k8s-app == 'kube-dns', ports: [53]}
"""  # noqa: E501  # as people write it
FROM_WEB = """
  ingress: [{action: Allow, protocol: TCP, source: {selector: app == 'web-svc'}, destination: {ports: [8080]}}]
"""  # noqa: E501
SPECS = {
    "web": """
  selector: app == 'web-svc'
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, source: {selector: app == 'vote-bot'}, destination: {ports: [8080]}}]
  egress:
  - {action: Allow, protocol: TCP, destination: {selector: app == 'emoji-svc', ports: [8080]}}
  - {action: Allow, protocol: TCP, destination: {selector: app == 'voting-svc', ports: [8080]}}"""  # noqa: E501
    + DNS,
    "emoji": "\n  selector: app == 'emoji-svc'\n  types: [Ingress, Egress]" + FROM_WEB,
    "voting": "\n  selector: app == 'voting-svc'\n  types: [Ingress, Egress]" + FROM_WEB,
    "vote-bot": """
  selector: app == 'vote-bot'
  types: [Ingress, Egress]
  egress:
  - {action: Allow, protocol: TCP, destination: {selector: app == 'web-svc', ports: [8080]}}"""
    + DNS,
}
FLOWS = [
    ("vote-bot", "web", "TCP", 8080),
    ("web", "emoji", "TCP", 8080),
    ("web", "voting", "TCP", 8080),
    ("web", "kube-dns", "UDP", 53),
    ("vote-bot", "kube-dns", "UDP", 53),
    ("voting", "multitool", "TCP", 1),
    ("web", "1.1.1.1", "TCP", 443),
    ("emoji", "voting", "TCP", 8080),
    ("multitool", "web", "TCP", 8080),
]
C2 = "\n  selector: app == 'voting-svc'\n  types: [Ingress]" + FROM_WEB


@pytest.mark.parametrize(
    ("kind", "specs", "passing"),
    [
        pytest.param("StagedNetworkPolicy", SPECS, "yyyyyyyyy", id="C1"),
        pytest.param("NetworkPolicy", {"voting": C2}, "yyyyyyyny", id="C2"),
        pytest.param("NetworkPolicy", SPECS, "yyyyynnnn", id="C3"),
    ],
)
def test_samples_of_the_documentation(kind: str, specs: dict[str, str], passing: str) -> None:
    pods = (
        f"---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace},"
        f" labels: {{{labels}}}}}, status: {{podIPs: [{{ip: 10.0.0.{number}}}]}}}}\n"
        for number, (name, (namespace, labels)) in enumerate(PODS.items(), 1)
    )
    policies = (
        f"---\napiVersion: projectcalico.org/v3\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: emojivoto}}\nspec:{spec}"
        for name, spec in specs.items()
    )
    nodes = objects([EMOJIVOTO, *pods, *policies])
    found = survey(nodes, Question(families=(V4,)), engine=CALICO)
    reached = {(str(c.source), _named(c.target)): c.verdict.allowed for c in found.connections()}
    assert passing == "".join(
        "y" if _passes(reached, source, target, (protocol, port)) else "n"
        for source, target, protocol, port in FLOWS
    )


def _passes(reached: dict[tuple[str, str], Ports], source: str, target: str, port: Any) -> bool:
    ends = [f"{PODS[name][0]}/{name}[Pod]" if name in PODS else WORLD for name in (source, target)]
    return port in reached.get((ends[0], ends[1]), Ports.empty())


def _named(party: object) -> str:
    return str(getattr(party, "addresses", party))


def read(spec: str, door: Door, kind: str = "NetworkPolicy") -> Policy:
    return calico.translate(yaml.safe_load(policy(spec, kind)), door=door)


@pytest.mark.parametrize(
    ("spec", "native", "sentence", "told"),
    [
        (
            "selector: app ==",
            "void",
            "spec.selector is with its end where a quoted text must stand,"
            " must be a selector such as app == 'web'",
            VOIDED,
        ),
        (
            "selector: 'all()) || (all()'",
            "as-read",
            'spec.selector is with ") || (all()" where && or || or the end must stand, must be'
            " balanced, or it breaks out of the brackets that keep it to its namespace",
            "",
        ),
        (
            "egress: [{action: Allow, destination: {nets: [example.com]}}]",
            "as-read",
            'spec.egress[0].destination.nets[0] is "example.com", must be a network in CIDR'
            " notation without host bits, such as 10.0.0.0/8",
            ", or it is dropped, and a list with none left restricts nothing",
        ),
        (
            "egress: [{action: Allow, destination: {ports: [443]}}]",
            "void",
            "spec.egress[0].destination.ports is ports, must be beside a protocol that has them:"
            " TCP, UDP or SCTP",
            VOIDED,
        ),
        (
            "egress: [{action: Allow, http: {methods: [GET]}}]",
            "as-read",
            "spec.egress[0].http is beside egress, must be absent: on egress nobody reads it, and"
            " the rule is about all traffic",
            "",
        ),
        (
            "egress: [{action: Allow, protocol: TCP, destination: {ports: ['443:80']}}]",
            "void",
            'spec.egress[0].destination.ports[0] is "443:80", must be a number from 1 to 65535, a'
            " range such as '80:90', or a port's name",
            ", or felix cannot read any policy of this kind",
        ),
        (
            "serviceAccountSelector: role =",
            "as-read",
            'spec.serviceAccountSelector is with "=", which nothing can start with, must be a'
            " selector such as app == 'web'",
            ", or it is dropped, and the policy is about more pods",
        ),
        (
            "types: [egress]",
            "refused",
            'spec.types[0] is "egress", must be Ingress or Egress',
            "",
        ),
    ],
)
def test_behind_a_crd_what_the_api_refuses_is_void_or_wider(
    spec: str, native: str, sentence: str, told: str
) -> None:
    for door in DOORS:
        (unknown,) = read(spec, door).unknowns
        assert unknown.consequence == ("refused" if door == "api" else native)
        whole = sentence if door == "api" else f"{sentence}{told}"
        assert f"{_place(unknown.path)} {unknown.reason}" == whole


@pytest.mark.parametrize(
    ("spec", "kind", "consequence", "path"),
    [
        ("selector: ' '", "NetworkPolicy", "void", "spec.selector"),
        (
            "egress: [{action: Deny, destination: {notSelector: ' '}}]",
            "NetworkPolicy",
            "void",
            "spec.egress[0].destination.notSelector",
        ),
        (
            "egress: [{action: Allow, destination: {domains: [a.example]}}]",
            "NetworkPolicy",
            "as-read",
            "spec.egress[0].destination.domains",
        ),
        (
            "egress: [{action: Deny, destination: {services: {name: s}}}]",
            "NetworkPolicy",
            "as-read",
            "spec.egress[0].destination.services.namespace",
        ),
        (
            "egress: [{action: Allow, destination: {serviceAccounts: {}}}]",
            "GlobalNetworkPolicy",
            "as-read",
            "spec.egress[0].destination.serviceAccounts",
        ),
        (
            'egress: [{action: Allow, destination: {serviceAccounts: {names: ["a\'b"]}}}]',
            "GlobalNetworkPolicy",
            "as-read",
            "spec.egress[0].destination.serviceAccounts.names[0]",
        ),
    ],
)
def test_some_things_no_door_refuses(spec: str, kind: str, consequence: str, path: str) -> None:
    for door in DOORS:
        (unknown,) = read(spec, door, kind).unknowns
        assert (unknown.consequence, _place(unknown.path)) == (consequence, path)


def _place(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def test_directions_of_a_policy_that_states_none() -> None:
    specs = ("", "egress: []", "egress: [{action: Allow}]", "ingress: [], egress: []")
    found = {
        door: [{each.direction for each in read(spec, door).isolations} for spec in specs]
        for door in DOORS
    }
    both, ingress, egress = {"ingress", "egress"}, {"ingress"}, {"egress"}
    assert found == {
        "api": [ingress, ingress, egress, ingress],
        "native": [ingress, egress, egress, both],
        "crd": [both] * 4,
    }


def test_a_set_of_networks_catches_the_pods_that_lie_in_it_but_is_nobodys_subject() -> None:
    group = """
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: s, labels: {app: db}}
spec: {nets: [10.0.0.0/24]}
"""
    deny = "egress: [{action: Deny, destination: {selector: app == 'db'}}, {action: Allow}]"
    found = reach(group + policy(f"{WEB_ONLY}, {deny}", "GlobalNetworkPolicy"))
    assert ("red/a[Pod]", "red/b[Pod]") not in found
    # by its own labels a is no db, though its address lies among them
    found = reach(group + policy("selector: app == 'db', types: [Egress]", "GlobalNetworkPolicy"))
    assert found["red/a[Pod]", WORLD] == EVERY_PORT
    assert ("red/b[Pod]", WORLD) not in found


def test_a_set_in_a_namespace_that_is_not_given_is_found_by_its_name() -> None:
    networks = """
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: s, namespace: blue}
spec: {nets: [8.8.8.8/32]}
"""
    where = "namespaceSelector: kubernetes.io/metadata.name == 'blue'"
    rule = f"egress: [{{action: Allow, destination: {{{where}}}}}]"
    assert reach(networks + policy(f"{WEB_ONLY}, {rule}"))["red/a[Pod]", "8.8.8.8-8.8.8.8"]


def test_a_pod_on_the_network_of_its_node_has_no_labels_to_calico() -> None:
    host = POD.replace("labels: {app: db}}", "labels: {app: db}}\nspec: {hostNetwork: true}")
    rule = "egress: [{action: Allow, destination: {selector: app == 'db'}}]"
    nodes = list(objects([host, policy(f"{WEB_ONLY}, {rule}")]))
    found = table(survey(nodes, Question(families=(V4,)), engine=CALICO).connections())
    assert ("red/a[Pod]", "red/b[Pod]") not in found


def test_a_name_without_a_protocol_is_that_of_ports_of_any() -> None:
    ports = "[{name: dns, containerPort: 53, protocol: UDP}, {name: dns, containerPort: 54}]"
    pods = POD.replace(
        "app: db}}", f"app: db}}}}\nspec: {{containers: [{{name: c, ports: {ports}}}]}}"
    )
    rule = "egress: [{action: Allow, destination: {ports: [dns]}}]"
    nodes = objects([pods, policy(f"{WEB_ONLY}, {rule}")])
    found = table(survey(nodes, Question(families=(V4,)), engine=CALICO).connections())
    assert found["red/a[Pod]", "red/b[Pod]"] == "54/TCP 53/UDP"


@pytest.mark.parametrize(
    ("tier", "order", "end"),
    [
        ("name: sec}, spec: {}", 1_000_000, "deny"),
        ("name: sec}, spec: {order: -5, defaultAction: Pass}", -5, "pass"),
        ("name: sec}, spec: {order: 5, defaultAction: Allow}", None, None),
        ("name: default}, spec: {order: 5}", 1_000_000, "deny"),
        ("name: kube-admin}, spec: {order: 1000, defaultAction: Deny}", 1000, "pass"),
    ],
)
def test_tiers_as_the_api_takes_them(tier: str, order: float | None, end: str | None) -> None:
    node = yaml.safe_load(f"{{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {{{tier}}}")
    found = census.take([node]).tiers.get(node["metadata"]["name"])
    assert (found and found.order, found and found.end) == (order, end)


def doubt(pods: str, egress: str) -> Verdict:
    """What is said of the one pod towards the other under this one rule."""
    nodes = objects([pods, policy(f"{WEB_ONLY}, egress: [{egress}]")])
    found = survey(nodes, Question(families=(V4,)), engine=CALICO)
    ends = ("red/a[Pod]", "red/b[Pod]")
    return next(c.verdict for c in found.connections() if (str(c.source), str(c.target)) == ends)


def test_a_pod_of_unknown_address_may_lie_in_a_network() -> None:
    pods = POD.replace("status: {podIPs: [{ip: 10.0.0.2}]}", "")
    verdict = doubt(pods, "{action: Allow, destination: {nets: [10.0.0.0/8]}}")
    assert verdict == Verdict(Ports.empty(), Ports.full())


def test_ports_of_the_source_leave_a_rule_undecided() -> None:
    verdict = doubt(POD, "{action: Allow, protocol: TCP, source: {ports: [53]}}")
    assert verdict == Verdict(Ports.empty(), Ports.every("TCP"))
