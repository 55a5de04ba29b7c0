"""What pods say they call: URLs in text, and what becomes of them where the policies are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.evidence import mentions
from rules.model import Rule
from rules.pods import Pod
from rules.review import Cluster
from rules.site import Site
from rules.threats import Threats, parse
from rules.urls import address_of, urls_in
from tests.examples import RULES, Example

NAMED: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def policy(*ports: int) -> Any:
    """All pods of the namespace may reach anything outside on these ports, and nothing else."""
    egress = [{"ports": [{"port": port}]} for port in ports]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress},
    }


def stands_for(name: str, target: str, namespace: str = "default") -> Any:
    """A Service of type ExternalName."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": target},
    }


WEB, SAFE = [policy(80)], [policy(443)]
SITE = Site(threats=Threats.of(map(parse, ["c2.bad.example", "203.0.113.0/24"])))


def pod(env: Mapping[str, str] | None = None, **container: Any) -> Any:
    listed = [{"name": name, "value": value} for name, value in (env or {}).items()]
    return {"kind": "Pod", "spec": {"containers": [{"name": "a", "env": listed, **container}]}}


def levels(rule: str, value: Any, cluster: Iterable[Any], site: Site | None = None) -> list[str]:
    view = Cluster.of(cluster, site)
    return [found.level for found in NAMED[rule].check(Example(object=value).review(), view)]


def said(text: str, **variables: str) -> list[str]:
    return [str(url) for url in urls_in(text, variables)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://a.com", ["http://a.com"]),
        ("HTTP://A.com:8080/x", ["http://a.com:8080"]),
        ('see http://a.com. Or (http://b.com), "http://c.com"', ["a.com", "b.com", "c.com"]),
        ("http://u:p@a.com:80/", ["http://a.com"]),
        ("http://a.com:", ["http://a.com"]),
        ("https://[2001:db8::1]:8443/x", ["https://[2001:db8::1]:8443"]),
        ("xhttp://a.com git+http://a.com h2c://a.com unix:///a", []),
        ("http://+:8080 http://*:80 http:// http:///a", []),
        ("https?://.* http(s)?://a.com http://.* http://[^/]+", []),
        ("http://$(HOST):8126 http://${HOST} http://%s/ http://{host}", []),
    ],
)
def test_urls_are_found_where_there_is_a_host(text: str, wanted: list[str]) -> None:
    assert [url.removeprefix("http://") for url in said(text)] == [
        url.removeprefix("http://") for url in wanted
    ]


def test_variables_stand_for_hosts_and_parts_of_them() -> None:
    assert said("http://$(H)/a", H="a.com:81") == ["http://a.com:81"]
    assert said("http://api.${ZONE}", ZONE="a.com") == ["http://api.a.com"]
    assert said("http://$(H)", H="x" * 300) == []
    assert said("http://$(A)$(A)$(A)$(A)$(A)", A="a") == [], "so many and no more"


@pytest.mark.parametrize(
    "text", ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "169.254.169.254"]
)
def test_an_address_is_read_in_each_of_its_ways(text: str) -> None:
    assert address_of(text) == IPv4Address("169.254.169.254")


@pytest.mark.parametrize(
    "text", ["", "a", "1.2.3.256", "1.2.3.4.5", "08.1.1.1", "4294967296", "::x"]
)
def test_what_is_no_address_is_a_name(text: str) -> None:
    assert address_of(text) is None


@given(st.integers(0, 2**32 - 1))
def test_every_address_is_itself(number: int) -> None:
    address = IPv4Address(number)
    assert address_of(str(address)) == address_of(str(number)) == address_of(hex(number)) == address


@given(st.text("htps:/.[]$({a1 \n", max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    for url in urls_in(text, {"a": text}):
        assert text[url.start :].startswith("http")
        assert url.host


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (pod({"API_URL": "http://a.com"}), ["named"]),
        (pod({"API_URL": " http://a.com"}), ["mentioned"]),
        (pod({"TEXT": "http://a.com"}), ["mentioned"]),
        (pod({"http_proxy": "proxy:3128"}), ["proxy"]),
        (pod({"HTTPS_PROXY": "http://proxy:3128"}), ["tunnel"]),
        (pod({"no_proxy": "http://a.com"}), []),
        (pod(args=["--redirect-url", "http://a.com"]), []),
        (pod(args=["--redirect-url=http://a.com", "http://b.com"]), ["mentioned"]),
        (pod(command=["/usr/bin/curl"], args=["http://www.w3.org"]), ["sent"]),
        (pod(command=["git-sync"], args=["--repo=http://a.com"]), ["mentioned"]),
        (pod(startupProbe={"exec": {"command": ["wget", "http://a.com"]}}), ["sent"]),
        (pod({"H": "a.com"}, args=["http://$(H)"]), ["mentioned"]),
    ],
)
def test_how_a_url_is_said(value: Any, wanted: list[str]) -> None:
    assert [mention.how for mention in mentions(Pod.of(value))] == wanted


@pytest.mark.parametrize(
    ("value", "where_open", "where_shut"),
    [
        (pod({"API_URL": "http://api.example.com"}), ["deny"], ["info"]),  # T75
        (pod(command=["curl", "http://a.com"]), ["deny"], ["info"]),
        (pod({"HTTP_PROXY": "http://p.example.com:80"}), ["deny"], ["info"]),
        (pod({"HTTPS_PROXY": "http://p.example.com:80"}), ["warn"], ["info"]),
        (pod({"TEXT": "a http://a.com"}), ["warn"], ["info"]),
        (pod({"API_URL": "http://10.0.0.7"}), ["warn"], ["info"]),
        (pod({"API_URL": "http://web"}), [], []),
    ],
)
def test_evidence_denies_only_where_the_policies_let_it_be_true(
    value: Any, where_open: list[str], where_shut: list[str]
) -> None:
    assert levels("no-plain-http-in-pods", value, WEB) == where_open
    assert levels("no-plain-http-in-pods", value, SAFE) == where_shut


def test_row_t78_a_service_that_stands_for_a_name_outside_is_outside() -> None:
    cluster = [*WEB, stands_for("ext", "example.com"), stands_for("loop", "loop.shop", "shop")]
    for host in ("ext", "ext.default", "ext.default.svc", "ext.default.svc.cluster.local"):
        value = pod({"URL": f"http://{host}"})
        assert levels("no-plain-http-in-pods", value, cluster) == ["deny"], host
    looping = levels("no-plain-http-in-pods", pod({"URL": "http://loop.shop.svc"}), cluster)
    assert looping == ["deny"], "what stands for itself is no Service"


def test_what_must_be_tls_lets_out_no_plain_http_and_yet_lets_out() -> None:
    """Cilium denies what is no TLS; a threat that speaks TLS is reached all the same."""
    ports = {"ports": [{"port": "80", "protocol": "TCP"}], "serverNames": ["c2.bad.example"]}
    egress = [{"toEntities": ["world"], "toPorts": [ports]}]
    proven = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"endpointSelector": {}, "egress": egress},
    }
    value = pod({"API_URL": "http://c2.bad.example"})
    assert levels("no-plain-http-in-pods", value, [proven]) == ["info"]
    assert levels("no-egress-to-threats", value, [proven], SITE) == ["deny"]


def test_a_port_that_is_none_reaches_nobody() -> None:
    for port in (0, 65536, 99999):
        value = pod({"URL": f"http://a.com:{port}"})
        assert levels("no-plain-http-in-pods", value, []) == ["info"]


def test_what_no_pod_but_the_node_may_do_is_not_the_policies_to_shut() -> None:
    value = pod({"API_URL": "http://a.com"})
    value["spec"]["hostNetwork"] = True
    assert levels("no-plain-http-in-pods", value, SAFE) == ["deny"]


def test_an_alias_of_the_pod_is_where_it_leads() -> None:
    value = pod({"URL": "http://web"})
    value["spec"]["hostAliases"] = [{"ip": "8.8.8.8", "hostnames": ["Web"]}]
    assert levels("no-plain-http-in-pods", value, WEB) == ["deny"]


def test_a_host_among_longer_text_is_told_once() -> None:
    value = pod({"A": "x http://a.com/1 http://a.com/2", "B": "y http://a.com http://b.com"})
    assert levels("no-plain-http-in-pods", value, WEB) == ["warn", "warn"]


def test_what_is_listed_and_named_denies_where_the_pod_reaches_it() -> None:
    value = pod({"API": "https://c2.bad.example", "B": "http://203.0.113.7"})
    assert levels("no-egress-to-threats", value, SAFE, SITE) == ["deny", "info"]
    alias = pod({"API": "https://web"})
    cluster = [*SAFE, stands_for("web", "a.c2.bad.example")]
    assert levels("no-egress-to-threats", alias, cluster, SITE) == ["deny"]


@pytest.mark.parametrize(
    ("peer", "wanted"),
    [
        ({"toFQDNs": [{"matchName": "c2.bad.example"}]}, ["deny"]),
        ({"toFQDNs": [{"matchName": "a.c2.bad.example"}]}, ["deny"]),
        ({"toFQDNs": [{"matchPattern": "*.bad.example"}]}, ["deny"]),
        ({"toFQDNs": [{"matchName": "bad.example"}]}, []),
        ({"toFQDNs": [{"matchPattern": "*"}]}, []),
        ({"toCIDR": ["203.0.113.7/32"]}, ["deny"]),
        ({"toCIDR": ["0.0.0.0/0"]}, []),
    ],
)
def test_sample_c5_the_policies_of_cilium(peer: Any, wanted: list[str]) -> None:
    """Judged by the rule alone: which kinds are sent to it is the catalogue's to say."""
    egress = [{**peer, "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}]
    value = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "a", "namespace": "t"},
        "spec": {"endpointSelector": {}, "egress": egress},
    }
    asked = Example(object=pod()).review().showing(value)
    review = asked._replace(group="cilium.io", kind="CiliumNetworkPolicy")
    found = NAMED["no-egress-to-threats"].check(review, Cluster.of([], SITE))
    assert [one.level for one in found] == wanted


@pytest.mark.parametrize(
    "piece", ["http://", "http://a.", "http://$(A)", "http://a:", "http://a@", "http://[::", "$("]
)
def test_a_long_text_is_read_to_its_end(piece: str) -> None:
    """Of pieces that make careless expressions start again and again; the suite would hang."""
    assert said(piece * 50_000 + " http://last.example", A="a." * 100)[-1] == "http://last.example"
