"""What steers a container of Istio's beside its command: environment, hooks, probes and mounts.

An image, arguments and rights as Istio's own prove little where a variable names another authority,
a hook runs a shell as the uid that is not captured, or a volume covers the binary.
Source: istio/istio, files/injection-template.yaml and its injected test data, pkg/bootstrap,
pilot/cmd/pilot-agent, tools/istio-iptables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rules.model import JSON
from rules.pods import Container, handlers, items, mapping
from rules.words import quote

_NEVER = ("DISABLE_ENVOY", "ISTIO_BOOTSTRAP_OVERRIDE")
"""Variables that no platform sets: they turn the proxy off, or bring another configuration."""
_SWITCHES = frozenset(
    {
        *_NEVER,
        "CA_ROOT_CA",
        "DISABLE_REDIRECTION_ON_LOCAL_LOOPBACK",
        "ISTIO_BOOTSTRAP",
        "ISTIO_OUTBOUND_OWNER_GROUPS",
        "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "XDS_ROOT_CA",
    }
)
"""Variables that Istio's template does not set, and by which an author gets past it."""
_MODE = "ISTIO_META_INTERCEPTION_MODE"
_CONFIG = "PROXY_CONFIG"
_FILES = frozenset({"binarypath", "configpath", "customconfigfile", "proxybootstraptemplatepath"})
"""Settings that name files of the proxy, in lower case and without `_`: protobuf reads both."""
_COMMANDS = (["pilot-agent", "wait"], ["pilot-agent", "request"])
"""How the commands of Istio's own hooks begin."""

_ADDRESS = re.compile(r"[a-z0-9-]+\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?:\d+")

_MOUNTS = {
    "/var/run/secrets/workload-spiffe-uds": "workload-socket",
    "/var/run/secrets/credential-uds": "credential-socket",
    "/var/run/secrets/workload-spiffe-credentials": "workload-certs",
    "/var/run/secrets/istio": "istiod-ca-cert",
    "/var/run/secrets/istio/crl": "istio-ca-crl",
    "/var/lib/istio/data": "istio-data",
    "/etc/istio/proxy": "istio-envoy",
    "/var/run/secrets/tokens": "istio-token",
    "/etc/istio/pod": "istio-podinfo",
    "/etc/certs": "istio-certs",
}
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the API server itself mounts a token, into every container."""


def wrong_variables(container: Mapping[str, JSON]) -> Iterator[str]:
    """What no injector sets, however the platform configured it, each in a few words."""
    for _, variable in items(container, (), "env"):
        if variable.get("name") in _NEVER:
            yield _switched(variable["name"])


def wrong_settings(container: Mapping[str, JSON], homes: frozenset[str]) -> Iterator[str]:
    """What an author wrote into a container that Istio's template does not have, likewise.

    `homes` are the namespaces in which the control plane may be.
    """
    if container.get("envFrom"):
        yield "it takes variables by envFrom, and Istio names each"
    for _, variable in items(container, (), "env"):
        yield from _wrong_variable(variable.get("name"), variable.get("value"), homes)
    yield from _wrong_commands(container)
    for _, mount in items(container, (), "volumeMounts"):
        path = str(mount.get("mountPath") or "").rstrip("/")
        if path and path != _ACCOUNT and _MOUNTS.get(path) != mount.get("name"):
            yield f"it mounts {quote(mount.get('name'))} at {quote(path)}, and Istio does not"


def _wrong_variable(name: JSON, value: JSON, homes: frozenset[str]) -> Iterator[str]:
    if name == "CA_ADDR":
        if not _is_at(value, homes):
            yield f"its env CA_ADDR is {quote(value)}, which is no address of the platform"
    elif name == _MODE:
        if value != "REDIRECT":
            yield f'its env {name} is {quote(value)}, which must be "REDIRECT"'
    elif name == _CONFIG:
        yield from _wrong_config(value, homes)
    elif isinstance(name, str) and name in _SWITCHES:
        yield _switched(name)


def _switched(name: str) -> str:
    return f"its env has {name}, which turns the proxy off or changes it"


def _wrong_config(text: JSON, homes: frozenset[str]) -> Iterator[str]:
    """What is wrong with the settings of the proxy, which Istio writes as JSON."""
    try:
        settings: Any = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        yield f"its env {_CONFIG} is {quote(text)}, which is no map in JSON"
        return
    for key, value in settings.items():
        setting = key.replace("_", "").lower()
        if setting in _FILES:
            yield f"its env {_CONFIG} sets {quote(key)}, and Istio does not"
        elif setting == "interceptionmode" and value != "REDIRECT":
            yield f'its env {_CONFIG} sets {quote(key)} to {quote(value)}, not to "REDIRECT"'
        elif setting == "discoveryaddress" and not _is_at(value, homes):
            yield f"its env {_CONFIG} asks {quote(value)}, which is no address of the platform"
        elif setting == "proxymetadata":
            for name, inner in mapping(value).items():
                yield from _wrong_variable(name, inner, homes)


def _wrong_commands(container: Mapping[str, JSON]) -> Iterator[str]:
    """Hooks and probes run in the container, as the user whose traffic is not captured."""
    for path, handler in handlers(Container((), container)):
        command = mapping(handler, "exec").get("command")
        if isinstance(command, list) and command[:2] not in _COMMANDS:
            yield f"its {path[-1]} runs {quote(command)}, and Istio's does not"


def _is_at(address: JSON, homes: frozenset[str]) -> bool:
    """Whether an address, `host:port`, is a Service of one of these namespaces."""
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    return found is not None and found["namespace"] in homes
