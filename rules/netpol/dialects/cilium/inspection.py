"""What an item of `toPorts` asks above the port: requests, TLS, server names, a listener."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from rules.netpol.dialects.cilium.names import read_name
from rules.netpol.dialects.cilium.ports import number
from rules.netpol.fields import JSON, listed, mapping, maps, text
from rules.netpol.model import L7, Direction, Inspection, Unknown
from rules.netpol.parts import strangers
from rules.selectors import Path, describe

LANGUAGES = ("http", "dns")
FIELDS = ("rules", "serverNames", "terminatingTLS", "originatingTLS", "listener")
_HTTP = ("path", "method", "host", "headers", "headerMatches")
_TEXTS = ("path", "method", "host")
_OF_PARSER = {"http": L7.HTTP_CLEAR, "dns": L7.DNS, "listener": L7.OPAQUE}
_SERVER_NAME = re.compile(r"[-a-zA-Z0-9_*]+(?:\.[-a-zA-Z0-9_*]+)*\.?")


def read_inspection(node: JSON) -> Inspection:
    """What the item asks of the proxy; what of it cannot be read, `faults` says."""
    rules = mapping(node, "rules")
    spoken = next((language for language in LANGUAGES if rules.get(language)), "")
    names = node.get("serverNames")
    blocks = [_secret(node.get(field)) for field in ("terminatingTLS", "originatingTLS")]
    parser: Any = spoken or ("tls" if names or any(blocks) else "")
    return Inspection(
        parser="listener" if "listener" in node else parser,
        rules=frozenset(map(_text, listed(rules, spoken))),
        server_names=frozenset(
            each for each in listed(node, "serverNames") if isinstance(each, str)
        ),
        terminating=blocks[0],
        originating=blocks[1],
        listener=_listener(mapping(node, "listener")),
    )


def layer7(inspection: Inspection) -> L7:
    """What that comes to. Of all TLS blocks only server names prove that there is TLS."""
    if inspection.terminating and inspection.originating:
        return L7.TLS_BRIDGED
    if inspection.server_names:
        return L7.TLS_SNI
    if inspection.terminating:
        return L7.TLS_TERMINATED
    return _OF_PARSER.get(inspection.parser, L7.NONE)


def faults(node: JSON, path: Path, direction: Direction, *, host: bool) -> Iterator[Unknown]:
    """What is wrong with what an item asks; `host`: its rule is about nodes."""
    yield from _rules_faults(node, path, direction, host=host)
    yield from _server_name_faults(node, path)
    for field in ("terminatingTLS", "originatingTLS"):
        if field in node and not text(mapping(node, field, "secret"), "name"):
            found = describe(node[field])
            yield Unknown((*path, field), found, "a map with the name of a secret")
    if "listener" in node:
        place = (*path, "listener")
        if not text(mapping(node, "listener", "envoyConfig"), "name"):
            yield Unknown(place, describe(node["listener"]), "a map with name and envoyConfig")
        if direction == "ingress":
            yield Unknown(place, "on ingress", "on egress, the only place for one", "void")
        if any(mapping(node, "rules").values()):
            yield Unknown(place, "beside rules", "the only one of both", "void")


def _rules_faults(node: JSON, path: Path, direction: Direction, *, host: bool) -> Iterator[Unknown]:
    if "rules" not in node:
        return
    rules, place = node["rules"], (*path, "rules")
    if not isinstance(rules, dict):
        yield Unknown(place, describe(rules), "a map with http or dns")
        return
    yield from strangers(rules, LANGUAGES, place)
    spoken = [language for language in LANGUAGES if language in rules]
    if len(spoken) != 1:
        found = " and ".join(spoken) or "without any"
        yield Unknown(place, found, "a map with exactly one of http and dns")
        return
    language, items = spoken[0], rules[spoken[0]]
    if not isinstance(items, list):
        yield Unknown((*place, language), describe(items), "a list of rules")
        return
    for index, item in enumerate(items):
        yield from _item_faults(language, item, (*place, language, index))
    if items and language == "dns" and direction == "ingress":
        yield Unknown((*place, language), "on ingress", "on egress, the only place for it", "void")
    if items and host and (language == "http" or direction == "ingress"):
        yield Unknown((*place, language), "about nodes", "about pods", "void")
    if items:
        yield from _port_faults(node, path, language)


def _item_faults(language: str, item: Any, path: Path) -> Iterator[Unknown]:
    if language == "dns":
        yield from (each for each in read_name(item, path) if isinstance(each, Unknown))
    elif not isinstance(item, dict):
        yield Unknown(path, describe(item), f"a map with {', '.join(_HTTP)}")
    else:
        yield from strangers(item, _HTTP, path)
        for field in _TEXTS:
            if not isinstance(item.get(field, ""), str):
                yield Unknown((*path, field), describe(item[field]), "a text")


def _port_faults(node: JSON, path: Path, language: str) -> Iterator[Unknown]:
    """Requests are read on TCP only, those of DNS on UDP, too; and on single ports."""
    ports = node.get("ports")
    if language == "dns" and not ports:
        yield Unknown((*path, "ports"), "empty", "port 53, for DNS is asked", "void")
    for index, port in enumerate(maps(node, "ports")):
        place, first = (*path, "ports", index), number(text(port, "port"))
        protocol, end = port.get("protocol", "ANY"), port.get("endPort")
        if language != "dns" and protocol != "TCP":
            wanted = f"TCP, for {language} rules are read on no other"
            yield Unknown((*place, "protocol"), describe(protocol), wanted, "void")
        if first == 0:
            yield Unknown((*place, "port"), "any port", "one port, for rules are asked", "void")
        if language == "dns" and first is not None and isinstance(end, int) and end > first:
            yield Unknown((*place, "endPort"), describe(end), "absent, for DNS is asked", "void")


def _server_name_faults(node: JSON, path: Path) -> Iterator[Unknown]:
    if "serverNames" not in node:
        return
    names, place = node["serverNames"], (*path, "serverNames")
    if not isinstance(names, list) or not names:
        found = "empty" if names == [] else describe(names)
        yield Unknown(place, found, "a list of at least one name")
        return
    for index, name in enumerate(names):
        if not (isinstance(name, str) and _SERVER_NAME.fullmatch(name)):
            yield Unknown((*place, index), describe(name), "a name such as example.com")
    if any(mapping(node, "rules").values()) and "terminatingTLS" not in node:
        yield Unknown(place, "beside rules", "with terminatingTLS, to read them under TLS", "void")


def _text(rule: Any) -> str:
    """A rule as a text that tells it from others; of one that no JSON can write, what it is."""
    try:
        return json.dumps(rule, sort_keys=True)
    except (TypeError, ValueError):
        return describe(rule)


def _secret(block: Any) -> str:
    secret = mapping(block, "secret")
    return f"{text(secret, 'namespace')}/{text(secret, 'name')}" if secret else ""


def _listener(node: JSON) -> str:
    config = mapping(node, "envoyConfig")
    named = (text(config, "kind"), text(config, "name"), text(node, "name"))
    return "/".join(named) if node else ""
