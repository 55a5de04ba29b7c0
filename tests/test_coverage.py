"""No hole in what the rules cover: kinds, subresources, operations, containers, paragraphs."""

from __future__ import annotations

import pytest

from rules.model import ADDRESS_SETS, CALICO_STAGED, ISTIO, NETWORK_POLICIES, TIERS
from tests.coverage import EXCUSED, Cover, covers, resource
from tests.coverage_page import sent
from tests.pages import rule_page
from webhook.rulebook import load

WRITTEN = {"CREATE", "UPDATE"}
DELETED = {*WRITTEN, "DELETE"}
ASKED = {
    "pods": WRITTEN,
    "pods/binding": {"CREATE"},
    "bindings": {"CREATE"},
    "pods/ephemeralcontainers": {"UPDATE"},
    "pods/resize": {"UPDATE"},
    "pods/status": {"UPDATE"},
    "namespaces": DELETED,
    "namespaces/status": {"UPDATE"},
    "namespaces/finalize": {"UPDATE"},
    "runtimeclasses.node.k8s.io": DELETED,
    "persistentvolumes": WRITTEN,
    "storageclasses.storage.k8s.io": WRITTEN,
    "services": WRITTEN,
    "services/status": {"UPDATE"},
    "secretproviderclasses.secrets-store.csi.x-k8s.io": WRITTEN,
    "configmaps": DELETED,
    "deployments.apps": WRITTEN,
    "statefulsets.apps": WRITTEN,
    "daemonsets.apps": WRITTEN,
    "replicasets.apps": WRITTEN,
    "jobs.batch": WRITTEN,
    "cronjobs.batch": WRITTEN,
    **{resource(kind, ""): WRITTEN for kind in CALICO_STAGED},
    **{resource(kind, ""): DELETED for kind in (*NETWORK_POLICIES, *ADDRESS_SETS, *TIERS)},
    **{resource(kind, ""): DELETED for kind in ISTIO},
}
"""What must be asked about (sandbox-and-mesh 1.5, contracts 7)."""

KINDS_OF_ISTIO = (
    *("PeerAuthentication", "AuthorizationPolicy", "DestinationRule", "RequestAuthentication"),
    *("EnvoyFilter", "WasmPlugin", "ProxyConfig", "WorkloadEntry", "WorkloadGroup"),
    *("IstioOperator", "Sidecar", "ServiceEntry", "VirtualService", "Gateway", "Telemetry"),
)
NOT_ASKED = {
    "TEN-5": "TEN-1 on CREATE",
    "TEN-9": "a matter of RBAC; principals are exact names",
    "TEN-10": "no webhook is asked; a policy of the API server and RBAC",
    "SBX-18": "exec is allowed; what kubectl debug makes is a pod",
}
PARAGRAPHS = (
    *(f"TEN-{number}" for number in range(1, 9)),
    *(f"SBX-{number}" for number in range(1, 22)),
    *("RUNTIME-CLASS", "NOT-INJECTED"),
    *("INJ-NS", "INJ-RAW", "INJ-CAP", "INJ-FINAL", "INJ-UPD", "INJ-OFF"),
    *("MESH-VOLUMES", "MESH-RESOURCES", "MESH-0", "MESH-1", "MESH-2"),
    *(f"MESH-{kind}" for kind in KINDS_OF_ISTIO),
    *("MESH-REDIRECTION", "MESH-PSA", "OTHER-MESH", "SERVICE-THEFT", "IDENTITY", "IMAGE"),
    *("PLAIN-HTTP", "ALLOW-ALL-EGRESS", "ALLOW-ALL-INGRESS", "CROSS-TENANT", "WORLD-CIDR", "IMDS"),
    *("FQDN-NO-DNS", "FQDN-WILDCARD", "FQDN-APEX", "DNS-ANY-NAME", "DNS-53-OPEN"),
    *("NP-POLICYTYPES", "CNP-NULL-EGRESS", "DEFAULT-DENY-OFF", "L7-VOID", "STAGED"),
    *("NOT-ENFORCED", "ANP-OVERRIDE", "TENANT-TIER", "CILIUM-VOID", "CALICO-VOID", "CALICO-OPEN"),
    *("SERVICE-OPEN", "RESERVED-SELECTOR", "KAFKA", "CLOUD-CONTROL-PLANE", "PUBLIC-RESOLVER"),
    *("ODD-QUOTES", "HOSTNET-EGRESS", "THREAT-LIST"),
)
"""Checks of sandbox-and-mesh 2 to 5, of egress 2.1 and 4, and of contracts 10 and 11."""


@pytest.mark.parametrize("cover", covers(), ids=lambda cover: cover.rule.name)
def test_what_a_rule_claims_to_cover_its_examples_prove(cover: Cover) -> None:
    assert cover.gaps == []


def test_no_silence_is_excused_that_is_none() -> None:
    blind = {
        (c.rule.name, field, seat) for c in covers() for seat in c.seen for field in c.blind(seat)
    }
    excused = {
        (rule, field, seat) for (rule, field), (seats, _) in EXCUSED.items() for seat in seats
    }
    assert excused <= blind


@pytest.mark.parametrize("name", ASKED)
def test_the_api_server_asks_about_every_kind_and_subresource(name: str) -> None:
    assert ASKED[name] <= set(sent(load(None), "validate")[name])


def test_it_asks_about_nothing_else() -> None:
    assert set(sent(load(None), "validate")) == set(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_some_rule_besides_well_formed_looks_at_it(name: str) -> None:
    looking = {
        cover.rule.name
        for cover in covers()
        for kind, part, _ in cover.asked
        if resource(kind, part) == name
    }
    assert looking - {"well-formed"}


@pytest.mark.parametrize("check", [check for check in PARAGRAPHS if check not in NOT_ASKED])
def test_every_paragraph_has_a_rule_an_example_and_a_page(check: str) -> None:
    holding = [cover for cover in covers() if check in cover.checks]
    assert holding
    for cover in holding:
        assert check in rule_page(cover.rule)
