"""URLs of HTTP in text that anybody may have written, found in linear time.

What looks like a URL and is none has no host here: `http://+:8080` and `http://*:80` (addresses to
listen on), `http://$(HOST)` (a variable), and regular expressions such as `https?://.*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_URL = re.compile(
    r"(?<![\w+.-])(?P<scheme>https?)://(?P<authority>[^\s/?#\"'`<>\\,;|]{0,512})", re.IGNORECASE
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]{2,45}\]|[\w.-]{1,253})(?::(?P<port>\d{1,5})?)?\W*")
_VARIABLE = re.compile(r"\$\((\w{1,128})\)|\$\{(\w{1,128})\}|\$(\w{1,128})")
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9}")
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_OCTETS = 4
_MOST_VARIABLES = 4
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Url:
    """A URL's scheme and host in lower case, its port, and where in the text it begins."""

    scheme: str
    host: str
    port: int
    start: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def urls_in(text: str, variables: Mapping[str, str] | None = None) -> Iterator[Url]:
    """The URLs of HTTP and HTTPS in a text; `variables` stand for hosts, or parts of them."""
    for match in _URL.finditer(text):
        scheme = match["scheme"].lower()
        stated = _VARIABLE.sub(
            lambda found: _value(found, variables or {}), match["authority"], count=_MOST_VARIABLES
        )
        authority = _AUTHORITY.fullmatch(stated.rpartition("@")[2].lower())
        if authority is None:
            continue
        host = authority["host"].strip("[].-")
        port = int(authority["port"] or _PORTS[scheme])
        if host:
            yield Url(scheme, host, port, match.start())


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is, in any of the ways that resolvers read one; None for a name.

    `2852039166`, `0xa9fea9fe` and `169.254.43518` are 169.254.169.254, as inet_aton(3) says.
    """
    if ":" in host:
        try:
            return IPv6Address(host)
        except AddressValueError:
            return None
    parts = host.split(".")
    if len(parts) > _OCTETS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *leading, last = [_integer(part) for part in parts]
    number = sum(octet << (24 - 8 * place) for place, octet in enumerate(leading)) + last
    fits = last < 1 << (8 * (_OCTETS - len(leading))) and all(octet < 1 << 8 for octet in leading)
    return IPv4Address(number) if fits else None


def _integer(part: str) -> int:
    if part.startswith("0x"):
        return int(part, 16)
    return int(part, 8 if part.startswith("0") else 10)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    """The value of a variable; one that is not known leaves a mark that no host has."""
    value = variables.get(found[1] or found[2] or found[3], "")
    return value if 0 < len(value) <= _LONGEST_HOST else "$"
