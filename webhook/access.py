"""Where the API server is, and who we are to it: as the pod's service account, or a kubeconfig.

The official client knows both, but to import it costs two thirds of a second of every start and
20 MiB for as long as the server runs, and the server needs nothing else of it. A kubeconfig is for
trying the server out; programs that it names are not run.
Sources: Kubernetes documentation, "Accessing the Kubernetes API from a Pod" and "Kubeconfig (v1)".
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rules.model import JSON
from rules.pods import mapping

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PROGRAMS = ("exec", "auth-provider")


class NoWay(Exception):
    """Nothing says where the API server is, or how to be let in."""


@dataclass(frozen=True, slots=True)
class Access:
    """The API server's address, whom to take for it (None: it speaks no TLS), and our token."""

    url: str
    context: ssl.SSLContext | None = None
    token: str = ""
    token_file: Path | None = None

    def headers(self) -> Mapping[str, str]:
        """Who asks. A token file is read each time: the kubelet renews it. Raises OSError."""
        token = self.token
        if self.token_file is not None:
            token = self.token_file.read_text(encoding="utf-8").strip()
        return {"Authorization": f"Bearer {token}"} if token else {}


def find_access(kubeconfig: str, service: str, *, account: Path = ACCOUNT) -> Access:
    """The way to the API server of a kubeconfig, or where that is "" to that of our pod.

    `service` is its address for pods, https://HOST:PORT, or "" outside of one. Raises NoWay.
    """
    if not (kubeconfig or service):
        raise NoWay("neither KUBECONFIG nor KUBERNETES_SERVICE_HOST is set")
    try:
        return _of_kubeconfig(Path(kubeconfig)) if kubeconfig else _of_pod(service, account)
    except (OSError, ValueError, yaml.YAMLError) as error:  # a bad certificate is an OSError too
        raise NoWay(f"{kubeconfig or account}: {error}") from error


def _of_pod(service: str, account: Path) -> Access:
    context = _trusting(cafile=str(account / "ca.crt"))
    access = Access(service, context, token_file=account / "token")
    access.headers()  # say now, and not at every request, that there is no token
    return access


def _of_kubeconfig(path: Path) -> Access:
    config = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)  # a safe one
    context = _named(config, "context", mapping(config).get("current-context"))
    cluster = _named(config, "cluster", context.get("cluster"))
    user = _named(config, "user", context.get("user"))
    for key in _PROGRAMS:
        if key in user:
            raise ValueError(
                f"its user has {key!r}; a server runs no program to be let in: "
                "give it a token or a certificate"
            )
    url = str(cluster.get("server", "")).rstrip("/")
    if not url:
        raise ValueError("its cluster names no server")
    if not url.startswith("https:"):  # as of `kubectl proxy`, which asks for no token
        return Access(url)
    with _file(path, cluster, "certificate-authority") as authority:
        trust = _trusting(cafile=authority)
    with _file(path, user, "client-certificate") as cert, _file(path, user, "client-key") as own:
        if cert is not None:
            trust.load_cert_chain(cert, own)
    token_file = user.get("tokenFile")
    return Access(
        url,
        trust,
        token=str(user.get("token", "")),
        token_file=path.parent / token_file if token_file else None,
    )


def _named(config: JSON, what: str, name: JSON) -> Mapping[str, Any]:
    """The entry of this name in one of a kubeconfig's lists."""
    for entry in mapping(config).get(f"{what}s") or ():
        if mapping(entry).get("name") == name:
            return mapping(entry, what)
    raise ValueError(f"it has no {what} {name!r}")


@contextmanager
def _file(path: Path, entry: Mapping[str, Any], key: str) -> Iterator[str | None]:
    """The file of an entry, relative to the kubeconfig, or for a while one of what it holds."""
    data = entry.get(f"{key}-data")
    if data is None:
        named = entry.get(key)
        yield str(path.parent / named) if named else None
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(data))
        file.flush()
        yield file.name


def _trusting(*, cafile: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile)
    # Authorities of clusters lack extensions that only Python asks for, from version 3.13 on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
