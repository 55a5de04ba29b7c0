"""Values to YAML that reads back as it was, here and in Kubernetes."""

from __future__ import annotations

from typing import Any

import yaml

from rules.model import JSON
from webhook.yaml_scalar import NoJSON, read_scalar


def write(value: JSON) -> str:
    """The value as YAML, its innermost maps and lists on one line each."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100, indent=2
    )


def write_block(value: JSON) -> str:
    """The same in block style, as manifests are written; a text stays on its line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=10_000)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and in quotes what would not be read as text."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = read_scalar(text, None, plain=True) == text
    except NoJSON:
        plain = False
    style = None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
