"""managedFields, as the API server keeps books of who set what: half of many objects."""

from __future__ import annotations

import json

from rules.model import JSON

KEYS = ("name", "containerPort", "mountPath", "type", "uid", "key")
"""What names an item in the lists of pods and of conditions; ports have their protocol beside."""


def fields_of(value: JSON) -> JSON:
    """The FieldsV1 of an object that one manager set altogether."""
    return {f"f:{key}": _members(inner) for key, inner in value.items()}


def _members(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {f"f:{key}": _owned(inner) for key, inner in value.items()}
    return {}


def _owned(value: JSON) -> JSON:
    """A field that its manager made, and may take away again: that is the dot."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        found = {_key(item): {".": {}, **_members(item)} for item in value}
        return {".": {}, **found} if None not in found else {}
    return {".": {}, **_members(value)} if value and isinstance(value, dict) else {}


def _key(item: JSON) -> str | None:
    """`k:{"name":"web"}`, or None where nothing names the item: such lists are set whole."""
    if "mountPath" in item:
        named = {"mountPath": item["mountPath"]}
    elif "containerPort" in item:
        named = {"containerPort": item["containerPort"], "protocol": "TCP"}
    else:
        named = {key: item[key] for key in KEYS if key in item}
        named = dict(list(named.items())[:1])
    return f"k:{json.dumps(named, separators=(',', ':'))}" if named else None
