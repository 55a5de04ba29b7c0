"""The shape of a rulebook: which keys there are, and what may stand behind each.

One table, from which mistakes are told and the JSON schema is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rules.model import JSON, Mend, Path, Rule
from rules.outside import PREFIX
from rules.selectors import LABEL_KEY, InvalidSelector, LabelSelector
from rules.words import enumerate_words, kind_of, nearest, quote

Shape = Any
"""A map of keys to shapes (in a `Keys` with what such a key is called), a list of one, a Leaf."""

ACTIONS = ("enforce", "warn", "audit", "off")
MENDS: tuple[Mend, ...] = ("enforce", "warn", "off")
FEW = 20
"""So many names are told one by one; only rules are more."""
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ENFORCED = re.compile(r"[a-z0-9.-]+/(?:\*|[A-Z][A-Za-z0-9]*)")


class Fault(NamedTuple):
    """What is wrong at a path; `key`: the key itself, not what stands behind it."""

    path: Path
    message: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value without keys that we know: what must stand there, in words, for us and as schema."""

    wanted: str
    fits: Callable[[JSON], bool]
    schema: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Keys:
    """A map: its keys, what a key is called, and which must be there."""

    shapes: Mapping[str, Shape]
    called: str = "key"
    required: tuple[str, ...] = ()
    prefixed: Mapping[str, Shape] = field(default_factory=dict)

    def find(self, key: str) -> Shape | None:
        """The shape of what stands behind the key, None for an unknown key."""
        for prefix, shape in self.prefixed.items():
            if key.startswith(prefix) and len(key) > len(prefix):
                return shape
        return self.shapes.get(key)


def _is_network(value: JSON) -> bool:
    import ipaddress

    try:
        return isinstance(value, str) and "/" in value and bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def _matches(pattern: re.Pattern[str]) -> Callable[[JSON], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(*words: str) -> Leaf:
    wanted = enumerate_words(list(words))
    return Leaf(wanted, lambda value: value in words, {"enum": list(words)})


TEXT = Leaf("a string", lambda value: isinstance(value, str), {"type": "string"})
FLAG = Leaf("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
INTEGER = Leaf("an integer", lambda value: type(value) is int, {"type": "integer"})
NUMBER = Leaf("a number", lambda value: type(value) in {int, float}, {"type": "number"})
ANYTHING = Leaf("anything", lambda _: True)
FREE_MAP = Leaf("a map", lambda value: isinstance(value, dict), {"type": "object"})
VERSION = Leaf("1", lambda value: type(value) is int and value == 1, {"const": 1})
ACTION = _one_of(*ACTIONS)
NAMESPACE = Leaf(
    "the exact name of a namespace", _matches(_NAMESPACE), {"pattern": f"^{_NAMESPACE.pattern}$"}
)
LABEL = Leaf("a label key such as sallyport.dev/tenant", _matches(LABEL_KEY), {"type": "string"})
NETWORK = Leaf(
    "a network such as 10.244.0.0/16, without bits behind its mask", _is_network, {"type": "string"}
)
ENFORCED = Leaf(
    "group/Kind or group/*, such as projectcalico.org/*",
    _matches(_ENFORCED),
    {"pattern": f"^{_ENFORCED.pattern}$"},
)
SELECTOR = Leaf("a label selector", lambda _: True, {"type": "object"})

SITE: Mapping[str, Shape] = {
    "trusted": Keys({"namespaces": [NAMESPACE], "label": FLAG}),
    "platform": Keys({"users": [TEXT], "groups": [TEXT]}),
    "tenant": Keys({"label": LABEL}),
    "mesh": Keys(
        {
            "revision": TEXT,
            "revisions": [TEXT],
            "root": NAMESPACE,
            "redirection": _one_of("InitContainers", "CNIChaining"),
        }
    ),
    "cluster": Keys(
        {
            "engine": _one_of("cilium", "calico", "npm", "spec"),
            "version": TEXT,
            "calico": _one_of("oss", "enterprise"),
            "acns": Keys({"fqdn": FLAG, "l7": FLAG}),
            "enforced": [ENFORCED],
            "cidrs": Keys({"pods": [NETWORK], "services": [NETWORK], "nodes": [NETWORK]}),
            "imdsRestriction": FLAG,
        }
    ),
    "messages": Keys({"docs": TEXT, "contact": TEXT}),
}


def shape_of(rules: Iterable[Rule]) -> Keys:
    """The shape of a whole rulebook where these rules are known."""
    opa = Keys({"action": ACTION, "ratchet": FLAG, "overrides": [_override(None)]})
    known = {rule.name: _rule(rule) for rule in rules}
    named = Keys(known, "rule", prefixed={PREFIX: opa})
    return Keys({"version": VERSION, "action": ACTION, **SITE, "rules": named})


def _rule(rule: Rule) -> Keys:
    parameters = Keys(
        {name: _leaf(default) for name, default in rule.parameters.items()}, "parameter"
    )
    return Keys(
        {
            "action": ACTION,
            "mend": _one_of(*MENDS),
            "ratchet": FLAG,
            "overrides": [_override(parameters)],
            "parameters": parameters,
        }
    )


def _override(parameters: Keys | None) -> Keys:
    shapes: dict[str, Shape] = {"namespaceSelector": SELECTOR, "action": ACTION}
    if parameters is not None:
        shapes["parameters"] = parameters
    return Keys(shapes, required=("namespaceSelector",))


def _leaf(default: JSON) -> Shape:
    """The type of a parameter, as its default shows it."""
    for kind, shape in _TYPES:
        if isinstance(default, kind):
            return shape
    if isinstance(default, list | tuple | set | frozenset):
        return [_leaf(next(iter(default), ""))]
    return ANYTHING


# bool before int, since True is an int to isinstance
_TYPES = ((bool, FLAG), (int, INTEGER), (float, NUMBER), (str, TEXT), (dict, FREE_MAP))


def faults(value: JSON, shape: Shape, path: Path = ()) -> Iterator[Fault]:
    """Every fault of a value. Null counts as absent, but not in lists."""
    if isinstance(shape, Keys):
        yield from _map_faults(value, shape, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield Fault(path, f"is {_show(value)}; it must be a list")
            return
        for index, item in enumerate(value):
            yield from faults(item, shape[0], (*path, index))
    elif shape is SELECTOR:
        try:
            LabelSelector.parse(value, path)
        except InvalidSelector as invalid:
            for fault in invalid.faults:
                yield Fault(fault.path, f"is {fault.found}; it must be {fault.wanted}")
    elif not shape.fits(value):
        hint = ", in quotes" if shape is TEXT and isinstance(value, int | float) else ""
        yield Fault(path, f"is {_show(value)}; it must be {shape.wanted}{hint}")


def _map_faults(value: JSON, keys: Keys, path: Path) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, f"is {_show(value)}; it must be a map")
        return
    for key, inner in value.items():
        shape = keys.find(key)
        if shape is None:
            yield Fault((*path, key), _unknown(key, keys), key=True)
        elif inner is not None:
            yield from faults(inner, shape, (*path, key))
    for key in keys.required:
        if value.get(key) is None:
            yield Fault((*path, key), "is missing; {} selects every namespace")


def _unknown(key: str, keys: Keys) -> str:
    near = nearest(key, keys.shapes)
    if near is not None:
        return f"is an unknown {keys.called}; did you mean {near}?"
    if not keys.shapes:
        return f"is an unknown {keys.called}; there is none"
    known = sorted(keys.shapes)
    if len(known) > FEW:
        return f"is an unknown {keys.called}; `sallyport rules` lists the {len(known)} there are"
    return f"is an unknown {keys.called}; known are {enumerate_words(known, 'and')}"


def _show(value: JSON) -> str:
    return quote(value) if isinstance(value, str | int | float) else kind_of(value)


def schema_of(shape: Shape) -> dict[str, JSON]:
    """The JSON schema (2020-12) of a shape."""
    if isinstance(shape, list):
        return {"type": "array", "items": schema_of(shape[0])}
    if isinstance(shape, Leaf):
        return dict(shape.schema)
    found: dict[str, JSON] = {
        "type": "object",
        "properties": {key: schema_of(inner) for key, inner in shape.shapes.items()},
        "additionalProperties": False,
    }
    if shape.prefixed:
        found["patternProperties"] = {
            f"^{prefix}": schema_of(inner) for prefix, inner in shape.prefixed.items()
        }
    return found | ({"required": list(shape.required)} if shape.required else {})
