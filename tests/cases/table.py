"""Tables of cases: YAML -> the request each row makes, the view it meets, and the wanted answer.

A table has `bases`, whole objects, and `cases`. A case has a `row`, `about`, and one object: under
`object` in full, or under the name of a base as the merge patch (RFC 7396) of it, in which a key
that is the name of a container changes that container. Besides:

- `change`: a merge patch too; the request is an UPDATE of the object to what it makes of it.
- `operation` (CREATE), `subresource`, `as` (a key of PEOPLE), `phase` (raw: the author's text).
- `rulebook` in place of the built-in one; `world` in place of world.yaml, `beside` on top of it.
- `says`: all Findings, each `effect check place`; `patch`: what is filled in. None if left out.
- `server`: `refuses`, what the API server itself says before it asks us; `admits`, why it gets the
  answer yes where an injector stands beside us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from rules.model import JSON, NAMESPACE, Kind, OperationName, Phase
from tests.examples import kind_of
from tests.reviews import ask

FOLDER = Path(__file__).parent
WORLD = FOLDER / "world.yaml"
TABLES = ("section_6", "samples", "evidence")
PEOPLE: Mapping[str, JSON] = {
    "developer": {"username": "developer", "groups": ["owners", "system:authenticated"]},
    "platform": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
    "namespace-controller": {
        "username": "system:serviceaccount:kube-system:namespace-controller",
        "groups": [
            "system:serviceaccounts",
            "system:serviceaccounts:kube-system",
            "system:authenticated",
        ],
    },
}
_KEYS = {
    "row", "about", "object", "change", "operation", "subresource", "as", "phase", "rulebook",
    "world", "beside", "says", "patch", "server",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row, or one of several that make up a row.

    `is_served`: an API server that has the objects of world.yaml can be asked.
    """

    row: str
    about: str
    object: JSON
    old: JSON = None
    change: JSON = None
    operation: OperationName = "CREATE"
    subresource: str = ""
    asker: JSON = None
    phase: Phase = "raw"
    rulebook: JSON = None
    world: tuple[JSON, ...] = ()
    is_served: bool = True
    says: tuple[str, ...] = ()
    patch: tuple[JSON, ...] = ()
    server: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of its object."""
        return kind_of(self.subject)

    @property
    def subject(self) -> JSON:
        """The object, of a deletion the one that goes."""
        return self.old if self.object is None else self.object

    @property
    def namespace(self) -> str:
        """That of the request: the API server says of a Namespace that it lives in itself."""
        metadata = self.subject["metadata"]
        return str(metadata["name"] if self.kind is NAMESPACE else metadata.get("namespace", ""))

    @property
    def denials(self) -> list[str]:
        """The places at which something is denied."""
        return self._places("deny")

    @property
    def warnings(self) -> list[str]:
        """The places at which something is warned of."""
        return self._places("warn")

    def _places(self, wanted: str) -> list[str]:
        parts = [said.split(" ", 2) for said in self.says]
        return [place for effect, _, place in parts if effect == wanted]

    def review(self) -> JSON:
        """The AdmissionReview that the API server would send."""
        return ask(
            self.object,
            self.kind,
            operation=self.operation,
            old=self.old,
            subResource=self.subresource,
            namespace=self.namespace,
            name=self.subject["metadata"]["name"],
            userInfo=self.asker,
        )


def read_world() -> tuple[JSON, ...]:
    """The objects of world.yaml."""
    return tuple(yaml.safe_load_all(WORLD.read_text(encoding="utf-8")))


def read_cases(name: str) -> list[Case]:
    """The cases of a table, in its order. Raises ValueError for a key that nobody reads."""
    table = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    world = read_world()
    return [_read(stated, table["bases"], world) for stated in table["cases"]]


def _read(stated: Mapping[str, Any], bases: Mapping[str, JSON], world: tuple[JSON, ...]) -> Case:
    if unread := set(stated) - _KEYS - set(bases):
        raise ValueError(f"row {stated['row']}: nobody reads {sorted(unread)}")
    value = _whole(stated, bases)
    old, operation = None, stated.get("operation", "CREATE")
    if "change" in stated:
        value, old, operation = merge(value, stated["change"]), value, "UPDATE"
    elif operation == "DELETE":
        value, old = None, value
    return Case(
        row=str(stated["row"]),
        about=stated["about"],
        object=value,
        old=old,
        change=stated.get("change"),
        operation=operation,
        subresource=stated.get("subresource", ""),
        asker=PEOPLE[stated.get("as", "developer")],
        phase=cast("Phase", stated.get("phase", "final" if "meshed" in stated else "raw")),
        rulebook=stated.get("rulebook"),
        world=(*stated.get("world", world), *stated.get("beside", ())),
        is_served={"world", "beside"}.isdisjoint(stated)
        and ("meshed" not in stated or operation == "UPDATE"),
        says=tuple(_flat(stated.get("says", ()))),
        patch=tuple(stated.get("patch", ())),
        server=stated.get("server", {}),
    )


def _whole(stated: Mapping[str, Any], bases: Mapping[str, JSON]) -> JSON:
    """The object of a case, with what every manifest says filled in."""
    for name, base in bases.items():
        if name in stated:
            return merge(base, stated[name])
    value = stated["object"]
    kind = kind_of(value)
    usual = {"name": "case"} | ({"namespace": "t"} if kind.namespaced else {})
    filled = {"apiVersion": kind.api_version, "metadata": usual}
    return merge(filled, value)


def merge(value: JSON, patch: JSON) -> JSON:
    """The value after a merge patch, in which names of containers stand for them."""
    if not isinstance(value, dict) or not isinstance(patch, dict):
        return patch
    named = {container["name"]: container for container in _containers(value)}
    merged = dict(value)
    for key, change in patch.items():
        if key in named:
            merged["spec"] = _replace(merged["spec"], named[key], merge(named[key], change))
        elif change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(value.get(key, {}), change)
    return merged


def _containers(value: JSON) -> Iterator[JSON]:
    spec = value.get("spec")
    if isinstance(spec, dict):
        yield from spec.get("containers", ())
        yield from spec.get("initContainers", ())


def _replace(spec: JSON, old: JSON, new: JSON) -> JSON:
    lists = {key: spec[key] for key in ("containers", "initContainers") if key in spec}
    return spec | {
        key: [new if item is old else item for item in items] for key, items in lists.items()
    }


def _flat(said: Any) -> Iterator[str]:
    for item in said:
        if isinstance(item, str):
            yield item
        else:
            yield from _flat(item)
