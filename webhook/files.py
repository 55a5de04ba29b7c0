"""Files that change while we run: seen by what stat says, so that looking is cheap.

Watches of the kernel never fire on volumes of the kubelet, which swaps a symbolic link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_Stamp = tuple[str, int, int, int]


class Watched:
    """Some files and folders."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether anything changed since this was last asked."""
        found = self._look()
        changed = found != self._seen
        self._seen = found
        return changed

    def _look(self) -> frozenset[_Stamp]:
        return frozenset(_stamps(self._paths))


def _stamps(paths: Iterable[Path]) -> Iterator[_Stamp]:
    for path in paths:
        try:
            found = [path, *path.rglob("*")] if path.is_dir() else [path]
            for each in found:
                status = each.stat()
                yield str(each), status.st_ino, status.st_size, status.st_mtime_ns
        except OSError:
            yield str(path), 0, 0, 0
