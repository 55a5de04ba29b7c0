"""The webhook configurations: what the API server sends follows from what the rules declare."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from certs import issue, pem
from rules.model import JSON, POD, WORKLOADS, ActiveRule, Kind, Rule
from rules.rulebook import Configured, Rulebook
from rules.selectors import LabelSelector
from rules.site import TRUSTED_NAMES, Mesh, Site, Trusted
from tests.examples import RULES, rulebook
from webhook import configuration
from webhook.configuration import Entry, webhooks

GATEWAY = Kind("gateway.networking.k8s.io", "Gateway", "gateways")
CLASS = Kind("node.k8s.io", "RuntimeClass", "runtimeclasses", namespaced=False)
NAME = re.compile(r"[a-z0-9-]+\.(mutate|validate)\.sallyport\.dev")


def made(rule: Rule = RULES[0], **declared: Any) -> Rule:
    """A rule that no catalogue holds: phase final, mends nothing, the rest as declared."""
    neutral: dict[str, Any] = {"phase": "final", "mend": "off", "subresources": ("",), "also": ()}
    return replace(rule, name="made-up", **(neutral | declared))


def entries(*configurations: JSON) -> dict[str, JSON]:
    return {entry["name"]: entry for found in configurations for entry in found["webhooks"]}


def registered(book: Rulebook, door: str) -> set[tuple[str, str, str, str]]:
    """What a configuration asks for: (group, resource, subresource, operation)."""
    return set(_sent(next(c for c in webhooks(book) if door in c["metadata"]["name"])))


def _sent(found: JSON) -> Iterator[tuple[str, str, str, str]]:
    for entry in found["webhooks"]:
        for rule in entry["rules"]:
            for name in rule["resources"]:
                resource, _, subresource = name.partition("/")
                for operation in rule["operations"]:
                    yield rule["apiGroups"][0], resource, subresource, operation


def test_names_and_settings_are_those_promised() -> None:
    mutate, validate = webhooks(rulebook(*RULES))
    assert mutate["metadata"]["name"] == "00-sallyport-mutate"
    assert validate["metadata"]["name"] == "sallyport-validate"
    for found, seconds in ((mutate, 2), (validate, 4)):
        disabled = {"admissions.enforcer/disabled": "true"}
        assert found["metadata"]["labels"] == disabled
        assert found["metadata"]["annotations"] == disabled
        assert found["webhooks"]
        for entry in found["webhooks"]:
            assert entry["timeoutSeconds"] == seconds
            assert entry["failurePolicy"] == "Fail"
            assert entry["matchPolicy"] == "Equivalent"
            assert entry["sideEffects"] == "None"
            assert entry["admissionReviewVersions"] == ["v1"]
            assert entry.get("reinvocationPolicy", "") == ("Never" if found is mutate else "")


def test_entry_names_are_qualified_and_unique() -> None:
    found = webhooks(rulebook(*RULES, made(kinds=(GATEWAY, CLASS))))
    names = [entry["name"] for configured in found for entry in configured["webhooks"]]
    assert len(names) == len(set(names))
    assert all(NAME.fullmatch(name) for name in names), names


def test_nothing_is_registered_by_wildcard() -> None:
    for entry in entries(*webhooks(rulebook(*RULES))).values():
        for rule in entry["rules"]:
            listed = [*rule["apiGroups"], *rule["apiVersions"], *rule["resources"], rule["scope"]]
            assert not [text for text in (*listed, *rule["operations"]) if "*" in text]
            assert len(rule["apiGroups"]) == len(rule["apiVersions"]) == 1


def test_validation_is_asked_exactly_what_the_rules_index() -> None:
    book = rulebook(*RULES)
    assert registered(book, "validate") == set(book.index)


def test_every_rule_of_the_catalogue_is_reached() -> None:
    book = rulebook(*RULES)
    asked = registered(book, "validate")
    for rule in RULES:
        for kind in rule.kinds:
            assert any(key[:2] == (kind.group, kind.resource) for key in asked), rule.name


def test_a_template_is_sent_when_it_changes_where_the_pod_is_sent_when_it_is_made() -> None:
    book = rulebook(made(kinds=(POD, *WORKLOADS), operations=frozenset({"CREATE"})))
    asked = registered(book, "validate")
    assert ("", "pods", "", "UPDATE") not in asked
    assert all((kind.group, kind.resource, "", "UPDATE") in asked for kind in WORKLOADS)


def test_a_new_rule_appears_by_itself() -> None:
    rule = made(
        kinds=(GATEWAY, CLASS),
        operations=frozenset({"DELETE", "UPDATE"}),
        subresources=("", "status"),
    )
    found = entries(*webhooks(rulebook(*RULES, rule)))
    assert found["gateways.validate.sallyport.dev"]["rules"] == [
        {
            "apiGroups": ["gateway.networking.k8s.io"],
            "apiVersions": ["v1"],
            "operations": ["UPDATE", "DELETE"],
            "resources": ["gateways", "gateways/status"],
            "scope": "Namespaced",
        }
    ]
    assert found["runtimeclasses.validate.sallyport.dev"]["rules"][0]["scope"] == "Cluster"
    assert "gateways.mutate.sallyport.dev" not in found


def test_mutation_looks_at_creations_of_what_is_mended_and_no_template() -> None:
    assert registered(rulebook(*RULES), "mutate") == {
        ("", "pods", "", "CREATE"),
        ("", "namespaces", "", "CREATE"),
    }
    final = [rule for rule in RULES if rule.phase == "final"]
    assert registered(rulebook(*final, mends=False), "mutate") == set()
    raw = made(kinds=(POD, *WORKLOADS, GATEWAY), phase="raw", subresources=("", "resize"))
    assert registered(rulebook(raw), "mutate") == {
        ("", "pods", "", "CREATE"),
        ("gateway.networking.k8s.io", "gateways", "", "CREATE"),
    }


def test_without_mutation_there_is_no_mutating_configuration() -> None:
    (only,) = webhooks(rulebook(*RULES), mutate=False)
    assert only["kind"] == "ValidatingWebhookConfiguration"


def _with_action(action: Any, override: Any) -> Rulebook:
    rule = made(kinds=(GATEWAY,))
    some = LabelSelector.parse({"matchLabels": {"stage": "canary"}})
    default = ActiveRule(rule, action, rule.check)
    return Rulebook.of(
        Site(), [Configured(default, ((some, ActiveRule(rule, override, rule.check)),))]
    )


@pytest.mark.parametrize(
    ("action", "override", "stands"),
    [("off", "off", False), ("off", "warn", True), ("audit", "off", True)],
)
def test_a_rule_that_is_off_everywhere_is_left_out(
    action: str, override: str, *, stands: bool
) -> None:
    found = entries(*webhooks(_with_action(action, override)))
    assert ("gateways.validate.sallyport.dev" in found) is stands


def test_trusted_namespaces_are_left_out_by_the_label_that_nobody_can_forge() -> None:
    names = TRUSTED_NAMES | {"platform-tools"}
    book = rulebook(*RULES, made(kinds=(GATEWAY,)))
    book = replace(book, site=Site(trusted=Trusted(names, label=True)))
    found = entries(*webhooks(book))
    everywhere = {
        f"{resource}.validate.sallyport.dev"
        for resource in (
            "cluster-network-policies",
            "gateways",
            "istio",
            "namespaces",
            "persistentvolumes",
            "runtimeclasses",
            "storageclasses",
        )
    } | {"namespaces.mutate.sallyport.dev"}
    assert everywhere <= set(found)
    del found["mesh-config.validate.sallyport.dev"]
    for name, entry in found.items():
        if name in everywhere:
            assert "namespaceSelector" not in entry
            continue
        assert entry["namespaceSelector"] == {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": sorted(names),
                }
            ]
        }


def test_of_config_maps_only_those_of_the_mesh_in_its_root_namespace_are_sent() -> None:
    book = replace(rulebook(*RULES), site=Site(mesh=Mesh(root="mesh-system")))
    entry = entries(*webhooks(book))["mesh-config.validate.sallyport.dev"]
    (only,) = entry["namespaceSelector"]["matchExpressions"]
    assert only == {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": ["mesh-system"],
    }
    (condition,) = entry["matchConditions"]
    assert "startsWith('istio-shared-configmap-')" in condition["expression"]
    assert entry["rules"][0]["operations"] == ["CREATE", "UPDATE", "DELETE"]


def test_a_subresource_may_have_an_entry_with_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"labels-changed": "object.metadata.labels != oldObject.metadata.labels"}
    row = {"pods/status": Entry("pod-status", tenants=True, conditions=changed)}
    monkeypatch.setattr(configuration, "ENTRIES", {**configuration.ENTRIES, **row})
    rule = made(kinds=(POD,), operations=frozenset({"UPDATE"}), subresources=("status", "resize"))
    found = entries(*webhooks(rulebook(rule)))
    assert found["pods.validate.sallyport.dev"]["rules"][0]["resources"] == ["pods/resize"]
    status = found["pod-status.validate.sallyport.dev"]
    assert status["rules"][0]["resources"] == ["pods/status"]
    assert status["matchConditions"] == [
        {"name": "labels-changed", "expression": changed["labels-changed"]}
    ]


def test_namespaces_are_sent_whatever_they_say_of_themselves() -> None:
    found = entries(*webhooks(rulebook(*RULES)))["namespaces.validate.sallyport.dev"]
    assert {name: rule["operations"] for rule in found["rules"] for name in rule["resources"]} == {
        "namespaces": ["CREATE", "UPDATE", "DELETE"],
        "namespaces/finalize": ["CREATE", "UPDATE"],
        "namespaces/status": ["CREATE", "UPDATE"],
    }
    (condition,) = found["matchConditions"]
    assert condition["name"] == "labels-or-annotations-changed"
    assert condition["expression"].startswith("request.operation != 'UPDATE' || ")


def test_what_writes_the_addresses_of_services_is_sent() -> None:
    (sent,) = entries(*webhooks(rulebook(*RULES)))["services.validate.sallyport.dev"]["rules"]
    assert sent["resources"] == ["services", "services/status"]


def test_the_server_is_reached_as_a_service() -> None:
    mutate, validate = webhooks(rulebook(*RULES))
    for found, path in ((mutate, "/mutate"), (validate, "/validate")):
        service = {"namespace": "sallyport-system", "name": "sallyport", "port": 443, "path": path}
        for entry in found["webhooks"]:
            assert entry["clientConfig"] == {"service": service}


@pytest.mark.parametrize("url", ["https://127.0.0.1:8443", "https://127.0.0.1:8443/"])
def test_the_server_is_reached_at_a_url(url: str) -> None:
    ca = issue.issue_authority(["127.0.0.1"], now=datetime.now(UTC)).certificate
    mutate, validate = webhooks(rulebook(*RULES), url=url, ca_bundle=ca, failure_policy="Ignore")
    for found, path in ((mutate, "mutate"), (validate, "validate")):
        for entry in found["webhooks"]:
            assert entry["failurePolicy"] == "Ignore"
            assert entry["clientConfig"] == {
                "url": f"https://127.0.0.1:8443/{path}",
                "caBundle": base64.b64encode(ca).decode(),
            }


def test_a_bundle_that_the_api_server_would_drop_is_refused() -> None:
    with pytest.raises(pem.BadPair):
        webhooks(rulebook(*RULES), ca_bundle=b"-----BEGIN CERTIFICATE-----\nnonsense\n")
