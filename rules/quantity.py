"""Kubernetes quantities (`128Mi`, `0.5`, `1e3`) as exact numbers.

Source: kubernetes/apimachinery, pkg/api/resource/quantity.go. As there, what is finer than a
billionth is rounded away from zero, and a binary suffix caps at 2^63-1. Unlike there, a number
without digits (`Mi`, `-`, `.`) is refused: it would be read as 0, which nobody means.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

LONGEST = 64
"""Characters of the longest text that is looked at."""

_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,3})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)
_SCALES = {
    "": Fraction(1),
    **{suffix: Fraction(10) ** (3 * power) for power, suffix in enumerate("num", start=-3)},
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_FINEST = 10**9
_BINARY_CAP = 2**63 - 1


class InvalidQuantity(ValueError):
    """A value that is no quantity."""


def parse(value: Any) -> int | Fraction:
    """The number that a quantity of a decoded object means, e.g. `parse("1Ki") == 1024`.

    Strings, and JSON numbers as the API server takes them: integers, and floats by their shortest
    decimal text. Raises InvalidQuantity for the rest, with what is and what must be.
    """
    if type(value) is str and len(value) <= LONGEST:
        return _read(value)
    return _read(_text(value))


@lru_cache(maxsize=1024)  # clusters use a few sizes again and again
def _read(stated: str) -> int | Fraction:
    text = _text(stated)
    match = _QUANTITY.fullmatch(text)
    if match is None or not (match["whole"] or match["part"]):
        raise InvalidQuantity(f"is {text!a}, must be a quantity such as 128Mi, 0.5 or 100m")
    whole, part, suffix = match["whole"], match["part"] or "", match["suffix"] or ""
    scale = Fraction(10) ** int(match["exponent"]) if match["exponent"] else _SCALES[suffix]
    size = _rounded_up(Fraction(int(whole + part), 10 ** len(part)) * scale)
    if suffix.endswith("i"):
        size = min(size, Fraction(_BINARY_CAP))
    signed = -size if match["sign"] == "-" else size
    return signed.numerator if signed.denominator == 1 else signed


def _text(value: Any) -> str:
    match value:
        case bool() | None:
            found = "null" if value is None else str(value).lower()
        # an integer of 10,000 digits cannot even be written out: look at its size first
        case int() if abs(value) < 10**LONGEST:
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case str() if len(value) <= LONGEST:
            # the API server trims, too
            return value.strip(" ")
        case str() | int():
            raise InvalidQuantity(
                f"is too long, must be a quantity of at most {LONGEST} characters"
            )
        case float():
            found = repr(value)
        case _:
            found = f"a {type(value).__name__}"
    raise InvalidQuantity(f"is {found}, must be a quantity: a string or a number")


def _rounded_up(size: Fraction) -> Fraction:
    return Fraction(math.ceil(size * _FINEST), _FINEST)
