"""The source or the destination of a rule, as one peer: all that it asks must hold.

Calico joins the texts of the selectors and reads the whole; so does this module. Source:
projectcalico/calico libcalico-go/lib/backend/syncersv1/updateprocessors (rules.go, selectors.go),
felix/calc (rule_scanner.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rules.netpol.dialects.calico.domains import read_domains
from rules.netpol.dialects.calico.labels import (
    NAMESPACE,
    OF_NAMESPACE,
    OF_SERVICE_ACCOUNT,
    SERVICE_ACCOUNT,
)
from rules.netpol.dialects.calico.nets import Families, read_nets
from rules.netpol.dialects.calico.reader import GLOBAL, Reader
from rules.netpol.dialects.calico.selectors import (
    Reading,
    is_blank,
    parse,
    write,
)
from rules.netpol.dialects.calico.tokens import InvalidExpression
from rules.netpol.expressions import Condition, Expression, Join, Step
from rules.netpol.fields import JSON
from rules.netpol.model import Direction
from rules.netpol.peers import NOBODY, AllOf, Anywhere, Labelled, Not, Peer, ServiceRef
from rules.selectors import Path, describe

FIELDS = (
    "nets",
    "notNets",
    "selector",
    "notSelector",
    "namespaceSelector",
    "ports",
    "notPorts",
    "services",
    "serviceAccounts",
)
_INSIDE: tuple[Step, ...] = (Condition(NAMESPACE, "has"),)
_NAMESPACES = Reading(OF_NAMESPACE, every=_INSIDE, outside=(*_INSIDE, Join("not")))
_ACCOUNTS = Reading(OF_SERVICE_ACCOUNT)
_GLOBAL_ALONE = re.compile(r"[ \t]*global\([ \t]*\)[ \t]*")

Role = Literal["source", "destination"]


@dataclass(frozen=True, slots=True)
class EndReader:
    """Reads one end of one rule. `namespace` is the policy's, empty if it is a global one."""

    reader: Reader
    namespace: str
    direction: Direction
    role: Role
    path: Path

    def peer(self, end: JSON, families: Families) -> Peer:
        """What the end must be."""
        self.reader.strangers(end, FIELDS, self.path)
        parts = (
            *self._labels(end),
            *read_nets(self.reader, end, self.path, families),
            *self._services(end),
            *read_domains(end),
        )
        return parts[0] if len(parts) == 1 else AllOf(parts) if parts else Anywhere()

    def _labels(self, end: JSON) -> Iterator[Peer]:
        selectors = [text for text in (self._accounts(end), self._selector(end)) if text]
        unwanted = self.reader.selector(end, "notSelector", self.path, may_be_global=True)
        selector = _joined(selectors)
        inside = self._namespaces(end, restricted=bool(selector or unwanted))
        if inside:
            selector = f"({inside}) && ({selector})" if selector else inside
        if selector and unwanted:
            selector = f"({selector}) && (!({unwanted}))"
        try:
            if selector:
                yield Labelled(parse(selector))
            elif unwanted:
                yield Not(Labelled(parse(unwanted)))
        except InvalidExpression:
            self._blank(end)

    def _blank(self, end: JSON) -> None:
        """What keeps texts that can be read from being read when joined."""
        for field, what in (("selector", ""), ("notSelector", " and felix dies of it")):
            text = end.get(field)
            if isinstance(text, str) and text and is_blank(text):
                wanted = f"absent or all(), for in brackets it is no selector{what}"
                self.reader.void((*self.path, field), "blank", wanted)

    def _selector(self, end: JSON) -> str:
        return self.reader.selector(end, "selector", self.path)

    def _namespaces(self, end: JSON, *, restricted: bool) -> str:
        """In which namespaces the end must lie: as it says, else those that the policy may see."""
        path = (*self.path, "namespaceSelector")
        text = self.reader.selector(end, "namespaceSelector", self.path, may_be_global=True)
        if text:
            if GLOBAL in text and not _GLOBAL_ALONE.fullmatch(text):
                self.reader.strict(path, describe(text), "global() alone, or without it")
            return write(parse(text, _NAMESPACES))
        return f"{NAMESPACE} == '{self.namespace}'" if self.namespace and restricted else ""

    def _accounts(self, end: JSON) -> str:
        """The service accounts of the end; "" where any will do."""
        path = (*self.path, "serviceAccounts")
        accounts = self.reader.map(end, "serviceAccounts", self.path)
        if accounts is None:
            return ""
        self.reader.strangers(accounts, ("names", "selector"), path)
        text = self.reader.selector(accounts, "selector", path, may_be_global=True)
        wanted = write(parse(text, _ACCOUNTS)) if text else ""
        names = self.reader.items(accounts, "names", path)
        if not names:
            if not text:
                self.reader.wider(path, "empty", "with names or selector, or it restricts nothing")
            return wanted
        named = self._named(names, (*path, "names"))
        return f"({wanted}) && ({named})" if named and wanted else named

    def _named(self, names: list[object], path: Path) -> str:
        for index, name in enumerate(names):
            if not isinstance(name, str):
                self.reader.fault((*path, index), describe(name), "a string")
            elif "'" in name:
                told = "without quotes, for they end the text that Calico builds of the names"
                self.reader.wider((*path, index), describe(name), told)
        quoted = "', '".join(name for name in names if isinstance(name, str))
        try:
            return write(parse(f"{SERVICE_ACCOUNT} in {{ '{quoted}' }}"))
        except InvalidExpression:
            return ""  # felix goes on without any restriction by service accounts

    def _services(self, end: JSON) -> Iterator[Peer]:
        path = (*self.path, "services")
        service = self.reader.map(end, "services", self.path)
        if service is None:
            return
        self.reader.strangers(service, ("name", "namespace"), path)
        name = self.reader.text(service, "name", path)
        if not name:
            self.reader.fault((*path, "name"), "missing", "the name of a Service")
        beside = [field for field in FIELDS if field != "services" and end.get(field)]
        if self.role == "source":
            beside = [field for field in beside if field not in ("ports", "notPorts")]
        if beside:
            self.reader.fault(path, f"beside {' and '.join(beside)}", "alone")
        if (self.role == "destination") != (self.direction == "egress"):
            self.reader.strict(path, f"the {self.role} of {self.direction}", "the other end")
        yield self._service(name, self.reader.text(service, "namespace", path), path)

    def _service(self, name: str, namespace: str, path: Path) -> Peer:
        if namespace:
            return ServiceRef(namespace, name, every_port=self.role == "source")
        if not self.namespace:
            self.reader.strict((*path, "namespace"), "missing", "the namespace of the Service")
        told = "the namespace of the Service, or the rule matches nothing"
        self.reader.wider((*path, "namespace"), "missing", told)
        return NOBODY


def _joined(selectors: list[str]) -> str:
    return f"({') && ('.join(selectors)})" if len(selectors) > 1 else "".join(selectors)


def read_subject(reader: Reader, spec: JSON, namespace: str) -> Expression | None:
    """Whom a policy is about; None, said as a fault, where no pod can be found by it."""
    path: Path = ("spec",)
    text = reader.text(spec, "selector", path)
    reader.not_global(text, (*path, "selector"))
    whole = text
    if namespace:
        inside = f"{NAMESPACE} == '{namespace}'"
        whole = f"({text}) && {inside}" if text else inside
    for field, prefix in _PREFIXES.items():
        if namespace and field == "namespaceSelector":
            continue
        selector = reader.selector(spec, field, path, "as-read")
        if selector:
            more = write(parse(selector, Reading(prefix)))
            whole = f"({whole}) && {more}" if whole else more
    return _subject(reader, text, whole)


_PREFIXES = {"namespaceSelector": OF_NAMESPACE, "serviceAccountSelector": OF_SERVICE_ACCOUNT}


def _subject(reader: Reader, text: str, whole: str) -> Expression | None:
    """The expression of the whole text, in which that of `selector` is one part."""
    path: Path = ("spec", "selector")
    alone = ""
    try:
        parse(text)
    except InvalidExpression as error:
        alone = str(error)
    try:
        found = parse(whole)
    except InvalidExpression:
        if alone:
            reader.fault(path, alone, "a selector such as app == 'web'", "void")
        else:
            wanted = "absent or all(), for in brackets it is no selector"
            reader.void(path, "blank", wanted)
        return None
    if alone:
        wanted = "balanced, or it breaks out of the brackets that keep it to its namespace"
        reader.fault(path, alone, wanted, "as-read")
    return found
