"""What do the rules of an AuthorizationPolicy let in? As Istio reads them, not as they look.

Source: istio/istio pilot/pkg/security/authz/{builder,model,matcher}, as told in sandbox-and-mesh 5
and 5.1. Sources are OR-ed, and so are operations and the values of a field; the fields of one
source are AND-ed. What only excludes (`notX`), is empty or cannot be read restricts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Literal, NamedTuple

from rules.model import JSON, Path
from rules.pods import mapping

Kind = Literal["everything", "negative", "any-source"]

_IDENTITIES = ("principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains")
_FROM_TLS = ("principals", "namespaces", "serviceAccounts", "trustDomains")
_ADDRESSES = ("ipBlocks", "remoteIpBlocks")
_OPERATION = ("hosts", "ports", "methods", "paths")
_KEYS = {
    "source.principal": "principals",
    "source.namespace": "namespaces",
    "source.serviceAccount": "serviceAccounts",
    "source.trustDomain": "trustDomains",
    "source.ip": "ipBlocks",
    "remote.ip": "ipBlocks",
    "destination.ip": "ipBlocks",
    "request.auth.principal": "requestPrincipals",
    "request.auth.audiences": "requestPrincipals",
    "request.auth.presenter": "requestPrincipals",
    "destination.port": "ports",
    "connection.sni": "hosts",
}
"""The keys of `when`, and the field whose values theirs are like."""
_FREE_KEYS = ("request.headers[", "request.auth.claims[", "experimental.envoy.filters.")
_ANYTHING = re.compile(r"/?\*+|/\{\*\*\}")
_ANY_NAMESPACE = re.compile(r"[^/]*(?:/(?:n(?:s/?)?)?)?\*+")
_EXACT_STARS = ("namespaces", "paths", "ipBlocks", "remoteIpBlocks", "ports")


def _lists(*names: str) -> dict[str, list[type]]:
    """The shape of fields and of what they exclude: `hosts` and `notHosts`."""
    excluding = (f"not{name[0].upper()}{name[1:]}" for name in names)
    return {name: [str] for name in (*names, *excluding)}


SHAPE = {
    "from": [{"source": _lists(*_IDENTITIES, *_ADDRESSES)}],
    "to": [{"operation": _lists(*_OPERATION)}],
    "when": [{"key": str, "values": [str], "notValues": [str]}],
}
"""The shape of a rule."""


class Opening(NamedTuple):
    """A place where a rule lets in more than an ALLOW may.

    `everything`: nothing in the rule restricts it. `negative`: a source says only who is not meant.
    `any-source`: it restricts what may be asked, and not who asks.
    """

    path: Path
    kind: Kind


class _Part(NamedTuple):
    """Whether a part of a rule restricts nothing, and the value that makes it so, if one does."""

    open: bool
    culprit: Path | None = None


def openings(found: JSON, path: Path, *, mesh_wide: bool) -> Iterator[Opening]:
    """What these rules let in. `mesh_wide`: to ask for any identity of the mesh is to restrict."""
    for index, value in enumerate(found if isinstance(found, list) else ()):
        yield from _openings(mapping(value), (*path, index), mesh_wide=mesh_wide)


def void_values(found: JSON, path: Path) -> Iterator[tuple[Path, str]]:
    """The values that match nothing, ever: each with its place."""
    for index, value in enumerate(found if isinstance(found, list) else ()):
        for part, inner in (("from", "source"), ("to", "operation")):
            for where, fields in items_of(mapping(value), part, inner, (*path, index)):
                for field, values in fields.items():
                    positive = field.removeprefix("not")
                    name = positive[:1].lower() + positive[1:]
                    for place, text in _values(values, (*where, field)):
                        if text is not None and _never_matches(name, text):
                            yield place, text


def named_identities(found: JSON, path: Path) -> Iterator[tuple[Path, JSON]]:
    """The lists of identities that callers have by mutual TLS alone, with their places."""
    for index, value in enumerate(found if isinstance(found, list) else ()):
        for where, fields in items_of(mapping(value), "from", "source", (*path, index)):
            for name in _FROM_TLS:
                if fields.get(name):
                    yield (*where, name), fields[name]
        for where, condition in list_of(mapping(value), "when", (*path, index)):
            stated = mapping(condition)
            key = stated.get("key")
            about_them = not isinstance(key, str) or _KEYS.get(key) in _FROM_TLS
            if about_them and stated.get("values"):
                yield (*where, "values"), stated["values"]


def _openings(value: Mapping[str, JSON], path: Path, *, mesh_wide: bool) -> Iterator[Opening]:
    sources = list(items_of(value, "from", "source", path))
    who = _who(sources, mesh_wide=mesh_wide)
    what = _any_open(
        [_fields(f, _OPERATION, w) for w, f in items_of(value, "to", "operation", path)]
    )
    when = [_condition(*item, mesh_wide=mesh_wide) for item in list_of(value, "when", path)]
    how = _Part(all(part.open for part in when), next((p.culprit for p in when if p.culprit), None))
    place = who.culprit or what.culprit or how.culprit or path
    if who.open and what.open and how.open:
        yield Opening(place, "everything")
    elif not all(_is_positive(fields) for _, fields in sources):
        yield Opening(path, "negative")
    elif how.open and _who(sources, mesh_wide=True).open:
        yield Opening(place, "any-source")


def _who(sources: list[tuple[Path, Mapping[str, JSON]]], *, mesh_wide: bool) -> _Part:
    """Sources restrict if each does, and their address blocks do so together."""
    parts: list[_Part] = []
    blocks: list[str | None] = []
    places: list[Path] = []
    for path, fields in sources:
        part = _fields(fields, _IDENTITIES, path, mesh_wide=mesh_wide)
        if part.open:
            listed = [
                found for name in _ADDRESSES if (found := _values(fields.get(name), (*path, name)))
            ]
            if listed:  # of two fields that both must match, the narrower says more
                best = next((f for f in listed if not _is_every_address(_texts(f))), listed[0])
                blocks += _texts(best)
                places.append(best[0][0])
            else:
                parts.append(part)
        else:
            parts.append(part)
    if blocks:
        parts.append(_Part(_is_every_address(blocks), places[0]))
    return _any_open(parts)


def _fields(
    fields: Mapping[str, JSON], names: tuple[str, ...], path: Path, *, mesh_wide: bool = False
) -> _Part:
    """Fields restrict if one of them does: one whose values are all narrow."""
    culprit = None
    for name in names:
        listed = _values(fields.get(name), (*path, name))
        wide = [place for place, text in listed if _is_wide(name, text, mesh_wide=mesh_wide)]
        if listed and not wide:
            return _Part(open=False)
        stated = [place for place, text in listed if text is not None and place in wide]
        culprit = culprit or next(iter(stated), None)
    return _Part(open=True, culprit=culprit)


def _condition(path: Path, value: JSON, *, mesh_wide: bool) -> _Part:
    key = mapping(value).get("key")
    listed = _values(mapping(value).get("values"), (*path, "values"))
    if not listed:
        return _Part(open=True)
    if not isinstance(key, str) or not (key in _KEYS or key.startswith(_FREE_KEYS)):
        return _Part(open=True, culprit=listed[0][0])
    name = _KEYS.get(key, "requestPrincipals" if key.startswith("request.auth.") else "values")
    if name == "ipBlocks":
        return _Part(_is_every_address(_texts(listed)), listed[0][0])
    wide = any(_is_wide(name, text, mesh_wide=mesh_wide) for _, text in listed)
    return _Part(wide, listed[0][0])


def _any_open(parts: list[_Part]) -> _Part:
    """Alternatives restrict if there are some, and each does."""
    found = [part for part in parts if part.open]
    return _Part(bool(found) or not parts, next((p.culprit for p in found if p.culprit), None))


def _is_wide(name: str, text: str | None, *, mesh_wide: bool) -> bool:
    """Whether a value matches whatever comes; of identities, whatever comes from the mesh."""
    if text is None:
        return True
    if name not in _IDENTITIES:
        return bool(_ANYTHING.fullmatch(text))
    if mesh_wide:
        return False
    if name == "principals":
        unbound = text.startswith("*") and "/ns/" not in text
        return unbound or bool(_ANY_NAMESPACE.fullmatch(text))
    return name == "trustDomains" or bool(_ANYTHING.fullmatch(text))


def _is_every_address(blocks: list[str | None]) -> bool:
    """Whether the blocks together cover all of a family, or one of them is none."""
    four: list[IPv4Network] = []
    six: list[IPv6Network] = []
    for text in blocks:
        try:
            network = ip_network(text or "", strict=False)
        except ValueError:
            return True
        (four if isinstance(network, IPv4Network) else six).append(network)  # type: ignore[arg-type]
    widest = [*collapse_addresses(four)][:1], [*collapse_addresses(six)][:1]
    return any(network.prefixlen == 0 for found in widest for network in found)


def _is_positive(fields: Mapping[str, JSON]) -> bool:
    return any(_values(fields.get(name), ()) for name in (*_IDENTITIES, *_ADDRESSES))


def _never_matches(name: str, text: str) -> bool:
    if name == "methods" and text != text.upper():
        return True
    if name == "principals" and text.startswith("spiffe://"):
        return True
    inner = text[1:] if text.startswith("*") else text.removesuffix("*")
    return name not in _EXACT_STARS and "*" in inner


def items_of(
    value: Mapping[str, JSON], part: str, inner: str, path: Path
) -> list[tuple[Path, Mapping[str, JSON]]]:
    """The sources or operations of a rule, each with its place."""
    return [((*where, inner), mapping(item, inner)) for where, item in list_of(value, part, path)]


def list_of(value: Mapping[str, JSON], key: str, path: Path) -> list[tuple[Path, JSON]]:
    """The items of a list in a rule, each with its place."""
    found = value.get(key)
    items = found if isinstance(found, list) else ()
    return [((*path, key, index), item) for index, item in enumerate(items)]


def _values(found: JSON, path: Path) -> list[tuple[Path, str | None]]:
    """The texts of a list with their places; None stands for what is no text."""
    items = found if isinstance(found, list) else ()
    return [
        ((*path, index), item if isinstance(item, str) else None)
        for index, item in enumerate(items)
    ]


def _texts(listed: list[tuple[Path, str | None]]) -> list[str | None]:
    return [text for _, text in listed]
