"""Plain YAML scalars as Kubernetes reads them: YAML 1.1 in the dialect of sigs.k8s.io/yaml.

`yes`, `on` and `y` are true, `0777` is octal, a date is a string, `1_000` is a number. What JSON
cannot hold is refused. Source: kubernetes-sigs/yaml, goyaml.v2/resolve.go and yaml.go.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping

from rules.model import JSON

_TAG = "tag:yaml.org,2002:"
_WORDS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
}
_NO_NUMBERS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMERIC = frozenset("0123456789+-.")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)"
    r"|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_LARGEST_PLAIN = 1e21  # from here on Go writes a float with an exponent, so it stays one


class NoJSON(ValueError):
    """A scalar that has no place in JSON, or not the type that its tag claims."""


def read_scalar(text: str, tag: str | None, *, plain: bool) -> JSON:
    """The value of a scalar; `plain` where it was written without quotes. Raises NoJSON."""
    if tag is None:
        return _resolve(text) if plain else text
    kind = tag.removeprefix(_TAG)
    if kind == "binary":
        return _decode(text)
    if kind not in _KINDS:
        return text  # str, timestamp, and tags of other languages: the text as it is
    value = _resolve(text)
    if kind == "float" and type(value) is int:
        return value
    if type(value) not in _KINDS[kind]:
        raise NoJSON(f"{text[:40]!r} is no {kind}, as its tag !!{kind} says")
    return value


def read_key(value: JSON) -> str:
    """A value as the key of a map: numbers and booleans become text. Raises NoJSON."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:.7g}"  # Go writes keys with the precision of 32 bits
    raise NoJSON("a key must be a string, a number or a boolean")


_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "bool": (bool,),
    "null": (type(None),),
}


def _resolve(text: str) -> JSON:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _NO_NUMBERS.fullmatch(text):
        raise NoJSON(f"{text} is no number in JSON")
    if text[0] == ".":
        return _float(text)
    if _DATE.fullmatch(text):
        return text
    return _number(text)


def _number(text: str) -> JSON:
    bare = text.replace("_", "")
    found = _INTEGER.fullmatch(bare)
    if found is None:
        return _float(bare, text)
    base = found.lastgroup or "dec"
    try:
        value = int(found[base], _BASES[base]) * (-1 if found["sign"] == "-" else 1)
    except ValueError as error:  # thousands of digits
        raise NoJSON("this number has too many digits") from error
    if not _SMALLEST <= value <= _LARGEST:
        return _float(bare, text)  # text, if it is not written in decimal digits
    return value


def _float(text: str, original: str | None = None) -> JSON:
    if not _FLOAT.fullmatch(text):
        return original or text
    value = float(text)
    if math.isinf(value):
        return original or text
    return int(value) if value.is_integer() and abs(value) < _LARGEST_PLAIN else value


def _decode(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise NoJSON("!!binary holds base64") from error
