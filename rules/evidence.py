"""Where a pod says that it will call a URL: in probes and hooks, commands, variables, annotations.

Where the data of a ConfigMap does, is told here, too; which pods read that, nobody knows.

Nothing here is proof: what a text says may never happen. What is known to be no call is left out:
names of XML and JSON schemas and of licences, lists of origins that may call the pod, addresses to
listen on, issuers of tokens, comments. Values of Secrets are not read.
Source: specification egress 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from rules.model import JSON, Path
from rules.pods import Container, Pod, handlers, items, mapping
from rules.urls import Url, urls_in

How = Literal["sent", "named", "proxy", "tunnel", "mentioned"]
"""By a program that fetches; in a variable that names an endpoint; as the proxy for HTTP, or for
HTTPS, which it only passes on; anywhere else in a text."""

_PROXIES: Mapping[str, How] = {"HTTP_PROXY": "proxy", "ALL_PROXY": "proxy", "HTTPS_PROXY": "tunnel"}
_ENDPOINT = re.compile(r"(?:URL|URI|ENDPOINT|ADDR|SERVER|BASE|WEBHOOK|UPSTREAM)\Z", re.IGNORECASE)
_INBOUND = re.compile(
    r"cors|origin|redirect|callback|allow|issuer|audience|referr?er|xmlns|no_proxy|listen|bind",
    re.IGNORECASE,
)
_FETCHER = re.compile(
    r"(?<![\w.-])(?:curl|wget|git|apt|apt-get|apk|yum|dnf|pip|pip3|npm|nc|ncat)(?![\w-])"
)
_SCHEMAS = frozenset(
    {
        "docs.oasis-open.org",
        "java.sun.com",
        "json-schema.org",
        "ns.adobe.com",
        "purl.org",
        "schema.org",
        "w3.org",
        "www.opengis.net",
        "www.w3.org",
    }
)
_LICENCES = re.compile(r"https?://[^/\s]{1,253}/licen[cs]es?[/.]", re.IGNORECASE)
_MARK = "://"
_COMMENTS = ("#", "//", ";", "<!--", "*", "/*", "--")
_COPY = "kubectl.kubernetes.io/last-applied-configuration"


class Mention(NamedTuple):
    """A URL in a pod, its place, and how it is said."""

    path: Path
    url: Url
    how: How


def mentions(pod: Pod) -> Iterator[Mention]:
    """What the pod says it calls, containers first."""
    for container in pod.containers:
        yield from _in_container(container)
        for path, handler in handlers(container):
            program = Container((*path, "exec"), mapping(handler, "exec"))
            if _is_marked(program, "command"):
                yield from _in_command(_texts(program, "command"), {})
    for key, text in pod.annotations.items():
        if _MARK in text and key != _COPY and not _INBOUND.search(key):
            for url in _calls(text, {}):
                yield Mention(("metadata", "annotations", key), url, "mentioned")


def mentions_in(data: Mapping[str, JSON], path: Path) -> Iterator[Mention]:
    """What the texts in a map mention, line by line; what stands before a URL says what it is."""
    for key, text in data.items():
        if not isinstance(text, str) or _MARK not in text or _INBOUND.search(key):
            continue
        for line in text.splitlines():
            if _MARK not in line or line.lstrip().startswith(_COMMENTS):
                continue
            for url in _calls(line, {}):
                if not _INBOUND.search(line, 0, url.start):
                    yield Mention((*path, key), url, "mentioned")


def _in_container(container: Container) -> Iterator[Mention]:
    """What it says itself; few containers say anything, and the others shall cost little."""
    stated = list(_variables(container))
    telling = [
        (place, name, value)
        for place, name, value in stated
        if _MARK in value or name.upper().endswith("_PROXY")
    ]
    called = _is_marked(container, "command") or _is_marked(container, "args")
    if not telling and not called:
        return
    variables = {name: value for _, name, value in stated}
    for place, name, value in telling:
        path = (*container.path, "env", place, "value")
        yield from _in_variable(path, name, value, variables)
    if called:
        words = _texts(container, "command") + _texts(container, "args")
        yield from _in_command(words, variables)


def aliases_of(pod: Pod) -> Mapping[str, str]:
    """The names that the pod resolves by its own hosts file, and to which address."""
    found: dict[str, str] = {}
    for _, alias in items(pod.spec, ("spec",), "hostAliases"):
        address, names = alias.get("ip"), alias.get("hostnames")
        if isinstance(address, str) and isinstance(names, list):
            found |= {name.lower(): address for name in names if isinstance(name, str)}
    return found


def _variables(container: Container) -> Iterator[tuple[int, str, str]]:
    """The variables that are set to a text: which of the list it is, its name and the text."""
    found = container.value.get("env")
    for place, entry in enumerate(found if isinstance(found, list) else ()):
        value = entry.get("value") if isinstance(entry, dict) else None
        if isinstance(value, str):
            yield place, str(entry.get("name")), value


def _in_variable(
    path: Path, name: str, value: str, variables: Mapping[str, str]
) -> Iterator[Mention]:
    proxy = _PROXIES.get(name.upper())
    if proxy is not None:
        text = value if _MARK in value else f"http://{value}"
        found = [Mention(path, url, proxy) for url in urls_in(text, variables)]
        yield from found[:1]
    elif not _INBOUND.search(name):
        named = _ENDPOINT.search(name) is not None
        for url in _calls(value, variables):
            yield Mention(path, url, "named" if named and url.start == 0 else "mentioned")


def _in_command(
    texts: Sequence[tuple[Path, str]], variables: Mapping[str, str]
) -> Iterator[Mention]:
    """The URLs in the words of one command; to a program that fetches, each of them is a call."""
    fetches = any(_FETCHER.search(text) for _, text in texts)
    flag = ""
    for path, text in texts:
        stated = text.partition("=")[0] if text.startswith("-") else flag
        flag = text if text.startswith("-") and "=" not in text else ""
        if fetches:
            yield from (Mention(path, url, "sent") for url in urls_in(text, variables))
        elif not _INBOUND.search(stated):
            yield from (Mention(path, url, "mentioned") for url in _calls(text, variables))


def _calls(text: str, variables: Mapping[str, str]) -> Iterator[Url]:
    """The URLs in a text, but for those that only name something."""
    for url in urls_in(text, variables):
        names = url.host in _SCHEMAS or url.host.startswith(("schemas.", "xmlns."))
        if not names and not _LICENCES.match(text, url.start):
            yield url


def _is_marked(owner: Container, key: str) -> bool:
    """Whether a URL may stand in a list of texts."""
    found = owner.value.get(key)
    return isinstance(found, list) and any(_MARK in text for text in found if isinstance(text, str))


def _texts(owner: Container, key: str) -> list[tuple[Path, str]]:
    """The strings in a list, each with its place."""
    found = owner.value.get(key)
    if not isinstance(found, list):
        return []
    return [
        ((*owner.path, key, at), text) for at, text in enumerate(found) if isinstance(text, str)
    ]
