"""What real clusters do with Cilium's own test policies: its connectivity tests, transcribed.

A row that ends above the port (a refused request, a wrong server name) is met by what the port
asks: `l7` of the rule that allows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rules.netpol import census
from rules.netpol.engine import Engine
from rules.netpol.engines import engine_of
from rules.netpol.inventory import NOWHERE, End, Inventory, Namespace, Pod, PodEnd
from rules.netpol.languages import translate
from rules.netpol.model import L7, Grant
from rules.netpol.peers import Entity, Fqdn, Networks
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses, Ports
from rules.netpol.sides import Side
from tests.corpora import corpus

NAME = "cilium-connectivity"
ROWS, TEMPLATES = 19, 89
CILIUM: Engine = engine_of("cilium")
_PLACEHOLDER = re.compile(r"{{-? *(?:trimSuffix)? *\.(\w+)[^}]*}}")
_VALUES = {
    "ExternalTarget": "one.one.one.one",
    "ExternalOtherTarget": "k8s.io",
    "ExternalIPv4": "1.1.1.1",
    "ExternalOtherIPv4": "1.0.0.1",
    "ExternalIPv6": "2606:4700:4700::1111",
    "ExternalOtherIPv6": "2606:4700:4700::1001",
    "ExternalCIDRv4": "1.0.0.0/8",
    "ExternalCIDRv6": "2606:4700::/32",
    "TestNamespace": "cilium-test",
    "ClusterNameLocal": "default",
    "ClusterNameRemote": "other",
    "ExternalTargetCANamespace": "cilium-test",
    "ExternalTargetCAName": "ca",
}
TEST = "cilium-test"


def pod(labels: dict[str, str], namespace: str = TEST) -> PodEnd:
    return PodEnd(Pod(Namespace(namespace), "pod", labels=labels), NOWHERE)


CLIENT, OTHER = pod({"kind": "client"}), pod({"kind": "client", "other": "client"})
ECHO = pod({"kind": "echo"})
TARGET, OTHER_TARGET = Fqdn("one.one.one.one"), Fqdn("k8s.io")
INSIDE, EXCEPTED = (Networks(Addresses.between(ip, ip)) for ip in ("1.1.1.1", "1.0.0.1"))
WORLD = Networks(Addresses.cidr("8.8.8.8/32"))
ANY = "1-65535/TCP 1-65535/UDP 1-65535/SCTP"
ECHO_DENIED = "1-8079,8081-65535/TCP 1-65535/UDP 1-65535/SCTP"


def objects(names: str) -> Iterator[Any]:
    for name in names.split("+"):
        template = (corpus(NAME) / "manifests" / f"{name}.yaml").read_text()
        text = _PLACEHOLDER.sub(_filled, template)
        yield from (each for each in yaml.safe_load_all(text) if each)


def _filled(found: re.Match[str]) -> str:
    value = _VALUES[found[1]]
    if "ipToCIDR" not in found[0]:
        return value
    return f"{value}/{128 if ':' in value else 32}"


def side(names: str, subject: PodEnd) -> Side:
    """What the templates say of a pod; each of them is valid."""
    nodes = list(objects(names))
    policies = [policy for node in nodes for policy in translate(node, namespace=TEST)]
    assert policies
    assert all(policy.counts for policy in policies)
    inventory = Inventory(cidr_groups=census.take(nodes).cidr_groups)
    return Network.of(CILIUM, inventory, policies).side(subject, "egress")


def rows() -> set[str]:
    lines = (corpus(NAME) / "expected.tsv").read_text().splitlines()
    return {line.split("\t")[0].partition(" ")[0] for line in lines if not line.startswith("#")}


EXPECTED: list[tuple[str, PodEnd, End, str, str]] = [
    ("client-egress-to-entities-world-port-range", CLIENT, WORLD, "80/TCP", "80/TCP"),
    ("client-egress-to-fqdns+client-egress-only-dns", CLIENT, TARGET, "80,443/TCP", "80/TCP"),
    ("client-egress-to-fqdns+client-egress-only-dns", CLIENT, OTHER_TARGET, "80/TCP", "none"),
    ("client-egress-l7-http+client-egress-only-dns", OTHER, TARGET, "80,443/TCP", "80/TCP"),
    ("client-egress-l7-http+client-egress-only-dns", CLIENT, TARGET, "80/TCP", "none"),
    ("deny-all-egress", CLIENT, ECHO, ANY, "none"),
    ("deny-all-egress", CLIENT, WORLD, ANY, "none"),
    ("deny-all-egress-knp", CLIENT, ECHO, ANY, "none"),
    ("deny-all-egress-knp", CLIENT, WORLD, ANY, "none"),
    ("deny-all-entities", CLIENT, ECHO, ANY, "none"),
    ("deny-all-entities", CLIENT, INSIDE, ANY, "none"),
    ("client-egress-to-cidr-external", CLIENT, INSIDE, "80,443/TCP", "80,443/TCP"),
    ("client-egress-to-cidr-external", CLIENT, EXCEPTED, "80,443/TCP", "none"),
    ("allow-all-egress+client-egress-to-echo-deny", CLIENT, ECHO, ANY, ECHO_DENIED),
    ("allow-all-egress+client-egress-to-cidrgroup-external-deny", CLIENT, EXCEPTED, ANY, "none"),
    ("allow-all-egress+client-egress-to-cidrgroup-external-deny", CLIENT, INSIDE, ANY, ANY),
    ("allow-host-entity-egress", CLIENT, Entity("host"), ANY, ANY),
    (
        "allow-egress-specific-ns-ccnp",
        pod({"kind": "ccnp"}, "cilium-test-ccnp1"),
        pod({}, "cilium-test-ccnp2"),
        ANY,
        ANY,
    ),
]
ABOVE: list[tuple[str, str, L7]] = [
    ("client-egress-tls-sni-other+client-egress-only-dns", "443/TCP", L7.TLS_SNI),
    ("client-egress-l7-tls+client-egress-only-dns", "443/TCP", L7.TLS_BRIDGED),
    ("client-egress-l7-http+client-egress-only-dns", "80/TCP", L7.HTTP_CLEAR),
]


@pytest.mark.parametrize(("names", "subject", "end", "asked", "passes"), EXPECTED)
def test_what_passes(names: str, subject: PodEnd, end: End, asked: str, passes: str) -> None:
    verdict = side(names, subject).verdict(end)
    assert not verdict.unknown
    assert verdict.allowed & Ports.parse(asked) == Ports.parse(passes)


@pytest.mark.parametrize(("names", "port", "asked"), ABOVE)
def test_what_is_asked_above_the_port(names: str, port: str, asked: L7) -> None:
    steps = side(names, OTHER).steps(TARGET)
    causes = [step.cause for step in steps if step.ports & Ports.parse(port)]
    assert {each.l7 for each in causes if isinstance(each, Grant)} == {asked}


def test_every_row_is_asked() -> None:
    lines = (corpus(NAME) / "expected.tsv").read_text().splitlines()
    assert len(lines) - 1 == ROWS
    assert rows() == {each[0] for each in EXPECTED} | {each[0] for each in ABOVE}


def test_every_template_is_valid() -> None:
    """All of them are applied to real clusters; some templates are more than placeholders."""
    read = 0
    for file in sorted((corpus(NAME) / "manifests").glob("*.yaml")):
        try:
            nodes = list(objects(file.stem))
        except (KeyError, yaml.YAMLError):
            continue
        for policy in (policy for node in nodes for policy in translate(node)):
            assert policy.counts, (file.stem, policy.unknowns)
            read += 1
    assert read == TEMPLATES
