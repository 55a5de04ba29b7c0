"""The command line of each program: defaults stay unless a line below says why not."""

from __future__ import annotations

from pathlib import Path

from tests.control_plane.access import CONTROLLER_MANAGER, Access

# An address for documentation (RFC 5737). The API server publishes it as the endpoint of Service
# `kubernetes`, refuses loopback there, and without it wants a machine with a default route.
ADVERTISED = "192.0.2.1"


def etcd(port: int, data: Path) -> list[str]:
    """Nothing reaches the disk on purpose: the data is thrown away with the test session."""
    url = f"http://127.0.0.1:{port}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",  # there are no peers: the kernel chooses
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(port: int, etcd_port: int, certs: Path, access: Access) -> list[str]:
    """Every default admission plugin stays on: they are part of what is tested."""
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--advertise-address={ADVERTISED}",
        f"--cert-dir={certs}",
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--token-auth-file={access.token_file}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={access.signing_key}",
        f"--service-account-signing-key-file={access.signing_key}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",  # whether a pod may be privileged is for admission to say
    ]


WITHOUT_CONTROLLER_MANAGER = (
    # Nobody makes the ServiceAccount `default` of a namespace, and the plugin insists on it.
    "--disable-admission-plugins=ServiceAccount",
)


def kube_controller_manager(port: int, certs: Path, ca_file: Path, keys: Access) -> list[str]:
    """Each controller under its own service account, as clusters have it and reviews show it."""
    return [
        f"--kubeconfig={keys.kubeconfig(CONTROLLER_MANAGER)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certs}",
        f"--root-ca-file={ca_file}",
        f"--service-account-private-key-file={keys.signing_key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",  # there is one
        "--kube-api-qps=500",  # tests wait for controllers, so controllers do not wait
        "--kube-api-burst=1000",
    ]
