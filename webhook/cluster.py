"""Files to a Cluster: the view of what else exists, where no API server is asked.

A live view replaces only where the objects come from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rules.model import JSON
from rules.review import Cluster
from rules.site import Site
from webhook.documents import read_paths
from webhook.objects import DEFAULT_NAMESPACE, Key, Kinds
from webhook.rulebook import catalogue
from webhook.text import Mistake, Text


class BadView(ValueError):
    """Files of a cluster that cannot be read; `mistakes` are all of them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class Stored:
    """The objects of a cluster by their identity, and what could not be read."""

    objects: Mapping[Key, JSON] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()
    texts: tuple[Text, ...] = ()


def read(paths: Iterable[Path | str], *, namespace: str = DEFAULT_NAMESPACE) -> Stored:
    """The objects in these files and folders; of two with one identity the later counts.

    `namespace` is where an object is that does not say.
    """
    reading = read_paths(map(str, paths), sys.stdin.buffer.read)
    kinds = Kinds(catalogue())
    objects = dict(kinds.place(document.value, namespace) for document in reading.documents)
    return Stored(objects, reading.mistakes, reading.texts)


def load(paths: Iterable[Path | str], site: Site) -> Cluster:
    """The view that these files describe. Raises BadView where one cannot be read."""
    stored = read(paths)
    if stored.mistakes:
        raise BadView(stored.mistakes)
    return Cluster.of(stored.objects.values(), site)
