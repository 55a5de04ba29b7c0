"""What the creation, change and deletion of policies and labels does to pods that run."""

from __future__ import annotations

import pytest
import yaml

from rules.model import JSON, POD
from rules.review import Cluster
from rules.site import Engine, Network, Site
from tests.examples import RULES, kind_of, rulebook
from tests.reviews import ask, written
from webhook.codec import decode
from webhook.judge import judge

RULE_OF = {rule.name: rule for rule in RULES}
OBJECTS: dict[str, JSON] = {
    name: yaml.safe_load(text)
    for name, text in {
        "pod": "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: t, labels: {app: web}}}",
        "closed": "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: closed,"
        " namespace: t}, spec: {podSelector: {}, policyTypes: [Egress]}}",
        "to-443": "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: tls,"
        " namespace: t}, spec: {podSelector: {}, policyTypes: [Egress], egress:"
        " [{to: [{ipBlock: {cidr: 8.8.8.8/32}}], ports: [{port: 443}]}]}}",
        "cilium": "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: cilium,"
        " namespace: t}, spec: {endpointSelector: {}, egress: [{}]}}",
        "cluster": "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy,"
        " metadata: {name: cluster}, spec: {endpointSelector: {}, egress: [{}]}}",
        "http": "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: http,"
        " namespace: t}, spec: {endpointSelector: {}, egress: [{toEndpoints: [{}], toPorts:"
        " [{ports: [{port: '53', protocol: TCP}], rules: {http: [{}]}}]}]}}",
        "dns": "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: dns,"
        " namespace: t}, spec: {endpointSelector: {}, egress: [{toEndpoints: [{}], toPorts:"
        " [{ports: [{port: '53', protocol: TCP}], rules: {dns: [{matchPattern: '*'}]}}]}]}}",
        "to-nobody": "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n,"
        " namespace: t}, spec: {podSelector: {}, policyTypes: [Egress], egress:"
        " [{to: [{podSelector: {matchLabels: {app: absent}}}]}]}}",
        "terminating": "{apiVersion: v1, kind: Namespace, metadata: {name: t,"
        " deletionTimestamp: '2026-01-01T00:00:00Z'}}",
        "platform": "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: kube-system}}",
        "cluster-policy": "{apiVersion: policy.networking.k8s.io/v1alpha2,"
        " kind: ClusterNetworkPolicy, metadata: {name: c}, spec: {tier: Admin, priority: 1,"
        " subject: {namespaces: {}}, egress: [{action: Accept, to: [{networks: [9.9.9.9/32]}]}]}}",
        "admin": "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy,"
        " metadata: {name: c}, spec: {priority: 1, subject: {namespaces: {}}, egress:"
        " [{action: Allow, to: [{networks: [9.9.9.9/32]}]}]}}",
        "baseline": "{apiVersion: policy.networking.k8s.io/v1alpha1,"
        " kind: BaselineAdminNetworkPolicy, metadata: {name: default}, spec:"
        " {subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [9.9.9.9/32]}]}]}}",
        "stored": "{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata:"
        " {name: default.own, namespace: t}, spec: {selector: all(), types: [Egress]}}",
        "shown": "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata:"
        " {name: own, namespace: t}, spec: {selector: all(), types: [Egress]}}",
        "shown-open": "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata:"
        " {name: own, namespace: t}, spec: {selector: all(), types: [Ingress]}}",
        "global": "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata:"
        " {name: all}, spec: {selector: all(), types: [Egress]}}",
        "to-service": "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata:"
        " {name: s, namespace: t}, spec: {selector: all(), types: [Egress], egress:"
        " [{action: Allow, destination: {services: {name: a, namespace: t}}}]}}",
        **{
            f"slice-{port}": "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata:"
            " {name: a-1, namespace: t, labels: {kubernetes.io/service-name: a}},"
            f" endpoints: [{{addresses: [198.51.100.7]}}], ports: [{{port: {port}}}]}}"
            for port in (80, 443)
        },
        "net-set": "{apiVersion: crd.projectcalico.org/v1, kind: NetworkSet, metadata:"
        " {name: own, namespace: t}, spec: {nets: [9.9.9.9/32]}}",
    }.items()
}
CALICO = Network(engine="calico", enforced=("projectcalico.org/*", "crd.projectcalico.org/*"))


def _said(
    rule: str,
    *beside: str,
    new: str = "",
    old: str = "",
    network: Network = Network(),  # noqa: B008  # a value
    **parameters: JSON,
) -> list[str]:
    """What a rule says of `new`, in the place of `old`, in a cluster with these objects."""
    cluster = Cluster.of([OBJECTS[name] for name in beside], Site(network=network))
    value = OBJECTS.get(new) or OBJECTS.get(old)
    assert value is not None
    kind = kind_of(value)
    asked = ask(
        OBJECTS.get(new),
        kind,
        operation="UPDATE" if new and old else "CREATE" if new else "DELETE",
        old=OBJECTS.get(old),
        namespace=value["metadata"].get("namespace", ""),
        name=OBJECTS[old or new]["metadata"]["name"],
    )
    review = decode(written(asked), phases=("final",))
    found = judge(review, rulebook(RULE_OF[rule], parameters=parameters), cluster).findings
    assert not [finding for finding in found if finding.error]
    return [f"{finding.level} {finding.check}: {finding.message}" for finding in found]


@pytest.mark.parametrize("last", ["closed", "cilium", "cluster"])
def test_the_last_isolation_stays_whoever_wrote_it(last: str) -> None:
    (said,) = _said("last-isolation-kept", "pod", last, old=last)
    assert said.startswith("deny LAST-ISOLATION: goes, and no other policy isolates pods app=web")
    assert not _said("last-isolation-kept", "pod", last, "to-443", old=last)
    assert not _said("last-isolation-kept", last, old=last)
    assert not _said("last-isolation-kept", "pod", "terminating", last, old=last)


@pytest.mark.parametrize("last", ["stored", "shown", "global"])
def test_the_last_isolation_may_be_one_of_calico(last: str) -> None:
    (said,) = _said("last-isolation-kept", "pod", "net-set", last, old=last, network=CALICO)
    assert said.startswith("deny LAST-ISOLATION: goes")
    assert not _said("last-isolation-kept", "pod", last, "closed", old=last, network=CALICO)
    assert not _said("last-isolation-kept", "pod", last, old=last), "nobody enforces it"


@pytest.mark.parametrize("last", ["stored", "shown"])
def test_what_calico_stores_and_shows_is_one_policy(last: str) -> None:
    both = ("pod", "stored", "shown")
    (said,) = _said("last-isolation-kept", *both, old=last, network=CALICO)
    assert said.startswith("deny LAST-ISOLATION: goes")
    (said,) = _said("last-isolation-kept", *both, new="shown-open", old="shown", network=CALICO)
    assert said.startswith("deny LAST-ISOLATION: is changed")
    assert not _said("last-isolation-kept", *both, "global", old=last, network=CALICO)


def test_pods_of_the_platform_are_not_held_against_a_policy_of_the_cluster() -> None:
    assert not _said("last-isolation-kept", "platform", "cluster", old="cluster")


def test_what_a_grant_opens_beside_an_isolation_is_told_with_class_and_port() -> None:
    (said,) = _said("no-silent-opening", "pod", "closed", new="to-443")
    assert said.startswith("warn OPENED: opens 443/TCP to the Internet, for pods app=web")


def test_what_a_first_policy_closes_is_information() -> None:
    (said,) = _said("no-silent-opening", "pod", new="closed")
    assert said.startswith("info CLOSED: closes every port to the Internet; closes")


def test_a_rule_about_a_service_opens_the_ports_that_stand_behind_it() -> None:
    (said,) = _said("no-plain-http-egress", "slice-80", new="to-service", network=CALICO)
    assert said.startswith('deny PLAIN-HTTP: is {"name": "a", "namespace": "t"}, behind which')
    assert not _said("no-plain-http-egress", "slice-443", new="to-service", network=CALICO)
    assert not _said("instance-metadata-unreachable", "slice-80", new="to-service", network=CALICO)


_CALICO = (
    "{apiVersion: projectcalico.org/v3, kind: %s, metadata: {name: calico, namespace: t},"
    " spec: {order: %s, selector: all(), types: [Egress], egress: [%s]}}"
)


def _of_calico(*beside: str, old: str, new: str = "") -> list[str]:
    """What all rules about changes say, where Calico enforces its own kinds."""
    value, former = yaml.safe_load(new or "null"), yaml.safe_load(old)
    network = Network(engine="calico", enforced=("projectcalico.org/*",))
    beside_it = [OBJECTS["pod"], *map(yaml.safe_load, beside), former]
    kind = kind_of(former)
    asked = ask(
        value,
        kind,
        operation="UPDATE" if new else "DELETE",
        old=former,
        namespace="t" if kind.namespaced else "",
        name="calico",
    )
    rules = (RULE_OF["last-isolation-kept"], RULE_OF["no-silent-opening"])
    cluster = Cluster.of(beside_it, Site(network=network))
    found = judge(decode(written(asked), phases=("final",)), rulebook(*rules), cluster).findings
    return [f"{finding.level} {finding.check}" for finding in found]


TIER = (
    "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec}, spec: {order: 5,"
    " defaultAction: %s}}"
)


@pytest.mark.parametrize(
    ("end", "rules", "level"),
    [
        ("Deny", "", "warn"),
        ("Deny", "{action: Allow, protocol: TCP, destination: {ports: [443]}}", "warn"),
        ("Deny", "{action: Pass}", "deny"),
        ("Deny", "{action: Pass, protocol: TCP, destination: {ports: [443]}}", "warn"),
        ("Pass", "", "deny"),
    ],
)
def test_what_an_earlier_tier_drops_at_its_end_hides_a_grant(
    end: str, rules: str, level: str
) -> None:
    tiered = (_CALICO % ("GlobalNetworkPolicy", 10, rules)).replace("order:", "tier: sec, order:")
    opens = "{action: Allow, protocol: TCP, destination: {nets: [198.51.100.0/24], ports: [80]}}"
    value = yaml.safe_load((_CALICO % ("NetworkPolicy", 10, opens)).replace("calico", "own", 2))
    value["apiVersion"] = "projectcalico.org/v3"
    beside = [yaml.safe_load(each) for each in (TIER % end, tiered)]
    network = Network(engine="calico", enforced=("projectcalico.org/*",))
    cluster = Cluster.of(beside, Site(network=network))
    review = decode(written(ask(value, kind_of(value), namespace="t", name="own")))
    book = rulebook(RULE_OF["no-plain-http-egress"])
    (found,) = judge(review, book, cluster).findings
    assert found.level == level
    assert ("denied as yet by GlobalNetworkPolicy calico" in found.message) is (level == "warn")


def test_the_order_of_policies_of_calico_may_open_what_their_deletion_would() -> None:
    deny = "{action: Deny, protocol: TCP, destination: {ports: [443]}}"
    first, last = (_CALICO % ("GlobalNetworkPolicy", order, deny) for order in (10, 2000))
    allow = yaml.safe_dump(OBJECTS["to-443"])
    assert _of_calico(allow, old=first, new=last) == ["warn OPENED"]
    assert _of_calico(allow, old=first) == ["warn OPENED"]
    assert not _of_calico(allow, old=last, new=last)
    assert not _of_calico(allow, old=last)


@pytest.mark.parametrize(
    ("policy", "engine", "told"),
    [
        ("cluster", "cilium", "info CLOSED"),
        ("admin", "spec", "warn OPENED"),
        ("cluster-policy", "spec", "warn OPENED"),
        ("baseline", "spec", "info CLOSED"),
    ],
)
def test_policies_of_the_cluster_are_judged_by_what_they_change(
    policy: str, engine: Engine, told: str
) -> None:
    beside = ["pod", "closed"] if told == "warn OPENED" else ["pod"]
    (said,) = _said("no-silent-opening", *beside, new=policy, network=Network(engine=engine))
    assert said.startswith(told)


def test_over_the_limit_it_is_said_on_how_many_it_was_judged() -> None:
    said = _said("no-silent-opening", "pod", new="cluster", most_groups=0)
    assert [each.partition(";")[0] for each in said] == [
        "warn LIMIT: is about very many pods and was judged on 0 of 1 groups"
    ]


def test_who_brings_a_conflict_is_denied_and_who_finds_it_is_not() -> None:
    (said,) = _said("policies-mergeable", "pod", "dns", new="http")
    assert said.startswith("deny CILIUM-CONFLICT: leaves pods app=web")
    assert not _said("policies-mergeable", "pod", "dns", "http", new="closed")
    assert not _said("policies-mergeable", "pod", "dns", "http", new="http", old="http")


def test_a_peer_that_is_nobody_is_told_at_its_place() -> None:
    (said,) = _said("peers-exist", "pod", new="to-nobody")
    assert said.startswith("warn PEER-NOTHING: is no pod that there is")


def test_all_rules_of_the_network_bear_with_each_other_on_a_pod_that_changes() -> None:
    pod = OBJECTS["pod"]
    changed = {**pod, "metadata": {**pod["metadata"], "labels": {"app": "other"}}}
    cluster = Cluster.of([pod, OBJECTS["closed"]])
    review = decode(
        written(ask(changed, POD, operation="UPDATE", old=pod, namespace="t", name="a")),
        phases=("final",),
    )
    rules = [rule for rule in RULES if rule.check.__module__.startswith("rules.catalog.network.")]
    found = judge(review, rulebook(*rules), cluster).findings
    assert [(finding.check, finding.error) for finding in found] == [("INGRESS-ISOLATED", False)]
