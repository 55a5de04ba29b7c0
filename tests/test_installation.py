"""manifests/ against a real API server: accepted, repeatable, and with no more rights than said."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from certs import cluster, issue, keep
from rules.model import JSON
from tests.control_plane.cluster import ControlPlane
from tests.test_manifests import BASE, BUILT_IN, ENFORCE, pods
from webhook.configuration import everything
from webhook.doors import MUTATE, VALIDATE
from webhook.followed import FOLLOWED
from webhook.kept import Kept

pytestmark = pytest.mark.control_plane

HOME = "sallyport-system"
SERVER = f"system:serviceaccount:{HOME}:sallyport"
KEEPER = f"system:serviceaccount:{HOME}:sallyport-certs"


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane with manifests/base applied, and afterwards without a trace of it.

    All tests here share it: each leaves base applied, whatever it applies in between.
    """
    done = control_plane.kubectl("apply", "-k", str(BASE))
    assert done.stderr == "", "a warning: the API server or PodSecurity is not content"
    yield control_plane
    control_plane.kubectl("delete", "-k", str(BASE))
    left = control_plane.kubectl("get", "-k", str(BASE), "--ignore-not-found", check=False)
    assert left.stdout == ""


def test_applying_again_changes_nothing(installed: ControlPlane) -> None:
    for way in ((), ("--server-side", "--force-conflicts", "--field-manager=gitops")):
        installed.kubectl("apply", *way, "-k", str(BASE))
        assert installed.kubectl("diff", *way, "-k", str(BASE)).stdout == ""


def test_pod_security_and_priorities_admit_the_pods(installed: ControlPlane) -> None:
    for component in ("server", "certs"):  # the controllers make them; without nodes they wait
        chosen = f"--selector=app.kubernetes.io/component={component}"
        wait = ("wait", "pods", "-n", HOME, chosen, "--for=create", "--timeout=30s")
        installed.kubectl(*wait)


def test_another_image_is_accepted_where_the_job_is_gone(installed: ControlPlane) -> None:
    printed = everything(BUILT_IN)
    image = next(pods(printed))["spec"]["containers"][0]["image"]
    manifests = yaml.safe_dump_all(printed)
    for other in ("sallyport:next", image):
        installed.kubectl("delete", "job", "sallyport-certs", "-n", HOME)
        installed.apply(manifests.replace(image, other))


@pytest.mark.parametrize(
    "question",
    [
        ("get", "secrets", "-n", HOME),
        ("delete", "pods", "-A"),
        ("patch", "namespaces/default"),
        ("delete", "runtimeclasses/kata"),
        ("create", "mutatingwebhookconfigurations"),
        ("list", "configmaps", "-n", HOME),
        ("create", "pods", "-n", HOME),
        ("patch", f"validatingwebhookconfigurations/{VALIDATE.configuration}"),
        ("create", "serviceaccounts/sallyport", "--subresource=token", "-n", HOME),
    ],
    ids=" ".join,
)
def test_the_server_may_not(installed: ControlPlane, question: tuple[str, ...]) -> None:
    assert not _may(installed, SERVER, *question)


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
@pytest.mark.parametrize("kept", FOLLOWED, ids=lambda kept: kept.kind.resource)
def test_the_server_may_follow_the_cluster(installed: ControlPlane, verb: str, kept: Kept) -> None:
    asked = {"verb": verb, "group": kept.kind.group, "resource": kept.kind.resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": SERVER, "resourceAttributes": asked},
    }  # `kubectl auth can-i` knows installed kinds alone
    said = installed.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)).stdout
    assert json.loads(said)["status"]["allowed"]


@pytest.mark.parametrize(
    "question",
    [
        ("get", f"secrets/{cluster.AUTHORITIES}", "-n", HOME),
        ("patch", f"secrets/{cluster.SERVED}", "-n", HOME),
        ("get", f"validatingwebhookconfigurations/{VALIDATE.configuration}"),
        ("patch", f"mutatingwebhookconfigurations/{MUTATE.configuration}"),
    ],
    ids=" ".join,
)
def test_who_keeps_certificates_may(installed: ControlPlane, question: tuple[str, ...]) -> None:
    assert _may(installed, KEEPER, *question)


@pytest.mark.parametrize(
    "question",
    [
        ("create", "secrets", "-n", HOME),
        ("list", "secrets", "-n", HOME),
        ("get", "secrets/other", "-n", HOME),
        ("get", f"secrets/{cluster.AUTHORITIES}", "-n", "default"),
        ("delete", f"validatingwebhookconfigurations/{VALIDATE.configuration}"),
        ("update", f"validatingwebhookconfigurations/{VALIDATE.configuration}"),
        ("patch", "validatingwebhookconfigurations/other"),
        ("create", "pods", "-n", HOME),
    ],
    ids=" ".join,
)
def test_who_keeps_certificates_may_not(installed: ControlPlane, question: tuple[str, ...]) -> None:
    assert not _may(installed, KEEPER, *question)


def _may(control_plane: ControlPlane, account: str, *question: str) -> bool:
    done = control_plane.kubectl("auth", "can-i", *question, f"--as={account}", check=False)
    return {"yes": True, "no": False}[done.stdout.split()[0]]


def test_certificates_are_issued_with_those_rights_and_outlive_an_apply(
    installed: ControlPlane, tmp_path: Path
) -> None:
    store = cluster.Cluster(
        cluster.connect(_kubeconfig(installed, tmp_path)),
        HOME,
        mutating=[MUTATE.configuration],
        validating=[VALIDATE.configuration],
    )
    names = [issue.service_name("sallyport", HOME)]
    keep.keep_cluster(store, names, clock=lambda: datetime.now(UTC))
    before = _state(installed)
    for step in (BASE, ENFORCE, BASE):
        installed.kubectl("apply", "-k", str(step))
        assert _state(installed) == before


def _state(control_plane: ControlPlane) -> JSON:
    """The Secret that is served and every caBundle, all of which must be there."""
    served = _get(control_plane, "secret", cluster.SERVED, "-n", HOME)["data"]
    assert b"BEGIN CERTIFICATE" in base64.b64decode(served["tls.crt"])
    bundles = [
        entry["clientConfig"]["caBundle"]
        for door in (MUTATE, VALIDATE)
        for entry in _get(control_plane, door.kind, door.configuration)["webhooks"]
    ]
    return served, bundles


def _get(control_plane: ControlPlane, *what: str) -> JSON:
    return json.loads(control_plane.kubectl("get", *what, "-o", "json").stdout)


def _kubeconfig(control_plane: ControlPlane, folder: Path) -> Path:
    """Access with the token of the account that keeps certificates."""
    config = json.loads(control_plane.kubeconfig().read_text())
    token = control_plane.kubectl("create", "token", "sallyport-certs", "-n", HOME).stdout.strip()
    config["users"][0]["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    return file
