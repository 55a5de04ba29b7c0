"""What changes of sets of networks and of tiers do to the policies that name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from rules.model import JSON
from rules.review import Cluster
from rules.site import Network, Site
from rules.threats import Threats, parse
from tests.examples import RULES, kind_of, rulebook
from tests.reviews import ask, written
from webhook.codec import decode
from webhook.judge import judge

CALICO = Network(engine="calico", enforced=("projectcalico.org/*",))
ENTERPRISE = Network(engine="calico", calico="enterprise", enforced=("projectcalico.org/*",))
CILIUM = Network(engine="cilium")
THREATS = Threats.of([parse("203.0.113.0/24"), parse("c2.bad.example")])
SETS = [rule for rule in RULES if rule.check.__module__.startswith("rules.catalog.network.")]
POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: t, labels: {app: web}}}"


def calico(rule: str, more: str = "") -> str:
    return (
        "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p}, "
        f"spec: {{types: [Egress], egress: [{rule}]{more}}}}}"
    )


def to_set(port: int, action: str = "Allow") -> str:
    end = f"{{selector: color == 'red', ports: [{port}]}}"
    return f"{{action: {action}, protocol: TCP, destination: {end}}}"


def a_set(nets: str, color: str = "red", names: str = "") -> str:
    return (
        "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: s, labels: "
        f"{{color: {color}}}}}, spec: {{nets: [{nets}], allowedEgressDomains: [{names}]}}}}"
    )


def cilium(port: int, section: str = "egress") -> str:
    ports = f"toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}]}}]"
    rule = f"{{toCIDRSet: [{{cidrGroupRef: g}}], {ports}}}"
    return (
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: t}, "
        f"spec: {{endpointSelector: {{}}, egress: [{{}}], {section}: [{rule}]}}}}"
    )


def a_group(cidrs: str) -> str:
    return (
        "{apiVersion: cilium.io/v2alpha1, kind: CiliumCIDRGroup, metadata: {name: g}, "
        f"spec: {{externalCIDRs: [{cidrs}]}}}}"
    )


def tier(rest: str) -> str:
    head = "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec}, spec: "
    return f"{head}{{{rest}}}}}"


def said(
    new: str = "", old: str = "", beside: tuple[str, ...] = (POD,), network: Network = CALICO
) -> dict[str, tuple[str, str]]:
    """Level and place of what rules say, by check, of an object in the place of another."""
    value, former = yaml.safe_load(new or "null"), yaml.safe_load(old or "null")
    kind = kind_of(value or former)
    metadata = (value or former)["metadata"]
    asked = ask(
        value,
        kind,
        operation="UPDATE" if new and old else "CREATE" if new else "DELETE",
        old=former,
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
    )
    stored: list[JSON] = [yaml.safe_load(each) for each in (*beside, *filter(None, [old]))]
    cluster = Cluster.of(stored, Site(network=network, threats=THREATS))
    rules = [rule for rule in SETS if kind in rule.kinds]
    found = judge(decode(written(asked), phases=("final",)), rulebook(*rules), cluster).findings
    assert not [finding for finding in found if finding.error]
    return {each.check: (each.level, _shown(each.path)) for each in found}


def _shown(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


OPENS = {
    "PLAIN-HTTP": ("deny", "spec.nets.1"),
    "OPENED": ("warn", "spec"),
}


@pytest.mark.parametrize(
    ("new", "old", "port", "told"),
    [
        ("198.51.100.0/24", "198.51.100.0/24", 80, {}),
        ("198.51.100.0/24, 192.0.2.0/24", "198.51.100.0/24", 80, OPENS),
        ("198.51.100.0/24, 192.0.2.0/24", "198.51.100.0/24", 443, {"OPENED": ("warn", "spec")}),
        ("10.0.0.1/32, 10.0.0.0/8", "10.0.0.1/32", 80, {
            "PLAIN-HTTP": ("warn", "spec.nets.1"), "OPENED": ("warn", "spec"),
        }),
        ("198.51.100.0/24", "198.51.100.0/24, 192.0.2.0/24", 80, {"CLOSED": ("warn", "spec")}),
        ("169.254.169.254/32", "198.51.100.0/24", 80, {
            "IMDS": ("deny", "spec.nets.0"), "OPENED": ("warn", "spec"),
        }),
        ("203.0.113.7/32", "198.51.100.0/24", 443, {
            "THREAT-LIST": ("deny", "spec.nets.0"), "OPENED": ("warn", "spec"),
        }),
    ],
)  # fmt: skip
def test_a_set_of_calico_is_judged_by_what_it_opens(
    new: str, old: str, port: int, told: Mapping[str, tuple[str, str]]
) -> None:
    assert said(a_set(new), a_set(old), (POD, calico(to_set(port)))) == told


def test_a_set_that_nobody_allows_opens_nothing() -> None:
    bad = a_set("203.0.113.7/32, 169.254.169.254/32, 192.0.2.0/24")
    assert not said(bad)
    assert not said(bad, beside=(POD, calico(to_set(80, "Deny") + ", {action: Deny}")))
    assert not said(bad, beside=(POD, calico(to_set(80).replace("red", "blue"))))
    assert not said(bad, beside=(POD, calico(to_set(80))), network=CILIUM), "nobody enforces it"


def test_a_set_opens_when_its_labels_come_to_be_selected() -> None:
    told = said(a_set("192.0.2.0/24"), a_set("192.0.2.0/24", "blue"), (POD, calico(to_set(80))))
    assert told == {"PLAIN-HTTP": ("deny", "spec.nets.0"), "OPENED": ("warn", "spec")}


def test_a_set_by_which_a_rule_denies_opens_when_it_goes() -> None:
    policy = calico(f"{to_set(443, 'Deny')}, {{action: Allow, protocol: TCP}}")
    assert said(old=a_set("192.0.2.0/24"), beside=(POD, policy)) == {"OPENED": ("warn", "")}


def test_policies_without_pods_count_too() -> None:
    assert said(a_set("192.0.2.0/24"), beside=(calico(to_set(80)),)) == {
        "PLAIN-HTTP": ("deny", "spec.nets.0")
    }


def test_those_of_the_platform_alone_do_not() -> None:
    own = "namespaceSelector: kubernetes.io/metadata.name == 'kube-system'"
    assert not said(a_set("192.0.2.0/24"), beside=(calico(to_set(80), f", {own}"),))


def test_names_of_a_set_count_under_enterprise() -> None:
    names = a_set("", names="a.example, c2.bad.example, '*.com'")
    told = said(names, a_set(""), (POD, calico(to_set(80))), ENTERPRISE)
    assert told["THREAT-LIST"] == ("deny", "spec.allowedEgressDomains.1")
    assert told["PLAIN-HTTP"] == ("deny", "spec.allowedEgressDomains.0")
    assert told["FQDN-WILDCARD"] == ("warn", "spec.allowedEgressDomains.2")
    assert not said(names, a_set(""), (POD, calico(to_set(80))))


@pytest.mark.parametrize(
    ("new", "old", "port", "told"),
    [
        ("192.0.2.0/24", "198.51.100.0/24", 80, {
            "PLAIN-HTTP": ("deny", "spec.externalCIDRs.0"), "OPENED": ("warn", "spec"),
        }),
        ("192.0.2.0/24", "", 443, {"OPENED": ("warn", "spec")}),
        ("168.63.129.16/32", "", 80, {
            "IMDS": ("deny", "spec.externalCIDRs.0"), "OPENED": ("warn", "spec"),
        }),
        ("203.0.113.0/25", "", 443, {
            "THREAT-LIST": ("deny", "spec.externalCIDRs.0"), "OPENED": ("warn", "spec"),
        }),
    ],
)  # fmt: skip
def test_a_group_of_cidrs_is_judged_by_what_it_opens(
    new: str, old: str, port: int, told: Mapping[str, tuple[str, str]]
) -> None:
    assert said(a_group(new), a_group(old), (POD, cilium(port)), CILIUM) == told
    assert not said(
        a_group(new), a_group(old), (POD, cilium(port, "egressDeny")), CILIUM
    ).keys() - {"CLOSED"}


TIERED = calico("", ", tier: sec")


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("order: 5, defaultAction: Deny", {}),
        ("order: 5, defaultAction: Pass", {"LAST-ISOLATION": ("deny", "spec")}),
    ],
)
def test_a_tier_may_take_the_last_isolation(new: str, told: Mapping[str, tuple[str, str]]) -> None:
    assert said(tier(new), tier("order: 5"), (POD, TIERED)) == told


def test_a_tier_that_moves_opens_what_comes_before_others_now() -> None:
    """What the tier allows is asked before the default one denies it."""
    opens = calico("{action: Allow, protocol: TCP, destination: {ports: [443]}}", ", tier: sec")
    denies = calico("{action: Deny}").replace("name: p", "name: q")
    told = said(tier("order: 5"), tier("order: 2000000"), (POD, opens, denies))
    assert told == {"OPENED": ("warn", "spec")}
