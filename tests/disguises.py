"""Ways to write the same request otherwise: what it asks for stays, and so must the answer.

Null counts as absent, quantities and image references have many spellings, host names have no
case, and of two items with one name both are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network

from rules.image import HOME, InvalidImage, parse
from rules.model import JSON, Operation, Path
from rules.patch import apply, lookup
from rules.quantity import InvalidQuantity
from rules.quantity import parse as parse_quantity
from tests.examples import Example

Edit = tuple[Path, JSON]
"""A place in an object, and what shall stand there."""
Disguise = Callable[[JSON], Iterator[Edit]]
"""The edits of an object that change nothing of what it asks for."""

FREE_KEYS = frozenset(
    {
        *("annotations", "labels", "limits", "matchLabels", "nodeSelector", "parameters"),
        *("portLevelMtls", "requests", "selector"),
    }
)
"""Maps whose keys are not fields: in them null is a value."""
FIELDS = (
    *("metadata", "labels", "annotations", "spec", "template", "selector", "name", "value"),
    *("containers", "initContainers", "ephemeralContainers", "volumes", "emptyDir", "hostPath"),
    *("image", "env", "valueFrom", "ports", "resources", "limits", "restartPolicy"),
    *("securityContext", "privileged", "runAsUser", "capabilities", "runtimeClassName"),
    *("rules", "action", "from", "to", "when", "source", "operation", "targetRefs", "jwks"),
    *("host", "hosts", "exportTo", "endpoints", "trafficPolicy", "subsets", "tls", "mode"),
    *("mtls", "portLevelMtls", "workloadSelector", "egress", "ingress"),
)
"""Fields of all kinds; where one is not of the map, the API server drops it."""
HOST_FIELDS = frozenset({"address", "host", "hosts", "issuer", "jwksUri"})


def edited(example: Example, edit: Edit) -> Example:
    """The example with its object edited."""
    path, value = edit
    operation = Operation("add" if lookup(example.object, path) is None else "replace", path, value)
    return replace(example, object=apply(example.object, [operation]))


def nulls(value: JSON) -> Iterator[Edit]:
    """Null for a field that is absent."""
    for path, found in nodes(value):
        if isinstance(found, dict) and FREE_KEYS.isdisjoint(path[-1:]):
            yield from (((*path, field), None) for field in FIELDS if field not in found)


def quantities(value: JSON) -> Iterator[Edit]:
    """Another spelling of the same amount of memory."""
    return _respelled(value, _spell_quantity)


def images(value: JSON) -> Iterator[Edit]:
    """Another spelling of the same image."""
    return _respelled(value, _spell_image)


def hosts(value: JSON) -> Iterator[Edit]:
    """A host in other case, and with the dot that ends a full name."""
    return _respelled(value, _spell_host)


def addresses(value: JSON) -> Iterator[Edit]:
    """The same network, named by another address of it."""
    return _respelled(value, _spell_network)


def twins(value: JSON) -> Iterator[Edit]:
    """A harmless item of the same name beside one of a list, before or behind it."""
    for path, found in nodes(value):
        if path and isinstance(path[-1], int) and isinstance(found, dict) and "name" in found:
            listed = lookup(value, path[:-1])
            for index in (path[-1], path[-1] + 1):
                yield path[:-1], [*listed[:index], _twin(path, found), *listed[index:]]


SPELLINGS: tuple[Disguise, ...] = (quantities, images, hosts, addresses, twins)
DISGUISES: tuple[Disguise, ...] = (nulls, *SPELLINGS)


def _twin(place: Path, value: JSON) -> JSON:
    """An item of the same name that asks for nothing."""
    kept = {"name", "image"} if place[-2] in {"containers", "initContainers"} else {"name"}
    twin = {key: found for key, found in value.items() if key in kept}
    return {**twin, "emptyDir": {}} if place[-2] == "volumes" else twin


def _respelled(value: JSON, spell: Callable[[Path, str], list[JSON]]) -> Iterator[Edit]:
    for path, found in nodes(value):
        if isinstance(found, str):
            yield from ((path, spelled) for spelled in spell(path, found))


def _spell_quantity(path: Path, text: str) -> list[JSON]:
    if path[-1] != "memory":
        return []
    try:
        size = parse_quantity(text)
    except InvalidQuantity:
        return []
    whole = size.numerator if size.denominator == 1 else None
    exact: list[JSON] = [] if whole is None else [whole, str(whole), f"{whole}000m", f"{whole}e0"]
    return [*exact, f"{float(size / 2**30)!r}Gi" if whole and whole % 2**20 == 0 else text]


def _spell_image(path: Path, text: str) -> list[JSON]:
    if path[-1] != "image":
        return []
    try:
        image = parse(text)
    except InvalidImage:
        return []
    tag, digest = f":{image.tag}" if image.tag else "", f"@{image.digest}" if image.digest else ""
    names = [image.name]
    if image.registry == HOME:
        names += [
            f"index.{image.name}",
            f"registry-1.{image.name}",
            image.path,
            image.path.removeprefix("library/"),
        ]
    return [f"{name}{tag}{digest}" for name in names]


def _spell_host(path: Path, text: str) -> list[JSON]:
    if HOST_FIELDS.isdisjoint(path[-2:]):
        return []
    scheme, separator, rest = text.rpartition("://")
    host, slash, behind = rest.partition("/")
    if "@" in host or ":" in host:
        return []
    start = f"{scheme}{separator}"
    return [f"{start}{form}{slash}{behind}" for form in (host.upper(), host.title(), f"{host}.")]


def _spell_network(path: Path, text: str) -> list[JSON]:
    try:
        network = ip_network(text)
    except ValueError:
        return []
    if "/" not in text or network.num_addresses == 1:
        return []
    return [f"{network[-1]}/{network.prefixlen}", f"{network[1]}/{network.prefixlen}"]


def nodes(value: JSON, path: Path = ()) -> Iterator[tuple[Path, JSON]]:
    """Everything in a value, and the value itself, each with its place."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from nodes(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, (*path, index))
