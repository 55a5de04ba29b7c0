"""The environment and the flags to Settings. The only reader of the environment.

A flag `--tls-cert F` has the variable `SALLYPORT_TLS_CERT`; the flag wins. Lists are separated by
`:` as in PATH. What has no flag is for those who know why they need it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhook.opa_options import BadOpa, OpaOptions, read_options

PREFIX = "SALLYPORT_"
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})
_LARGEST_PORT = 65535


class BadSettings(ValueError):
    """Flags and environment with which the server cannot start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `sallyport serve` needs to know. Ports: 0 takes a free one.

    Without files of a `cluster` the API server is asked: that of the `kubeconfig`, or where that is
    "" the one that runs our pod, whose address is `service` ("" outside of a pod).
    """

    tls_cert: Path
    tls_key: Path
    cluster: tuple[Path, ...] = ()
    kubeconfig: str = ""
    service: str = ""
    rulebook: Path | None = None
    denied_images: Path | None = None
    threats: Path | None = None
    host: str = "0.0.0.0"  # noqa: S104  # a webhook is called from outside its pod
    port: int = 8443
    probe_port: int = 9080
    audit: bool = False
    mutate: bool = True
    drain_seconds: float = 20.0
    opa: OpaOptions | None = None


def read_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings of `serve`: flags that are None or empty are taken from the environment.

    `flags` has the names of argparse: tls_cert, no_mutate ... Raises BadSettings.
    """
    given = _Given(flags, os.environ if environment is None else environment)
    paths = tuple(Path(path) for path in given.many("cluster"))
    if not (given.text("tls_cert") and given.text("tls_key")):
        raise BadSettings(
            "--tls-cert and --tls-key are needed: the API server calls webhooks over TLS only; "
            "`sallyport certs issue --out DIR` makes a pair"
        )
    return Settings(
        tls_cert=Path(given.text("tls_cert")),
        tls_key=Path(given.text("tls_key")),
        cluster=paths,
        kubeconfig=given.environment.get("KUBECONFIG", ""),
        service=_service(given.environment),
        rulebook=given.file("rulebook"),
        denied_images=given.file("denied_images"),
        threats=given.file("threats"),
        host=given.text("host") or "0.0.0.0",  # noqa: S104  # see Settings
        port=given.port("port", 8443),
        probe_port=given.port("probe_port", 9080),
        audit=given.flag("audit"),
        mutate=not given.flag("no_mutate"),
        drain_seconds=given.seconds("drain_seconds", 20.0),
        opa=read_opa(flags, environment),
    )


def read_opa(
    flags: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> OpaOptions | None:
    """The OPA server to ask, None where none is named. Raises BadSettings."""
    given = _Given(flags, os.environ if environment is None else environment)
    try:
        return read_options(given.text, required=given.flag("opa_required"))
    except BadOpa as bad:
        raise BadSettings(str(bad)) from bad


def wants_colour(*, terminal: bool) -> bool:
    """Whether output may be coloured; see no-color.org."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class _Given:
    """What was said, by flag or else by variable."""

    flags: Mapping[str, Any]
    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.flags.get(name)
        return str(value) if value is not None else self.environment.get(_variable(name), "")

    def file(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text) if text else None

    def many(self, name: str) -> list[str]:
        value = self.flags.get(name) or self.environment.get(_variable(name), "").split(os.pathsep)
        return [text for text in value if text]

    def flag(self, name: str) -> bool:
        if self.flags.get(name):
            return True
        text = self.environment.get(_variable(name), "").lower()
        if text not in _YES | _NO:
            raise BadSettings(f"{_variable(name)} is {text!r}; it must be true or false")
        return text in _YES

    def port(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_PORT:
            raise BadSettings(f"{name.replace('_', '-')} is {text!r}; it must be 0 to 65535")
        return int(text)

    def seconds(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise BadSettings(f"{_variable(name)} is {text!r}; it must be seconds, 0 or more")
        return value


def _service(environment: Mapping[str, str]) -> str:
    """The API server's address for pods, which the kubelet puts into each; "" outside of one."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"[{host}]" if ":" in host else host
    return f"https://{address}:{port}" if host else ""


def _variable(name: str) -> str:
    return PREFIX + name.upper()
