"""Objects, decoded when somebody asks for them, and what rules share of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Self, TypeVar

from rules.evidence import Mention, mentions
from rules.model import JSON
from rules.pods import Pod

_Value = TypeVar("_Value")


class Lazy(Generic[_Value]):
    """A value made when it is first asked for, once."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], _Value] | None, value: Any = None) -> None:
        self._make = make
        self._value: _Value = value

    @classmethod
    def of(cls, value: _Value) -> Self:
        """A value that is there already."""
        return cls(None, value)

    def get(self) -> _Value:
        """The value; what making it raises is raised each time."""
        make = self._make
        if make is not None:  # two threads may both make it, and neither finds half of it
            self._value = make()
            self._make = None
        return self._value


class Outline(NamedTuple):
    """What is known of a pod, or of a workload's template, before it is decoded.

    `name` is that of the object, one that is yet to be made as its prefix and `*`; `labels` are
    the pod's; `text` is all else that rules read of the pod, as it was written.
    """

    name: str
    labels: Mapping[str, str | None] | None
    text: bytes


class Decoded(NamedTuple):
    """An object, and whether it is known to have the shape that `rules.shapes` names."""

    value: JSON
    fits: bool = False


class Content:
    """An object, decoded when it is first asked for; what rules share of it is read once."""

    __slots__ = ("_decoded", "_made", "_pod", "outline")

    def __init__(self, decoded: Lazy[Decoded], outline: Outline | None = None) -> None:
        self._decoded = decoded
        self.outline = outline
        self._pod: Pod | None = None
        self._made: dict[str, tuple[object, Any]] = {}

    @classmethod
    def of(cls, value: JSON, *, fits: bool = False, outline: Outline | None = None) -> Self:
        """An object that is decoded already."""
        return cls(Lazy.of(Decoded(value, fits)), outline)

    def get(self) -> JSON:
        """The object; what decoding it raises is raised each time."""
        return self._decoded.get().value

    @property
    def fits(self) -> bool:
        """Whether the object is known to have the shape that `rules.shapes` names."""
        return self._decoded.get().fits

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """The URLs in the object, read as a pod."""
        return self.once("mentions", None, lambda: tuple(mentions(self.pod)))

    @property
    def pod(self) -> Pod:
        """The object read as a pod."""
        if self._pod is None:
            self._pod = Pod.of(self.get())
        return self._pod

    def once(self, what: str, about: object, make: Callable[[], _Value]) -> _Value:
        """What several rules make of the object and of `about`, the same each time: made once."""
        known = self._made.get(what)
        if known is None or known[0] is not about:
            known = self._made[what] = about, make()
        made: _Value = known[1]
        return made


NOTHING: Content = Content.of(None)
