"""The ValidatingAdmissionPolicies: of the same table as the rule, and as an API server has them.

There our configurations stand and nobody answers: what is refused, the API server refuses itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from rules.guarded import guarded_labels
from rules.model import JSON
from tests.api_server.patience import await_that
from tests.control_plane.cluster import ControlPlane
from webhook.backstop import BINDING, enforced, policies
from webhook.configuration import webhooks
from webhook.rulebook import read
from webhook.text import Text

BUILT_IN = read(Text("", ""))


def test_every_guarded_key_stands_in_the_policy() -> None:
    book = read(Text("", "tenant: {label: example.com/team}"))
    text = json.dumps(policies(book))
    for guard in guarded_labels(book.site):
        assert guard.key in text


def test_who_is_the_platform_stands_in_each_policy() -> None:
    book = read(Text("", "platform: {users: ['a\"b'], groups: [core]}"))
    for policy in policies(book):
        if policy["kind"] != BINDING:
            (condition,) = policy["spec"]["matchConditions"]
            assert '["a\\"b"]' in condition["expression"]
            assert '["core"]' in condition["expression"]


def test_the_policy_of_a_rule_that_is_off_is_left_out() -> None:
    book = read(Text("", "rules: {namespace-keys-guarded: {action: off}}"))
    assert "sallyport-namespace-keys" not in json.dumps(policies(book))
    assert "sallyport-foreign-webhooks" in json.dumps(policies(book))


def _space(name: str, *, annotations: JSON = None, **labels: str) -> JSON:
    named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    metadata = {"name": name, "labels": named, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _webhook(name: str, bundle: str = "", **changed: JSON) -> JSON:
    client = {"url": "https://example.invalid/", "caBundle": bundle}
    hook = {
        "name": "a.example.com",
        "clientConfig": client,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook | changed],
    }


def _definition(url: str) -> JSON:
    version = {"served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    client = {"clientConfig": {"url": url}, "conversionReviewVersions": ["v1"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", **version}],
            "conversion": {"strategy": "Webhook", "webhook": client} if url else None,
        },
    }


def _service(priority: int) -> JSON:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.example.org"},
        "spec": {
            "group": "example.org",
            "version": "v1",
            "groupPriorityMinimum": priority,
            "versionPriority": 1,
            "service": {"namespace": "default", "name": "none"},
        },
    }


@pytest.fixture(scope="module")
def asked(control_plane: ControlPlane) -> Iterator[Callable[..., bool]]:
    """Whether a user with every right may apply an object, where the policies deny.

    Our server is down, and the webhook configurations ignore that.
    """
    nowhere = "https://127.0.0.1:9"  # the port "discard", where nobody listens
    objects = [*policies(BUILT_IN), *webhooks(BUILT_IN, url=nowhere, failure_policy="Ignore")]
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "test-backstop"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer"}
        ],
    }
    bound = {value["metadata"]["name"]: value["spec"] for value in enforced(objects)}
    for value in objects:
        if value["kind"] == BINDING:
            value["spec"] |= bound[value["metadata"]["name"]]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects, rights]})

    def ask(value: JSON, *flags: str, user: str = "developer") -> bool:
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-", *flags)
        done = control_plane.kubectl(*words, stdin=json.dumps(value), user=user, check=False)
        assert not done.returncode or "only the platform may" in done.stderr, done.stderr
        return done.returncode == 0

    control_plane.apply(text)
    space, definition = _space("probe", istio_io__x="x"), _definition("https://x.invalid")
    for probe in (space, definition, _webhook("probe"), _service(5)):
        refused = partial(_refused, ask, probe)
        await_that(refused, "the policies deny")
    yield ask
    control_plane.kubectl("delete", "-f", "-", stdin=text)


def _refused(ask: Callable[..., bool], value: JSON) -> bool:
    return not ask(value, "--dry-run=server")


def _drop(control_plane: ControlPlane, *objects: JSON) -> None:
    for value in objects:
        words = ("delete", "--ignore-not-found", "--wait=false", "-f", "-")
        control_plane.kubectl(*words, stdin=json.dumps(value))


@pytest.mark.control_plane
def test_the_keys_of_a_namespace_are_kept(
    asked: Callable[..., bool], control_plane: ControlPlane
) -> None:
    name = "backstop"
    held: Any = {"istio_io__rev": "asm-1"}
    node = {"scheduler.alpha.kubernetes.io/node-selector": "a=b"}
    try:
        assert not asked(_space(name, sallyport_dev__tenant="a"))
        assert not asked(_space(name, annotations=node))
        assert asked(_space(name, **held))
        assert asked(_space(name, team="a", **held))
        assert not asked(_space(name, istio_io__rev="asm-2"))
        for subresource in ("status", "finalize"):
            value = _space(name, sallyport_dev__mesh="off", **held)
            path = f"/api/v1/namespaces/{name}/{subresource}"
            words = ("replace", "--raw", path, "-f", "-")
            done = control_plane.kubectl(
                *words, stdin=json.dumps(value), user="developer", check=False
            )
            assert "only the platform may change labels" in done.stderr + done.stdout
        assert not asked(_space(name, **held | {"control-plane": "true"}))
        assert asked(_space(name, **held | {"control-plane": "true"}), user="admin")
        assert not asked(_space(name, **held | {"control-plane": "false"})), "nor change it"
        assert asked(_space(name, sallyport_dev__tenant="a"), user="admin")
    finally:
        _drop(control_plane, _space(name))


@pytest.mark.control_plane
def test_only_the_bundle_of_a_foreign_webhook_may_change(
    asked: Callable[..., bool], control_plane: ControlPlane
) -> None:
    name = "backstop"
    encoded = base64.b64encode(control_plane.ca_file.read_bytes()).decode()
    try:
        assert not asked(_webhook(name))
        assert asked(_webhook(name), user="admin")
        assert asked(_webhook(name, encoded))
        assert not asked(_webhook(name, encoded, failurePolicy="Fail"))
        assert not asked(_webhook(name, encoded, timeoutSeconds=1))
    finally:
        _drop(control_plane, _webhook(name))


@pytest.mark.control_plane
def test_conversions_and_api_services_are_kept(
    asked: Callable[..., bool], control_plane: ControlPlane
) -> None:
    plain, converting = _definition(""), _definition("https://example.invalid/")
    try:
        assert asked(plain)
        assert not asked(converting)
        assert asked(converting, user="admin")
        assert asked(converting)
        assert not asked(_definition("https://example.invalid/other"))
        assert not asked(_service(5))
        assert asked(_service(5), user="admin")
        assert not asked(_service(6))
    finally:
        _drop(control_plane, plain, _service(5))
