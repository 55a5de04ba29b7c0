"""What is read off objects: pods by their owners, and all else that policies name."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.netpol.census import take
from rules.netpol.inventory import NAME_LABEL, TIERS, Inventory, PortName, ServicePort, Tier
from rules.netpol.sets import Addresses
from tests.netpol.strategies import junk


def taken(*texts: str) -> Inventory:
    return take(yaml.safe_load(f"{{{text}}}") for text in texts)


def pod(metadata: str = "", spec: str = "", rest: str = "") -> str:
    meta = f"metadata: {{name: p, namespace: red, {metadata}}}"
    return f"apiVersion: v1, kind: Pod, {meta}, spec: {{{spec}}}, {rest}"


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        ("", "red/p[Pod]"),
        ("{kind: ReplicaSet, name: web-5d}", "red/web-5d[ReplicaSet]"),
        ("{kind: Node, name: node-1}", "red/p[Pod]"),
        ("{name: something}", "red/something[Pod]"),
        ("{kind: A, name: a}, {kind: B, name: b, controller: true}", "red/b[B]"),
    ],
)
def test_a_pod_is_named_by_its_owner(owners: str, name: str) -> None:
    (found,) = taken(pod(f"ownerReferences: [{owners}]")).pods
    assert str(found) == name


def test_a_workload_is_the_pod_that_its_template_makes() -> None:
    template = "template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: robot}}"
    inventory = taken(
        f"apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{{template}}}",
        "apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly, namespace: red},"
        f" spec: {{jobTemplate: {{spec: {{{template}}}}}}}",
    )
    assert [str(found) for found in inventory.pods] == [
        "default/web[Deployment]",
        "red/nightly[CronJob]",
    ]
    assert {tuple(found.labels.items()) for found in inventory.pods} == {(("app", "web"),)}
    assert {found.service_account and found.service_account.name for found in inventory.pods} == {
        "robot"
    }


def test_names_of_ports_are_those_of_containers_that_run_all_along() -> None:
    ports = "ports: [{name: http, containerPort: 80}, {containerPort: 81}]"
    spec = (
        f"containers: [{{{ports}}}], initContainers: [{{{ports.replace('http', 'once')}}},"
        f" {{restartPolicy: Always, {ports.replace('http', 'side').replace('80', '90')}}}]"
    )
    (found,) = taken(pod(spec=spec)).pods
    assert found.ports == (PortName("http", "TCP", 80), PortName("side", "TCP", 90))


def test_a_pod_has_the_addresses_of_its_status_or_may_have_any_of_the_pods() -> None:
    known = taken(pod(rest="status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}, {ip: nonsense}]}"))
    assert [str(end.at) for end in known.ends(known.pods[0])] == [
        "10.0.0.1-10.0.0.1",
        "fd00::1-fd00::1",
    ]
    assert known.dual_stack
    nodes = [yaml.safe_load(f"{{{pod()}}}")]
    somewhere = take(nodes, pod_networks=Addresses.cidr("10.244.0.0/16"))
    assert [str(end.at) for end in somewhere.ends(somewhere.pods[0])] == [
        "10.244.0.0-10.244.255.255"
    ]
    anywhere = take(nodes)
    assert [str(end.at) for end in anywhere.ends(anywhere.pods[0])] == ["0.0.0.0-255.255.255.255"]


def test_namespaces_have_their_name_as_a_label_and_those_not_given_no_other() -> None:
    inventory = taken(
        "apiVersion: v1, kind: Namespace, metadata: {name: blue, labels: {team: b}}", pod()
    )
    assert inventory.namespaces["blue"].labels == {"team": "b", NAME_LABEL: "blue"}
    assert inventory.pods[0].namespace.labels == {NAME_LABEL: "red"}


def test_services_their_slices_and_groups_of_networks() -> None:
    inventory = taken(
        "apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web},"
        " ports: [{port: 80, name: http, targetPort: web}, {port: 53, protocol: UDP}, {port: a}]}",
        "apiVersion: v1, kind: Service, metadata: {name: out},"
        " spec: {type: ExternalName, externalName: example.com}",
        "apiVersion: discovery.k8s.io/v1, kind: EndpointSlice,"
        " metadata: {name: web-x, labels: {kubernetes.io/service-name: web}},"
        " endpoints: [{addresses: [10.0.0.9]}], ports: [{port: 8080}, {protocol: UDP}]",
        "apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g},"
        " spec: {externalCIDRs: [10.0.0.0/8, 11.0.0.0/8]}",
    )
    web, out = inventory.services
    assert (web.selector, out.selector, out.external_name) == ({"app": "web"}, None, "example.com")
    assert web.ports == (ServicePort(80, "web", "http"), ServicePort(53, 53, protocol="UDP"))
    (piece,) = inventory.slices
    assert (piece.service, str(piece.addresses)) == ("web", "10.0.0.9-10.0.0.9")
    assert piece.ports == (("TCP", 8080), ("UDP", None))
    assert [str(group.addresses) for group in inventory.cidr_groups] == ["10.0.0.0-11.255.255.255"]


def test_tiers_that_always_exist_do_and_others_have_the_order_they_state() -> None:
    inventory = taken(
        "apiVersion: crd.projectcalico.org/v1, kind: Tier, metadata: {name: last}",
        "apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: stored}",
        "apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec},"
        " spec: {order: 5, defaultAction: Pass}",
    )
    assert inventory.tiers == TIERS | {
        "last": Tier("last", None, "deny"),
        "stored": Tier("stored", 1_000_000, "deny"),
        "sec": Tier("sec", 5, "pass"),
    }


KINDS = st.sampled_from(
    [
        ("v1", "Pod"),
        ("v1", "Namespace"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "CronJob"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("projectcalico.org/v3", "NetworkSet"),
        ("crd.projectcalico.org/v1", "Tier"),
        ("cilium.io/v2", "CiliumCIDRGroup"),
    ]
)
FIELDS = st.dictionaries(
    st.sampled_from(["metadata", "spec", "status", "endpoints", "ports"]), junk
)


@given(st.lists(st.tuples(KINDS, FIELDS) | junk, max_size=4))
def test_nothing_that_stands_anywhere_is_too_much(drawn: list[Any]) -> None:
    nodes = [
        {"apiVersion": each[0][0], "kind": each[0][1], **each[1]}
        if isinstance(each, tuple)
        else each
        for each in drawn
    ]
    assert isinstance(take(nodes), Inventory)
