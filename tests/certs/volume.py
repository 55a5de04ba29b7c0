"""A folder as kubelet writes it for a Secret: links through `..data`, swapped at once."""

from __future__ import annotations

import shutil
from pathlib import Path

from certs.issue import Pair


class Volume:
    """`certificate` and `key` are the paths that a server is told."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        folder.mkdir()
        self._folder = folder
        self._version = 0
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.swap(pair)
        for path in (self.certificate, self.key):
            path.symlink_to(Path("..data") / path.name)

    @property
    def current(self) -> Path:
        """The folder of the version that is current."""
        return self._folder / f"..version-{self._version}"

    def swap(self, pair: Pair) -> None:
        """What kubelet does: a new folder, the link renamed over the old one, the old one gone."""
        old = self.current
        self._version += 1
        self.current.mkdir()
        (self.current / "tls.crt").write_bytes(pair.chain)
        (self.current / "tls.key").write_bytes(pair.key)
        fresh = self._folder / "..data_tmp"
        fresh.symlink_to(self.current.name)
        fresh.replace(self._folder / "..data")
        shutil.rmtree(old, ignore_errors=True)
