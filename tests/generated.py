"""Files that are written from the code, and the check that they are fresh.

`python -m tests.generated` writes them and removes what nothing generates any more; with `--check`
it writes nothing, names what is stale and exits 1. To generate another file, add it to `contents`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from rules.model import JSON
from tests import pages, reference
from tests.coverage_page import coverage_page
from webhook.backstop import enforced, policies
from webhook.configuration import webhooks
from webhook.rulebook import catalogue, load

ROOT = Path(__file__).parents[1]
OWNED = ("docs/rules/*.md",)
"""Where every file is generated: another one there is a leftover."""

_NOTE = "# Generated from the rules by `make docs`; do not edit.\n"


def contents() -> Mapping[str, str]:
    """The text of every generated file, by its path from the root."""
    rules = catalogue()
    built_in = load(None)
    configurations = webhooks(built_in, failure_policy="Ignore")
    return {
        "docs/cli.md": reference.command_line(),
        "docs/coverage.md": coverage_page(built_in),
        "docs/rulebook.md": pages.rulebook_page(built_in),
        "docs/rules/README.md": pages.catalogue_page(rules),
        **{f"docs/rules/{rule.name}.md": pages.rule_page(rule) for rule in rules},
        "manifests/base/webhooks.yaml": _manifest(configurations),
        "manifests/base/policies.yaml": _manifest(policies(built_in)),
        "manifests/overlays/enforce/policies.yaml": _manifest(enforced(policies(built_in))),
        "manifests/overlays/enforce/webhooks.yaml": _manifest(map(_enforced, configurations)),
    }


def stale(wanted: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """The paths whose file is missing, differs, or is no longer generated; sorted."""
    differing = {path for path, text in wanted.items() if _read(root / path) != text}
    found = {str(path.relative_to(root)) for pattern in OWNED for path in root.glob(pattern)}
    return sorted(differing | (found - set(wanted)))


def write(wanted: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Make the files what they should be; gives the paths that it touched."""
    touched = stale(wanted, root)
    for path in touched:
        file = root / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()
    return touched


def _enforced(configuration: JSON) -> JSON:
    """The patch that makes each entry of a configuration refuse what could not be judged."""
    return {
        "apiVersion": configuration["apiVersion"],
        "kind": configuration["kind"],
        "metadata": {"name": configuration["metadata"]["name"]},
        "webhooks": [
            {"name": entry["name"], "failurePolicy": "Fail"} for entry in configuration["webhooks"]
        ],
    }


def _manifest(objects: Iterable[JSON]) -> str:
    return _NOTE + yaml.safe_dump_all(objects, sort_keys=False)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str]) -> int:
    """See the module."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tests.generated [--check]\n")
        return 2
    wanted = contents()
    if not arguments:
        sys.stdout.writelines(f"{path}\n" for path in write(wanted))
        return 0
    found = stale(wanted)
    sys.stdout.writelines(f"{path} is stale; make docs writes it anew\n" for path in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
