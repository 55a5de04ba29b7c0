"""AdmissionReviews as they arrive, as types that msgspec decodes.

Reviews of pods and workloads, which are nearly all, are decoded in one of two forms: in outline,
which tells whether the pod is like one before, or with all that rules read of them.
Source: k8s.io/api/admission/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
from msgspec import Meta, Raw, Struct

from rules.content import Outline
from rules.model import JSON, PODS, OperationName
from rules.model import Kind as AnyKind
from rules.pods import TEMPLATES
from rules.shapes import SHAPES, Shape, once_per_shape

NULL = Raw(b"null")


class Kind(Struct):
    """A GroupVersionKind."""

    group: str = ""
    version: str = ""
    kind: str = ""


class Resource(Struct):
    """A GroupVersionResource."""

    group: str = ""
    version: str = ""
    resource: str = ""


class User(Struct):
    """Who asks."""

    username: str | None = None
    groups: list[str] | None = None


class Envelope(Struct):
    """What a request says besides the objects."""

    uid: Annotated[str, Meta(min_length=1, max_length=128)]
    kind: Kind
    resource: Resource
    operation: OperationName
    subResource: str | None = None  # noqa: N815  # as on the wire
    name: str | None = None
    namespace: str | None = None
    userInfo: Raw = NULL  # noqa: N815  # see `user`
    dryRun: bool | None = None  # noqa: N815
    requestKind: Kind | None = None  # noqa: N815


class Request(Envelope):
    """A request, its objects as they are written."""

    object: Raw = NULL
    oldObject: Raw = NULL  # noqa: N815


class Head(Struct):
    """What says that it is an AdmissionReview."""

    apiVersion: str  # noqa: N815
    kind: str


class _GenuineHead(Struct):
    apiVersion: Literal["admission.k8s.io/v1"]  # noqa: N815
    kind: Literal["AdmissionReview"]


class AdmissionReview(Head):
    """The body of a POST."""

    request: Request


class _Named(Struct, omit_defaults=True):
    name: str | None = None
    generateName: str | None = None  # noqa: N815


class _Metadata(_Named, omit_defaults=True):
    labels: dict[str, str | None] | None = None
    namespace: Raw = Raw()
    annotations: Raw = Raw()


class Form(NamedTuple):
    """How reviews of a kind are decoded where no rule reads beyond its shape.

    `outlined` and `whole` decode a body, the new object in outline or with all that rules read;
    `object` decodes the latter of an object alone. `steps` lead from an object to its pod.
    """

    resource: tuple[str, str]
    steps: tuple[str, ...]
    outlined: Callable[[bytes], Any]
    whole: Callable[[bytes], Any]
    object: Callable[[Raw], JSON]

    @classmethod
    def of(cls, kind: AnyKind) -> Form:
        """The form of a kind of pods or workloads."""
        steps = tuple(map(str, TEMPLATES.get((kind.group, kind.kind), ())))
        shape = _type_of(SHAPES[kind.kind])
        decoders = [
            msgspec.json.Decoder(type_).decode
            for type_ in (_review_of(_type_in_outline(steps)), _review_of(shape), shape)
        ]
        return cls((kind.group, kind.resource), steps, *decoders)

    def outline(self, found: Any) -> Outline | None:
        """What an object in outline is known by; None where it has no pod."""
        name = "" if found.metadata is None else _name_in(found.metadata)
        for step in self.steps:
            found = getattr(found, step)
            if found is None:
                return None
        labels, metadata = None, found.metadata
        if metadata is not None:
            labels = metadata.labels
            metadata.labels = metadata.name = metadata.generateName = None
        return Outline(name, labels, _encode(found))


def _name_in(metadata: _Named) -> str:
    if metadata.name:
        return metadata.name
    return f"{metadata.generateName}*" if metadata.generateName else ""


@once_per_shape
def _type_of(shape: Shape) -> Any:
    """The type that a shape is decoded as; what the shape does not name is skipped.

    Null counts as absent, but not in lists.
    """
    if isinstance(shape, list):
        return list[_type_of(shape[0])]  # type: ignore[misc]  # types made while running
    if not isinstance(shape, dict):
        return Any if shape is object else shape
    if str in shape:
        return dict[str, shape[str] | None]
    fields = {key: _type_of(inner) | None for key, inner in shape.items()}
    return TypedDict("Fields", fields, total=False)  # type: ignore[operator]


def _type_in_outline(steps: tuple[str, ...]) -> Any:
    """The type that an object is decoded as in outline, which has its pod at the end of the steps.

    Of the pod's spec, the fields that rules read stay as they are written.
    """
    fields = [(key, Raw, Raw()) for key in SHAPES["Pod"]["spec"]]
    spec = msgspec.defstruct("Spec", fields, omit_defaults=True)
    inner = _struct(metadata=_Metadata, spec=spec)
    for step in reversed(steps[1:]):
        inner = _struct(**{step: inner})
    return _struct(metadata=_Named, **{steps[0]: inner}) if steps else inner


def _struct(**fields: Any) -> Any:
    optional = [(key, type_ | None, None) for key, type_ in fields.items()]
    return msgspec.defstruct("Part", optional, omit_defaults=True)


def _review_of(type_: Any) -> Any:
    """An AdmissionReview whose new object is of this type."""
    request = msgspec.defstruct("Request", [("object", type_ | None, None)], bases=(Request,))
    return msgspec.defstruct("AdmissionReview", [("request", request)], bases=(_GenuineHead,))


_encode = msgspec.json.encode
user = msgspec.json.Decoder(User | None).decode
decode = msgspec.json.Decoder(AdmissionReview).decode
FORMS: Mapping[bytes, Form] = {
    b'{"group":"%b","version":"%b","resource":"%b"}'
    % (kind.group.encode(), kind.version.encode(), kind.resource.encode()): Form.of(kind)
    for kind in PODS
}
"""By the resource, as Go writes it."""
