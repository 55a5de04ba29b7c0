"""The text of a policy should hold no typographic quotes and no no-break spaces.

Why: YAML keeps them as part of the value, and no request, label or host has them: what was copied
from a web page so matches nothing, and a policy that matches nothing allows or denies nothing.
Source: contracts 11 (ODD-QUOTES); YAML 1.2, 7.3 (only ' and " are quotes).

A VirtualService is not judged: texts in it may be for people to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.model import (
    AUTHORIZATION_POLICY,
    CALICO_STAGED,
    DESTINATION_RULE,
    ISTIO_GATEWAY,
    JSON,
    NETWORK_POLICIES,
    PEER_AUTHENTICATION,
    REQUEST_AUTHENTICATION,
    SERVICE_ENTRY,
    SIDECAR,
    TELEMETRY,
    Finding,
    Fix,
    Operation,
    Path,
    rule,
)
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

_DOUBLE, _SINGLE = "\u00ab\u00bb\u201c\u201d\u201e\u201f", "\u2018\u2019\u201a\u201b\u2039\u203a"
_SPACES, _JOINERS = "\u00a0\u2007\u202f", "\u2060\ufeff"
_ODD = re.compile(f"[{_DOUBLE}{_SINGLE}{_SPACES}{_JOINERS}]")
_QUOTED = re.compile(f"[{_DOUBLE}{_SINGLE}].*[{_DOUBLE}{_SINGLE}]", re.DOTALL)
_PLAIN = str.maketrans(
    _DOUBLE + _SINGLE + _SPACES, '"' * len(_DOUBLE) + "'" * len(_SINGLE) + " " * 3, _JOINERS
)


def _get(method: str) -> str:
    rules = f"[{{to: [{{operation: {{methods: [{method}]}}}}]}}]"
    return f"{{kind: AuthorizationPolicy, metadata: {{name: a}}, spec: {{rules: {rules}}}}}"


ALLOW = [
    _get("GET"),
    _get("'\"GET\"'"),
    "{kind: AuthorizationPolicy, metadata: {annotations: {note: '\u201cours\u201d'}}}",
]
WARN = [
    _get("\u201cGET\u201d"),  # sample M2
    _get("GET\u00a0"),
    "{kind: DestinationRule, spec: {host: '\ufeffreviews'}}",
    "{kind: PeerAuthentication, spec: {selector: {matchLabels: {\u2018app\u2019: x}}}}",
]


@rule(
    kinds=(
        PEER_AUTHENTICATION,
        AUTHORIZATION_POLICY,
        REQUEST_AUTHENTICATION,
        DESTINATION_RULE,
        SERVICE_ENTRY,
        ISTIO_GATEWAY,
        SIDECAR,
        TELEMETRY,
        *NETWORK_POLICIES,
        *CALICO_STAGED,
    ),
    severity="medium",
)
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each value, and for each key."""
    for path, text, is_key in _texts(review.object):
        odd = sorted(set(_ODD.findall(text)))
        if odd:
            points = enumerate_words([f"U+{ord(character):04X}" for character in odd], "and")
            plain = _plain(text)
            fix = None if is_key else Fix((Operation("replace", path, plain),), safe=False)
            yield Finding(
                check="ODD-QUOTES",
                path=path,
                message=f"{'has the key' if is_key else 'is'} {quote(text)}, with {points} in it, "
                f"so it matches nothing; write {quote(plain)}",
                found=text,
                level="warn",
                fix=fix,
            )


def _texts(value: JSON) -> Iterator[tuple[Path, str, bool]]:
    """The texts in the order of the document: place, text, and whether it is a key."""
    stated = mapping(value)
    left: list[tuple[Path, JSON]] = [((key,), stated.get(key)) for key in ("specs", "spec")]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            yield path, value, False
        elif isinstance(value, dict):
            yield from (((*path, key), key, True) for key in value)
            left += [((*path, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            left += [((*path, index), value[index]) for index in reversed(range(len(value)))]


def _plain(text: str) -> str:
    """The text as it was meant: quotes around it are YAML's, those inside are plain ones."""
    plain = text.translate(_PLAIN)
    return plain[1:-1] if _QUOTED.fullmatch(text) else plain.strip()
