"""Cilium by hand: what the corpora do not tell apart, and the cases of the specification."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules.netpol import census
from rules.netpol.dialects.cilium.names import normal
from rules.netpol.dialects.cilium.ports import number
from rules.netpol.engine import Conflict
from rules.netpol.engines import engine_of
from rules.netpol.inventory import NOWHERE, End, Namespace, Pod, PodEnd, PortName
from rules.netpol.languages import translate
from rules.netpol.model import L7, Direction, Grant, Policy
from rules.netpol.names import covers
from rules.netpol.outside import Shortlist
from rules.netpol.peers import Entity, Fqdn, Networks
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses
from rules.netpol.sides import Side

RED = Namespace("red", {"kubernetes.io/metadata.name": "red", "team": "a"})
BLUE = Namespace("blue", {"kubernetes.io/metadata.name": "blue", "team": "b"})
SYSTEM = Namespace("kube-system", {"kubernetes.io/metadata.name": "kube-system"})


def pod(namespace: Namespace, *names: PortName, node: bool = False, **labels: str) -> PodEnd:
    made = Pod(namespace, "pod", labels=labels, ports=names, host_network=node)
    return PodEnd(made, NOWHERE)


WEB, DB, FOREIGN = pod(RED, app="web"), pod(RED, app="db", env="prod"), pod(BLUE, app="db")
DNS = PodEnd(Pod(SYSTEM, "dns", labels={"k8s-app": "kube-dns"}), NOWHERE)
WORLD, CORPORATE = (Networks(Addresses.between(ip, ip)) for ip in ("8.8.8.8", "10.1.2.3"))
HOST, SERVER, INGRESS = map(Entity, ("host", "kube-apiserver", "ingress"))
ENDS: dict[str, End] = {
    "own": DB,
    "foreign": FOREIGN,
    "dns": DNS,
    "world": WORLD,
    "host": HOST,
    "node": Entity("remote-node"),
    "server": SERVER,
    "ingress": INGRESS,
}
EVERY = "1-65535/TCP 1-65535/UDP 1-65535/SCTP"
HTTP = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"


def policy(spec: str, *, name: str = "p", kind: str = "CiliumNetworkPolicy") -> str:
    return (
        f"{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: {name}, namespace: red}}, "
        f"spec: {{endpointSelector: {{}}, {spec}}}}}"
    )


def clusterwide(spec: str, *, name: str = "w") -> str:
    return policy(spec, name=name, kind="CiliumClusterwideNetworkPolicy")


def network(*texts: str, version: str = "1.20") -> Network:
    nodes = [yaml.safe_load(text) for text in texts]
    policies = [each for node in nodes for each in translate(node)]
    return Network.of(engine_of("cilium", version), census.take(nodes), policies)


def side(*texts: str, of: PodEnd = WEB, towards: Direction = "egress", **more: str) -> Side:
    return network(*texts, **more).side(of, towards)


def allowed(side: Side, end: End) -> str:
    verdict = side.verdict(end)
    return "unknown" if verdict.unknown else str(verdict.allowed)


def reached(*texts: str, **more: Any) -> dict[str, str]:
    """What passes to each of ENDS, without those to which nothing does."""
    found = {name: allowed(side(*texts, **more), end) for name, end in ENDS.items()}
    return {name: ports for name, ports in found.items() if ports != "none"}


def everything(ports: str) -> dict[str, str]:
    return dict.fromkeys(ENDS, ports)


def read(text: str) -> tuple[Policy, ...]:
    return translate(yaml.safe_load(text))


def egress(rule: str) -> str:
    return policy(f"egress: [{rule}]")


# Rules without peers or ports, isolation.


def test_t21_t22_an_empty_rule_isolates_and_a_list_without_rules_is_void() -> None:
    assert reached(egress("{}")) == {}
    assert not read(policy("egress: []"))[0].counts
    assert reached(policy("egress: []")) == everything(EVERY)


def test_t23_ports_alone_are_about_everybody() -> None:
    assert reached(egress(f"{{{HTTP}}}")) == everything("80/TCP")


@pytest.mark.parametrize("port", ["'0'", "'00'", "'0', endPort: 80"])
def test_t38_port_0_is_any(port: str) -> None:
    assert reached(egress(f"{{toPorts: [{{ports: [{{port: {port}}}]}}]}}")) == everything(EVERY)


def test_t39_an_empty_member_is_about_nobody() -> None:
    assert reached(egress(f"{{toEndpoints: [], {HTTP}}}")) == {}
    assert reached(egress(f"{{toFQDNs: [], {HTTP}}}")) == everything("80/TCP")


def test_t42_t43_denial_comes_first_and_isolates() -> None:
    deny = f"egressDeny: [{{toEntities: [world], {HTTP}}}]"
    rest = "1-79,81-65535/TCP 1-65535/UDP 1-65535/SCTP"
    assert reached(policy(f"egress: [{{toEntities: [world]}}], {deny}")) == {"world": rest}
    assert reached(policy(deny)) == {}
    open_ = reached(policy(f"{deny}, enableDefaultDeny: {{egress: false}}"))
    assert open_ == everything(EVERY) | {"world": rest}


def test_t45_specs_count_besides_spec() -> None:
    text = policy("egress: [{}]").removesuffix("}")
    second = f"{{endpointSelector: {{}}, egress: [{{toEntities: [world], {HTTP}}}]}}"
    assert reached(f"{text}, specs: [{second}]}}") == {"world": "80/TCP"}


def test_the_own_node_is_let_in_unless_it_is_denied() -> None:
    closed = policy("ingress: [{}]")
    assert reached(closed, towards="ingress") == {"host": EVERY}
    denied = policy("ingress: [{}], ingressDeny: [{fromEntities: [host]}]")
    assert reached(denied, towards="ingress") == {}


# Peers.


def test_t25_t26_entities() -> None:
    assert reached(egress("{toEntities: [all]}")) == everything(EVERY)
    cluster = everything(EVERY)
    del cluster["world"]
    assert reached(egress("{toEntities: [cluster]}")) == cluster
    assert reached(egress("{toEntities: [world]}")) == {"world": EVERY}
    assert reached(egress("{toEntities: [none]}")) == {}


def test_t41_clusterwide_selectors_are_about_the_pods_of_all_namespaces() -> None:
    text = clusterwide("egress: [{toEndpoints: [{}]}]")
    assert set(reached(text)) == {"own", "foreign", "dns"}
    assert set(reached(egress("{toEndpoints: [{}]}"))) == {"own"}


def test_labels_of_namespaces_lift_the_limit_to_the_own_one() -> None:
    key = "io.cilium.k8s.namespace.labels.team"
    assert set(reached(egress(f"{{toEndpoints: [{{matchLabels: {{{key}: b}}}}]}}"))) == {"foreign"}


def test_a_selector_of_negations_alone_opens_every_pod_but_denies_as_written() -> None:
    lacking = "matchExpressions: [{key: 'reserved:host', operator: DoesNotExist}, "
    text = f"[{{toEndpoints: [{{{lacking}{{key: env, operator: NotIn, values: [prod]}}]}}]}}]"
    assert "own" in reached(policy(f"egress: {text}"))
    both = policy(f"egress: [{{toEntities: [all]}}], egressDeny: {text}")
    assert set(reached(both)) == {"own", "host"}


def test_labels_that_pods_forge_or_that_are_no_identity_do_not_count() -> None:
    forged = PodEnd(
        Pod(
            BLUE,
            "forged",
            labels={
                "io.kubernetes.pod.namespace": "red",
                "io.cilium.k8s.namespace.labels.team": "a",
                "pod-template-hash": "1",
            },
        ),
        NOWHERE,
    )
    for key, value in forged.pod.labels.items():
        text = clusterwide(f"egress: [{{toEndpoints: [{{matchLabels: {{{key}: '{value}'}}}}]}}]")
        assert allowed(side(text), forged) == "none", key


def test_t46_t47_an_exception_counts_for_its_own_entry() -> None:
    assert reached(egress("{toCIDRSet: [{cidr: 0.0.0.0/0, except: [0.0.0.0/0]}]}")) == {}
    two = "{cidr: 0.0.0.0/0, except: [8.0.0.0/8]}, {cidr: 8.0.0.0/8}"
    assert set(reached(egress(f"{{toCIDRSet: [{two}]}}"))) == {"world"}


GROUP = """{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup,
metadata: {name: g, labels: {who: us}}, spec: {externalCIDRs: [8.0.0.0/8]}}"""


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("cidrGroupRef: g", EVERY),
        ("cidrGroupRef: g, except: [8.8.0.0/16]", "none"),
        ("cidrGroupRef: absent", "unknown"),
        ("cidrGroupSelector: {matchLabels: {who: us}}", EVERY),
        ("cidrGroupSelector: {matchLabels: {who: them}}", "none"),
    ],
)
def test_groups_of_networks(entry: str, expected: str) -> None:
    found = side(egress(f"{{toCIDRSet: [{{{entry}}}]}}"), GROUP)
    assert allowed(found, WORLD) == expected
    assert allowed(found, CORPORATE) == ("unknown" if "absent" in entry else "none")
    assert allowed(found, DB) == allowed(found, HOST) == "none"


SERVICE = """{apiVersion: v1, kind: Service, metadata: {name: s, namespace: red, labels: {a: b}},
spec: {selector: {app: db}}}"""
MANUAL = "{apiVersion: v1, kind: Service, metadata: {name: m, namespace: red}, spec: {}}"
SLICE = """{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice,
endpoints: [{addresses: [8.8.8.8]}],
metadata: {name: m-1, namespace: red, labels: {kubernetes.io/service-name: m}}}"""


@pytest.mark.parametrize(
    ("service", "ends"),
    [
        ("k8sService: {serviceName: s, namespace: red}", {"own"}),
        ("k8sService: {serviceName: s}", {"own"}),
        ("k8sServiceSelector: {selector: {matchLabels: {a: b}}}", {"own"}),
        ("k8sService: {serviceName: m, namespace: red}", {"world"}),
        ("k8sService: {serviceName: s, namespace: blue}", set(ENDS)),
        ("k8sService: {serviceName: typo, namespace: red}", set(ENDS)),
    ],
)
def test_t49_services_and_what_no_service_of_that_name_opens(service: str, ends: set[str]) -> None:
    rule = f"toServices: [{{{service}}}]"
    given = SERVICE, MANUAL, SLICE
    assert set(reached(egress(f"{{{rule}, {HTTP}}}"), *given)) == ends
    bare = reached(egress(f"{{{rule}}}"), *given)
    assert set(bare) == (set() if ends == set(ENDS) else ends)


def test_a_pod_on_the_network_of_its_node_is_a_node() -> None:
    agent = pod(RED, node=True, app="db")
    assert allowed(side(egress("{toEndpoints: [{}]}")), agent) == "none"
    assert allowed(side(egress("{toEntities: [cluster]}")), agent) == EVERY
    assert allowed(side(egress("{toEntities: [host]}")), agent) == "unknown"


# Names.


def names(*texts: str) -> dict[str, str]:
    """What passes to some names, under D1 and D2."""
    asked = ("google.com", "www.google.com", "a.b.google.com", "httpbin.org")
    found = side(*texts, of=pod(RED, app="sleep"))
    passing = {name: allowed(found, Fqdn(name)) for name in asked}
    return {name: ports for name, ports in passing.items() if ports != "none"}


def test_d1_d2_names() -> None:
    one = '{matchPattern: "*.google.com"}'
    assert names(egress(f"{{toFQDNs: [{one}]}}")) == {"www.google.com": EVERY}
    ports = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"
    both = names(egress(f"{{toFQDNs: [{{matchName: Google.com.}}, {one}], {ports}}}"))
    assert both == dict.fromkeys(("google.com", "www.google.com"), "443/TCP")


def test_a_name_loses_only_what_is_denied_to_every_outside_address() -> None:
    allow = "egress: [{toFQDNs: [{matchName: a.com}]}], egressDeny: "
    for denied, expected in (
        ("[{toCIDR: [8.0.0.0/8]}]", EVERY),
        ("[{toCIDR: [0.0.0.0/1, 128.0.0.0/1]}]", "none"),
        ("[{toEntities: [world]}]", "none"),
        ("[{}]", EVERY),
    ):
        assert allowed(side(policy(f"{allow}{denied}")), Fqdn("a.com")) == expected, denied


def test_d3_rules_on_names_close_no_address() -> None:
    dns = "ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchPattern: '*.corp.example'}]}"
    kube = "toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}]"
    world = policy(f"egress: [{{toCIDR: [0.0.0.0/0], {HTTP}}}]", name="to-the-world")
    found = reached(egress(f"{{{kube}, toPorts: [{{{dns}}}]}}"), world)
    assert found == {"dns": "53/TCP 53/UDP 53/SCTP", "world": "80/TCP"}


@pytest.mark.parametrize(
    ("written", "is_"),
    [
        ("A.Example.Com.", "a.example.com"),
        ("*", "*"),
        ("***.", "*"),
        ("*.", "*"),
        ("**.com", "**.com"),
        ("****.com", "**.com"),
        ("a**b.com", "a*b.com"),
        ("**a.com", "*a.com"),
    ],
)
def test_patterns_are_written_in_one_way(written: str, is_: str) -> None:
    assert normal(written) == is_


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        ("*", "**.com", True),
        ("*.com", "a.com", True),
        ("*.com", "a.b.com", False),
        ("*.com", "*.com", True),
        ("*.com", "**.com", False),
        ("**.com", "*.com", True),
        ("**.com", "a.b.com", True),
        ("**.com", "**.b.com", True),
        ("**.com", "com", False),
        ("a*.com", "ab*.com", True),
        ("ab*.com", "a*.com", False),
        ("a.com", "*", False),
    ],
)
def test_which_patterns_hold_which(wide: str, narrow: str, *, holds: bool) -> None:
    assert covers(wide, narrow) is holds


# Ports.


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("80", 80),
        ("0120", 80),
        ("0_120", 80),
        ("8_0", 80),
        ("00", 0),
        ("0o17", 15),
        ("0b_11", 3),
        ("0x0000000000000050", 80),
        ("080", None),
        ("_80", None),
        ("80_", None),
        ("8__0", None),
        ("80 ", None),
        ("", None),
        ("99999999999999999999", 65536),
    ],
)
def test_numbers_are_read_as_go_reads_them(text: str, is_: int | None) -> None:
    assert number(text) == is_


def test_names_of_ports_are_the_destinations_own() -> None:
    named = pod(RED, PortName("http", "TCP", 8080), app="db")
    found = side(egress("{toPorts: [{ports: [{port: HTTP}]}]}"))
    assert allowed(found, named) == "8080/TCP"
    assert allowed(found, WORLD) == allowed(found, DB) == "none"


def test_t18_ranges_of_network_policies_are_older_than_1_17() -> None:
    text = """{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy,
metadata: {name: p, namespace: red}, spec: {podSelector: {}, policyTypes: [Egress],
egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80, endPort: 90}]}]}}"""
    assert reached(text) == {"world": "80-90/TCP"}
    assert reached(text, version="1.16") == {"world": "80/TCP"}


def test_rules_on_icmp_open_no_port() -> None:
    icmp = "icmps: [{fields: [{type: 8, family: IPv4}]}]"
    assert reached(egress(f"{{toEntities: [all], {icmp}}}")) == {}


# What is asked above the port.


@pytest.mark.parametrize(
    ("asked", "is_"),
    [
        ("rules: {http: [{}]}", L7.HTTP_CLEAR),
        ("rules: {http: []}", L7.NONE),
        ("rules: {dns: [{matchPattern: '*'}]}", L7.DNS),
        ("serverNames: [a.com]", L7.TLS_SNI),
        ("originatingTLS: {secret: {name: s}}", L7.NONE),
        ("originatingTLS: {secret: {name: s}}, rules: {http: [{}]}", L7.HTTP_CLEAR),
        ("terminatingTLS: {secret: {name: s}}", L7.TLS_TERMINATED),
        (
            "terminatingTLS: {secret: {name: s}}, originatingTLS: {secret: {name: o}}, "
            "rules: {http: [{}]}",
            L7.TLS_BRIDGED,
        ),
        ("listener: {name: l, envoyConfig: {name: e}}", L7.OPAQUE),
    ],
)
def test_t33_to_t37_what_rules_and_tls_blocks_come_to(asked: str, is_: L7) -> None:
    item = f"{{ports: [{{port: '80', protocol: TCP}}], {asked}}}"
    (found,) = read(egress(f"{{toEntities: [world], toPorts: [{item}]}}"))
    assert found.counts, found.unknowns
    assert [grant.l7 for grant in found.grants] == [is_]


# Policies that cannot be merged.


def conflicts(*asked: str, any_order: bool = False) -> list[Conflict]:
    texts = (
        policy(
            "egress: [{toEntities: [world], toPorts: "
            f"[{{ports: [{{port: '443', protocol: TCP}}], {each}}}]}}]",
            name=f"p{number}",
        )
        for number, each in enumerate(asked)
    )
    grants: list[Grant] = list(side(*texts).grants())
    return list(engine_of("cilium").conflicts(grants, any_order=any_order))


def test_what_can_be_merged_in_one_order_alone_is_a_conflict_of_some_order() -> None:
    asked = "serverNames: [a.com]", "rules: {http: [{}]}"
    assert conflicts(*asked) == []
    found = conflicts(*asked, any_order=True)
    assert {each.origin.name for each in found} == {"p0"}
    assert "cannot be merged with HTTP rules" in found[0].reason
    assert conflicts(*reversed(asked)) == conflicts(*reversed(asked), any_order=True) != []
    assert conflicts("serverNames: [a.com]", "serverNames: [b.com]", any_order=True) == []


@pytest.mark.parametrize(
    "asked",
    [
        ("rules: {http: [{}]}", "rules: {dns: [{matchPattern: '*'}]}"),
        ("rules: {dns: [{matchPattern: '*'}]}", "serverNames: [a.com]"),
        ("listener: {name: l, envoyConfig: {name: e}}", "serverNames: [a.com]"),
        ("terminatingTLS: {secret: {name: s}}", "terminatingTLS: {secret: {name: t}}"),
        ("rules: {http: [{}]}", "serverNames: [a.com]"),
        ("serverNames: [a.com]", "rules: {http: [{}]}", "serverNames: [b.com]"),
    ],
)
def test_what_cannot_be_merged_is_said_of_the_later_policy(asked: tuple[str, ...]) -> None:
    found = conflicts(*asked)
    assert [each.origin.name for each in found] == [f"p{len(asked) - 1}"]
    assert "cannot be merged" in found[0].reason


@pytest.mark.parametrize(
    "asked",
    [
        ("serverNames: [a.com]", "rules: {http: [{}]}"),
        ("serverNames: [a.com]", "serverNames: [b.com]"),
        ("rules: {http: [{}]}", "rules: {http: [{method: GET}]}"),
        ("rules: {http: [{}]}", "terminatingTLS: {secret: {name: s}}"),
    ],
)
def test_what_can_be_merged(asked: tuple[str, ...]) -> None:
    assert conflicts(*asked) == []


# Other languages, as Cilium reads them.


CLUSTER = """{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy,
metadata: {{name: c}}, spec: {{tier: {tier}, priority: 1, subject: {{namespaces: {{}}}},
egress: [{{action: {action}, to: [{to}]}}]}}}}"""


def test_t62_a_baseline_accept_reopens_what_policies_closed() -> None:
    closed = """{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy,
metadata: {name: p, namespace: red}, spec: {podSelector: {}, policyTypes: [Egress]}}"""
    accept = CLUSTER.format(tier="Baseline", action="Accept", to="{networks: [0.0.0.0/0]}")
    assert reached(closed, accept) == {"world": EVERY}


def test_namespaces_that_lack_a_label_hold_the_world_too() -> None:
    lacking = "{namespaces: {matchExpressions: [{key: team, operator: DoesNotExist}]}}"
    deny = CLUSTER.format(tier="Admin", action="Deny", to=lacking)
    assert set(reached(deny)) == {"own", "foreign"}
    every = CLUSTER.format(tier="Admin", action="Deny", to="{namespaces: {}}")
    assert set(reached(every)) == set(ENDS) - {"own", "foreign", "dns"}


@pytest.mark.parametrize(
    ("action", "to"),
    [("Accept", "{nodes: {}}"), ("Deny", "{domainNames: [a.com]}")],
)
def test_nodes_and_denied_names_void_the_object(action: str, to: str) -> None:
    text = CLUSTER.format(tier="Admin", action=action, to=to)
    assert reached(text, egress("{}")) == {}
    (found,) = map(engine_of("cilium").reads, read(text))
    assert [each.consequence for each in found.unknowns] == ["void"]


def test_accepted_names_open_dns() -> None:
    text = CLUSTER.format(tier="Admin", action="Accept", to='{domainNames: ["*.a.com"]}')
    dns = PodEnd(
        Pod(SYSTEM, "d", labels={"k8s-app": "kube-dns"}, ports=(PortName("dns", "UDP", 53),)),
        NOWHERE,
    )
    found = side(text, egress("{}"))
    assert allowed(found, dns) == "53/UDP"
    assert allowed(found, Fqdn("x.y.a.com")) == EVERY


@pytest.mark.parametrize("name", ["a.com", "b.com", "*.com", "x.b.com", "*"])
def test_a_name_is_answered_by_few_rules_as_by_all(name: str) -> None:
    port = "toPorts: [{ports: [{port: '%d', protocol: TCP}]}]"
    rules = (
        f"{{toFQDNs: [{{matchName: a.com}}, {{matchName: b.com}}], {port % 1}}}",
        f"{{toFQDNs: [{{matchPattern: '*.com'}}], {port % 2}}}",
        f"{{toFQDNs: [{{matchName: b.com}}, {{matchPattern: '*.b.com'}}], {port % 3}}}",
        f"{{toEntities: [world], {port % 4}}}",
        f"{{toCIDR: [0.0.0.0/0], {port % 5}}}",
        f"{{toCIDR: [192.0.2.0/24], {port % 6}}}",
    )
    denied = (
        f"egressDeny: [{{toEntities: [world], {port % 4}}}, {{toCIDR: [0.0.0.0/1], {port % 2}}}]"
    )
    whole = side(policy(f"egress: [{', '.join(rules)}], {denied}"))
    assert Shortlist(whole).near(Fqdn(name)).verdict(Fqdn(name)) == whole.verdict(Fqdn(name))
