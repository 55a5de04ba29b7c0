"""The real injector: Istio's pilot-discovery, configured as the AKS add-on's revision."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import yaml

from certs.issue import issue_authority, issue_leaf
from rules.model import JSON
from tests.api_server.injector import REVISION, Injector
from tests.api_server.patience import PATIENCE
from tests.certs.volume import Volume
from tests.control_plane.binaries import Istio, istio_binaries
from tests.control_plane.cluster import ControlPlane, answers
from tests.control_plane.process import Process, free_ports

HOST = "127.0.0.1"
ROOT = "aks-istio-system"
INSTALLATION = (
    *("manifest", "generate", "--namespace", ROOT, "--set", "profile=minimal"),
    *("--set", f"revision={REVISION}", "--set", f"values.global.istioNamespace={ROOT}"),
    *("--set", "hub=mcr.microsoft.com/oss/istio", "--set", "tag=1.28.1"),
)
NEEDED = (f"istio-{REVISION}", f"istio-sidecar-injector-{REVISION}")
ENVIRONMENT = {
    "POD_NAMESPACE": ROOT,
    "POD_NAME": "istiod",
    "REVISION": REVISION,
    "CLUSTER_ID": "Kubernetes",
    "ENABLE_CA_SERVER": "false",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",  # we tell the API server ourselves
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "PILOT_ENABLE_ANALYSIS": "false",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "PILOT_ENABLE_STATUS": "false",
}
OTHERS = ("--httpAddr", "--grpcAddr", "--secureGRPCAddr", "--monitoringAddr", "--ctrlz_address")


@contextmanager
def pilot(control_plane: ControlPlane, folder: Path, *, native: bool) -> Iterator[Injector]:
    """It serves for as long as the context lasts. Its first start builds it."""
    istio = istio_binaries()
    rendered = installation(istio)
    _configure(control_plane, rendered)
    now = datetime.now(UTC)
    authority = issue_authority([HOST], now=now)
    pair = Volume(folder / f"pilot-{native}", issue_leaf(authority, [HOST], now=now))
    trusted = folder / f"pilot-{native}.crt"
    trusted.write_bytes(authority.certificate)
    port, *others = free_ports(1 + len(OTHERS))
    words = ["discovery", "--kubeconfig", str(control_plane.kubeconfig())]
    words += ["--clusterRegistriesNamespace", ROOT, "--httpsAddr", f"{HOST}:{port}"]
    words += ["--caCertFile", str(trusted)]
    words += ["--tlsCertFile", str(pair.certificate), "--tlsKeyFile", str(pair.key)]
    for flag, other in zip(OTHERS, others, strict=True):
        words += [flag, f"{HOST}:{other}"]
    process = Process([istio.pilot_discovery, *words], folder / f"pilot-{native}.log")
    natively = {"ENABLE_NATIVE_SIDECARS": str(native).lower()}
    process.start(
        {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)} | ENVIRONMENT | natively
    )
    try:
        process.wait_until(
            lambda: answers(f"{HOST}:{port}", "/ready", ca_file=trusted), seconds=PATIENCE
        )
        yield Injector(_webhooks(rendered, port, authority.certificate), native)
    finally:
        process.stop()


@cache
def installation(istio: Istio) -> tuple[JSON, ...]:
    """The objects that install this revision; rendered without a cluster."""
    done = subprocess.run(
        [str(istio.istioctl), *INSTALLATION],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return tuple(filter(None, yaml.safe_load_all(done.stdout)))


def _configure(control_plane: ControlPlane, rendered: tuple[JSON, ...]) -> None:
    """The ConfigMaps that the injector reads."""
    if control_plane.kubectl("get", "namespace", ROOT, check=False).returncode:
        control_plane.create_namespace(ROOT)
    for value in rendered:
        if value["kind"] == "ConfigMap" and value["metadata"]["name"] in NEEDED:
            control_plane.apply(yaml.safe_dump(value))


def _webhooks(rendered: tuple[JSON, ...], port: int, authority: bytes) -> JSON:
    """Those of the installation, with the address at which it is found here."""
    (configuration,) = (v for v in rendered if v["kind"] == "MutatingWebhookConfiguration")
    bundle = base64.b64encode(authority).decode()
    client = {"url": f"https://{HOST}:{port}/inject", "caBundle": bundle}
    return [webhook | {"clientConfig": client} for webhook in configuration["webhooks"]]
