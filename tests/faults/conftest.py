"""Servers that the rows of the fault table are put to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.serving import Serving, issue
from tests.reviews import ISOLATION, REVISION, SPACE

VIEW = f"""\
kind: Namespace
apiVersion: v1
metadata: {{name: {SPACE}, labels: {{sallyport.dev/tenant: blue}}}}
---
kind: Namespace
apiVersion: v1
metadata: {{name: canary, labels: {{stage: canary}}}}
---
kind: RuntimeClass
apiVersion: node.k8s.io/v1
metadata: {{name: kata-mshv-vm-isolation}}
handler: kata
---
kind: MutatingWebhookConfiguration
apiVersion: admissionregistration.k8s.io/v1
metadata: {{name: injector, labels: {{app: sidecar-injector, istio.io/rev: {REVISION}}}}}
---
{ISOLATION}"""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for our address, its key and its authority."""
    return issue(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all that a server need know of its cluster."""
    path = tmp_path_factory.mktemp("view") / "cluster.yaml"
    path.write_text(VIEW, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def server(keys: Path, view: Path) -> Iterator[Serving]:
    """A server on the built-in rulebook, shared by all rows that leave it as it was."""
    with Serving(keys, "--cluster", view) as serving:
        yield serving
        assert serving.process.poll() is None, "it did not survive the rows"
        assert "Traceback" not in serving.errors
        assert serving.probe("/livez") == (200, "ok\n")
