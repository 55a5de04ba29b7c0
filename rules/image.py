"""Image references (`registry/path:tag@digest`) as container runtimes read them.

Source: distribution/reference, the grammar and its normalization: a name without a registry is
docker.io's, and one of a single component lives in `library/` there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

LONGEST_NAME = 255
LONGEST = 1024
"""Characters of the longest text that is looked at."""
HOME = "docker.io"
DOCKERS = frozenset({HOME, "index.docker.io", "registry-1.docker.io"})
"""The hosts that serve the content of docker.io."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*))"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


class InvalidImage(ValueError):
    """A text that is no image reference."""


class Image(NamedTuple):
    """Where an image is and which one. `tag` and `digest` are "" where none is given."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and path, as `registries` of a rulebook are compared with."""
        return f"{self.registry}/{self.path}"

    @property
    def moves(self) -> bool:
        """Whether the same reference may mean another image tomorrow, by its own account."""
        return not self.digest and self.tag in {"", "latest"}

    def among(self, entries: Collection[str]) -> str:
        """The entry of a list that means this image: its digest, or where it comes from; or ""."""
        if self.digest.lower() in entries:
            return self.digest.lower()
        steps = [_address(self.registry), *self.path.split("/")]
        places = ("/".join(steps[:depth]) for depth in range(len(steps), 0, -1))
        return next((place for place in places if place in entries), "")

    def within(self, places: Iterable[str]) -> bool:
        """Whether the image is at one of these places, or below: they end at a `/`."""
        return any(f"{self.name}/".startswith(f"{place.rstrip('/')}/") for place in places)


@lru_cache(maxsize=1024)  # many pods run one image
def parse(text: str) -> Image:
    """The image that the reference names. Raises InvalidImage where it names none."""
    match = _REFERENCE.fullmatch(text) if len(text) <= LONGEST else None
    if match is None or len(match["name"]) > LONGEST_NAME or _IDENTIFIER.fullmatch(text):
        raise InvalidImage("is no image reference such as registry.example/team/app:1.2")
    domain, path = match["domain"] or "", match["path"]
    if domain and not _is_registry(domain):
        domain, path = "", f"{domain}/{path}"
    if domain in {"", "index.docker.io"}:
        domain = HOME
    if domain == HOME and "/" not in path:
        path = f"library/{path}"
    return Image(domain, path, match["tag"] or "", match["digest"] or "")


def entries(text: str) -> frozenset[str]:
    """What a line of a list of images means, as `Image.among` looks for it. Raises InvalidImage.

    It is `sha256:...` or a place: a repository, what lies above several, or a whole registry.
    `docker.io/a` may be meant as the image `a` of Docker or as all of the account `a`: it is both.
    """
    if _DIGEST.fullmatch(text):
        return frozenset({text.lower()})
    place = text.rstrip("/")
    if "/" not in place and _is_host(place):
        return frozenset({_address(place)})
    image = None if ":" in place.rpartition("/")[2] else parse(place)
    if image is None or image.digest:
        raise InvalidImage(
            "is neither a digest, sha256:..., nor a repository without tag or digest"
        )
    name = f"{_address(image.registry)}/{image.path}"
    return frozenset({name, place} if place.startswith(f"{HOME}/") else {name})


def _address(registry: str) -> str:
    """The one name of a registry: of several by which its content can be had."""
    name = registry.lower().removesuffix(":443")
    return HOME if name in DOCKERS else name


def _is_host(text: str) -> bool:
    """Whether a text without `/` names a registry and no repository of docker.io."""
    host = text.partition(":")[0]
    return bool(re.fullmatch(_DOMAIN, text)) and ("." in host or host == "localhost")


def _is_registry(first: str) -> bool:
    """A first component is a registry if no path of docker.io could begin like it."""
    return first == "localhost" or first != first.lower() or any(mark in first for mark in ".:[")
