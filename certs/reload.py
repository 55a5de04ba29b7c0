"""Serve a certificate that may change on disk, without a restart and without a failed handshake.

Clients meet a front context that holds no certificate. For each handshake its `sni_callback`,
which OpenSSL calls for clients without SNI too, puts the current context in its place. A new pair
is proved on a context of its own first: `load_cert_chain` on a live context leaves the server
dead when key and certificate do not match. Measured: specs/operations.md section 3.

Imports no more than ssl and cryptography: it stands in the path of the server's cold start.
"""

import hashlib
import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certs import pem
from certs.pem import BadPair

__all__ = ["BadPair", "ServedPair"]

_PROTOCOLS = ["http/1.1"]
_SWAPPED = "..data"  # kubelet swaps this link, so that all files of a volume change at once


@dataclass(frozen=True, slots=True)
class _Serving:
    """One proved pair."""

    context: ssl.SSLContext
    not_after: datetime
    serial: int
    digest: bytes


class ServedPair:
    """The certificate and key that a server presents, read from two files.

    Raises BadPair, which says why, where there is no good pair to begin with. May be refreshed
    from any thread: the swap is one assignment.
    """

    def __init__(self, certificate: Path, key: Path, *, now: datetime) -> None:
        self._certificate, self._key = certificate, key
        self._seen: tuple[object, ...] | None = None
        self.trouble: str | None = None
        seen = self._look()
        self._serving = _prove(*self._read(), now=now)
        self._seen = seen
        self.context = _build_context()
        self.context.sni_callback = self._present

    @property
    def not_after(self) -> datetime:
        """When the pair that is served expires (aware)."""
        return self._serving.not_after

    @property
    def serial(self) -> int:
        """The serial number of the leaf that is served."""
        return self._serving.serial

    def refresh(self, now: datetime) -> bool:
        """Serve what is on disk now, if it is another pair; True when it was swapped.

        Cheap to call: as long as nothing has changed on disk, it costs two calls of stat. A bad
        pair raises BadPair and the old one stays; it is tried again each time, since its dates may
        be in the future. `trouble` says the same for as long as it lasts.
        """
        seen = self._look()
        if seen is not None and seen == self._seen:
            return False
        try:
            texts = self._read()
            changed = _digest(*texts) != self._serving.digest
            if changed:
                self._serving = _prove(*texts, now=now)
        except BadPair as error:
            self._seen, self.trouble = None, str(error)
            raise
        self._seen, self.trouble = seen, None
        return changed

    def _present(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._serving.context

    def _look(self) -> tuple[object, ...] | None:
        """Something that differs after every change of the files; None where one is missing."""
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return None
        return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) for one in found)

    def _read(self) -> tuple[bytes, bytes]:
        """Certificate and key of one moment."""
        folders: dict[Path, int] = {}
        try:
            for folder in {self._certificate.parent, self._key.parent}:
                folders[folder] = _open_snapshot(folder)
            chain, key = (
                _read_file(path, folders[path.parent]) for path in (self._certificate, self._key)
            )
        except OSError as error:
            raise BadPair(f"{error.filename}: {error.strerror}") from error
        finally:
            for handle in folders.values():
                os.close(handle)
        return chain, key


def _open_snapshot(folder: Path) -> int:
    """A folder, opened; of a kubelet volume the version that its link points to now."""
    try:
        return os.open(folder / _SWAPPED, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _read_file(path: Path, folder: int) -> bytes:
    try:
        # Not blocking: a pipe in place of a file must not hold up the server.
        handle = os.open(path.name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        raise BadPair(f"{path}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadPair(f"{path} is no file")
        return file.read(pem.LIMIT + 1)


def _prove(chain: bytes, key: bytes, *, now: datetime) -> _Serving:
    leaf = pem.prove(chain, key, now=now)
    context = _build_context()
    try:
        with _as_file(key + b"\n" + chain) as path:
            context.load_cert_chain(path)
    except OSError as error:  # ssl.SSLError is one
        raise BadPair(f"OpenSSL refuses certificate and key: {error}") from error
    return _Serving(context, leaf.not_valid_after_utc, leaf.serial_number, _digest(chain, key))


def _build_context() -> ssl.SSLContext:
    """What front and serving context share: a session keeps some settings of either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOLS)
    # The caller's order of ciphers: the API server's begins with AES-128, whose SHA-256 the
    # processor computes; ours would begin with SHA-384, a tenth of the handshake's cost.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # The API server never resumes a session: tickets cost 40 us each handshake for nothing.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    return context


@contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """A path that OpenSSL can read `text` from, and nobody else: it takes no bytes.

    In memory on Linux, so it works on a read-only root without /tmp.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pair"), "wb") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(text)
            file.flush()
            yield file.name


def _digest(chain: bytes, key: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(chain).digest() + key).digest()
