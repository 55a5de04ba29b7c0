"""What is decoded of the API server's words: of an object what is kept, of the rest nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec.json import Decoder

from rules.model import Kind
from webhook.api import ApiError

OVER = "over"
"""Kept of an object that is there and does not count, as a pod that has ended."""


class Garbage(ApiError):
    """What the API server sent is not of the shape that it promises."""

    reason = "garbage"


class _Metadata(msgspec.Struct, rename="camel"):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    namespace: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None


class Shape(msgspec.Struct):
    """What we decode of an object; a kind of which more is kept adds its fields."""

    metadata: _Metadata


class _Identity(msgspec.Struct, rename="camel"):
    name: str = ""  # a bookmark has none
    namespace: str = ""
    resource_version: str = ""


class _Identified(msgspec.Struct):
    metadata: _Identity


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    more: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


IDENTIFIED = Decoder(_Identified)
PAGE = Decoder(_Page)
EVENT = Decoder(_Event)
STATUS = Decoder(_Status)


class Item(NamedTuple):
    """An object: what is kept of it, None where it is not of its kind's shape.

    `key` is its namespace/name, or where it has no namespace the name alone.
    """

    key: str
    version: str
    value: Any


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind, what is decoded of each object, and what is kept of that.

    An `installed` kind comes with somebody's CustomResourceDefinition or API server, and may not be
    there. `shows`: another API server serves it, from what is stored in objects of that kind.
    """

    kind: Kind
    decoder: Decoder[Any]
    keep: Callable[[Any], Any]
    installed: bool = False
    shows: Kind | None = None

    @property
    def path(self) -> str:
        """Where the API server has them."""
        root = "/apis" if self.kind.group else "/api"
        return f"{root}/{self.kind.api_version}/{self.kind.resource}"

    def read(self, text: bytes | msgspec.Raw) -> Item:
        """An object. Raises Garbage where not even its name can be told."""
        try:
            found = parse(self.decoder, text)
        except Garbage:
            about = parse(IDENTIFIED, text).metadata
            if not about.name:
                raise
            return Item(_key(about), about.resource_version, None)
        return Item(_key(found.metadata), found.metadata.resource_version, self.keep(found))


def identity(text: bytes | msgspec.Raw) -> Item:
    """Which object it is, and nothing of what is kept of it; no key where that cannot be told."""
    try:
        about = parse(IDENTIFIED, text).metadata
    except Garbage:
        return Item("", "", None)
    return Item(_key(about), about.resource_version, None)


def _key(about: _Metadata | _Identity) -> str:
    return f"{about.namespace}/{about.name}" if about.namespace else about.name


def parse(decoder: Decoder[Any], text: bytes | msgspec.Raw) -> Any:
    """What the decoder makes of a text. Raises Garbage."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Garbage(str(error)) from error
