"""The part of YAML in which `proxy.istio.io/config` may be written: a flat map of plain scalars.

Istio reads that annotation as YAML into protobuf, where one setting has several spellings and an
alias or a second key may say something else than the eye sees. What is read here, one `key: value`
a line or `{key: value, ...}`, every YAML reader reads alike; all else is refused.
Source: sandbox-and-mesh 7.4; istio/istio pkg/kube/inject/webhook.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rules.words import quote

LONGEST = 4096
"""Characters of the longest text that is looked at."""

_SCALAR = r'(?P<value>[A-Za-z0-9.]+|"[A-Za-z0-9.]*")'
_LINE = re.compile(rf"(?P<key>[A-Za-z_]+): +{_SCALAR} *")
_ENTRY = re.compile(rf'(?:(?P<key>[A-Za-z_]+): +|"(?P<quoted>[A-Za-z_]+)": *){_SCALAR}')
_FLOW = re.compile(r"[ \n]*\{(?P<entries>[^{}]*)\}[ \n]*")


class Unclear(ValueError):
    """A text that is not written so; the message goes on from its place."""


def read(text: str) -> Mapping[str, str]:
    """The settings by their keys, each value as it is written. Raises Unclear."""
    if len(text) > LONGEST:
        raise Unclear(f"has {len(text)} characters; it must have at most {LONGEST}")
    flow = _FLOW.fullmatch(text)
    if flow is not None:
        parts, form = [part.strip(" \n") for part in flow["entries"].split(",")], _ENTRY
        parts = parts if parts != [""] else []
    else:
        parts, form = [line for line in text.split("\n") if line.strip(" ")], _LINE
        if not parts:
            raise Unclear("is empty; it must be a map of settings")
    settings: dict[str, str] = {}
    for part in parts:
        entry = form.fullmatch(part)
        if entry is None:
            raise Unclear(f"has {quote(part)}; write one plain `key: value` a line")
        key = entry["key"] or entry.groupdict().get("quoted") or ""
        if key in settings:
            raise Unclear(f"sets {quote(key)} twice; it must be set once")
        settings[key] = entry["value"]
    return settings
