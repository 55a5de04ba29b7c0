"""The protocol of a port, as Istio selects it: its table, and what Services say of one port."""

from __future__ import annotations

import pytest
import yaml

from rules.enforcement import index_of
from rules.netpol.inventory import ServicePort
from rules.protocols import Speech, ports_of, speech
from rules.site import Network


@pytest.mark.parametrize(
    ("name", "application", "number", "spoken"),
    [
        ("http", "", 80, "HTTP"),
        ("HTTP2-a", "", 80, "HTTP"),
        ("grpc-web-a", "", 80, "HTTP"),
        ("tcp-http", "", 80, "TCP"),
        ("https", "", 443, "TCP"),
        ("mysql", "", 1, "TCP"),
        ("web", "", 80, "sniffed"),
        ("httpx", "", 80, "sniffed"),
        ("", "", 3306, "TCP"),
        ("http", "", 3306, "HTTP"),
        ("http", "tcp", 80, "TCP"),
        ("tcp", "kubernetes.io/h2c", 80, "HTTP"),
        ("http", "kubernetes.io/wss", 80, "TCP"),
        ("http", "example.com/own", 80, "sniffed"),
    ],
)
def test_the_application_protocol_says_it_else_the_name_else_the_number(
    name: str, application: str, number: int, spoken: Speech
) -> None:
    assert speech(ServicePort(number, number, name, "TCP", application)) == spoken


POD = (
    "{kind: Pod, metadata: {name: a, namespace: t, labels: {app: a, tier: db}}, spec: "
    "{containers: [{name: a, ports: [{name: w, containerPort: 8080}]}]}}"
)


def service(spec: str, namespace: str = "t") -> str:
    named = f"{{name: s{len(spec)}, namespace: {namespace}}}"
    return f"{{kind: Service, metadata: {named}, spec: {spec}}}"


OBJECTS = [
    POD,
    service("{selector: {app: a}, ports: [{port: 80, name: http, targetPort: w}]}"),
    service("{selector: {app: a}, ports: [{port: 9, name: tcp}]}"),
    service("{selector: {tier: db}, ports: [{port: 81, name: tcp, targetPort: 8080}]}"),
    service("{selector: {app: a}, ports: [{port: 7, name: tcp}]}", "u"),
    service("{ports: [{port: 6, name: tcp}]}"),
    service("{selector: {app: b, tier: db}, ports: [{port: 5, name: tcp, targetPort: x}]}"),
]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"app": "a"}, {8080: "sniffed", 9: "TCP"}),
        ({"app": "b"}, {"x": "TCP"}),
        ({"app": "c"}, {}),
        ({}, {8080: "sniffed", 9: "TCP", "x": "TCP"}),
    ],
)
def test_services_tell_of_the_pods_that_they_select(
    selector: dict[str, str], found: dict[int | str, str]
) -> None:
    objects = [{"apiVersion": "v1", **yaml.safe_load(each)} for each in OBJECTS]
    ports = ports_of(index_of(objects, Network()), "t", selector)
    assert {port.target: port.speech for port in ports} == found
