"""What in a rule of an AuthorizationPolicy only HTTP has, and which ports the rule is about.

Source: istio/istio pilot/pkg/security/authz/model/generator.go: what it says must not be asked of
TCP.
"""

from __future__ import annotations

from rules.authorization import items_of, list_of
from rules.model import JSON, Path
from rules.pods import mapping

_ONLY_HTTP = {
    ("from", "source"): ("requestPrincipals", "notRequestPrincipals"),
    ("to", "operation"): ("paths", "notPaths", "methods", "notMethods", "hosts", "notHosts"),
}
_ONLY_HTTP_KEYS = ("request.headers", "request.auth.")


def condition_of(value: JSON, path: Path) -> tuple[Path, JSON] | None:
    """The first place of a rule that asks for something of HTTP."""
    for (part, inner), fields in _ONLY_HTTP.items():
        for where, stated in items_of(value, part, inner, path):
            for field in fields:
                if stated.get(field):
                    return (*where, field), stated[field]
    for where, stated in list_of(value, "when", path):
        key = mapping(stated).get("key")
        if isinstance(key, str) and key.startswith(_ONLY_HTTP_KEYS):
            return (*where, "key"), key
    return None


def is_about(value: JSON, port: str) -> bool:
    """Whether a rule is about a port, by its number as text."""
    stated = [fields for _, fields in items_of(value, "to", "operation", ())]
    when = [mapping(each) for _, each in list_of(value, "when", ())]
    return any(_takes(each, "ports", "notPorts", port) for each in stated or [{}]) and all(
        _takes(each, "values", "notValues", port)
        for each in when
        if each.get("key") == "destination.port"
    )


def _takes(stated: JSON, wanted: str, unwanted: str, port: str) -> bool:
    some, none = stated.get(wanted), stated.get(unwanted)
    return (not some or not isinstance(some, list) or port in some) and not (
        isinstance(none, list) and port in none
    )
