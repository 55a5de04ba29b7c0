"""Where an OPA server is and how it is to be asked: `--opa` and its companions, checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PACKAGE = "sallyport"
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_PORTS = {"http": 80, "https": 443}


class BadOpa(ValueError):
    """Options with which OPA cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaOptions:
    """An OPA server, and the package whose `findings` are asked for.

    `authority` signs its certificate (else the system's authorities do); `certificate` and `key`
    are our own. `required`: without it the server is not ready.
    """

    host: str
    port: int
    tls: bool = False
    package: str = PACKAGE
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    required: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read from disk."""
        return tuple(path for path in (self.authority, self.certificate, self.key) if path)


def read_options(text: Callable[[str], str], *, required: bool) -> OpaOptions | None:
    """The options, None where no server is named. Raises BadOpa.

    `text` gives what was said for a name: `opa`, `opa_package`, `opa_ca`, `opa_cert`, `opa_key`.
    """
    files = {name: Path(text(name)) for name in ("opa_ca", "opa_cert", "opa_key") if text(name)}
    if not text("opa"):
        if files or text("opa_package") or required:
            raise BadOpa("--opa URL is needed: other options for OPA are given")
        return None
    host, port, tls = _read_url(text("opa"))
    package = text("opa_package") or PACKAGE
    if not _PACKAGE.fullmatch(package):
        raise BadOpa(f"--opa-package is {package!r}; it must be a package such as site.admission")
    if files and not tls:
        raise BadOpa("--opa-ca, --opa-cert and --opa-key are of TLS; --opa must begin with https")
    if ("opa_cert" in files) != ("opa_key" in files):
        raise BadOpa("--opa-cert and --opa-key belong together; one of them is missing")
    return OpaOptions(
        host=host,
        port=port,
        tls=tls,
        package=package,
        authority=files.get("opa_ca"),
        certificate=files.get("opa_cert"),
        key=files.get("opa_key"),
        required=required,
    )


def _read_url(text: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken; the client has no place for more."""
    wanted = "it must be http://HOST[:PORT] or https://HOST[:PORT]"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise BadOpa(f"--opa is {text!r}: {error}; {wanted}") from error
    beyond = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc
    if url.scheme not in _PORTS or not url.hostname or beyond:
        raise BadOpa(f"--opa is {text!r}; {wanted}, and nothing else")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return host, _PORTS[url.scheme] if port is None else port, url.scheme == "https"
