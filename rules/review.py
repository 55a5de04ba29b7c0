"""Review, what is asked, and Cluster, a frozen view of what else exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from rules.model import (
    JSON,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    RUNTIME_CLASS,
    Kind,
    OperationName,
    Phase,
)
from rules.pods import labels_of, mapping
from rules.site import TRUST_LABEL, Site
from rules.words import printable

READABLE = (NAMESPACE, RUNTIME_CLASS, MUTATING_WEBHOOKS)
"""The kinds that a Cluster holds."""

STOCK_CLASSES: Mapping[str, str] = {
    "kata-mshv-vm-isolation": "kata",
    "kata-vm-isolation": "kata",
    "kata-cc-isolation": "kata-cc",
    "runc": "runc",
}
"""RuntimeClasses of AKS and their handlers (sandbox-and-mesh 3.0), assumed where none is given."""

STOCK_REVISION = "prod-stable"
"""The revision tag assumed where nothing at all is known of the mesh."""

_Value = TypeVar("_Value")


class Lazy(Generic[_Value]):
    """A value made when it is first asked for, once."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], _Value] | None, value: Any = None) -> None:
        self._make = make
        self._value: _Value = value

    @classmethod
    def of(cls, value: _Value) -> Lazy[_Value]:
        """A value that is there already."""
        return cls(None, value)

    def get(self) -> _Value:
        """The value; what making it raises is raised each time."""
        if self._make is not None:
            self._value = self._make()
            self._make = None
        return self._value


NOTHING: Lazy[JSON] = Lazy.of(None)


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: the exact user name and groups that the API server authenticated."""

    username: str = ""
    groups: frozenset[str] = frozenset()


class Review(NamedTuple):  # made for each request: in a fifth of the time of a frozen dataclass
    """One question, may this operation on this object happen, and who asks it.

    `group`, `resource` and `subresource` are those that the webhook was registered for; `kind` is
    the kind of the object in it; `written` is the `group/version/Kind` that the author wrote, where
    the API server converted that. `phases` says which rules may speak: raw for the author's text
    before others change it, final for what will be stored. `requester` is None where nobody is
    known (audit, scan). Objects are decoded when first asked for; see `rules.review.Lazy`. `fits`
    says that the new object is known to have the shape that `rules.shapes` names.
    """

    operation: OperationName
    group: str
    resource: str
    kind: str
    written: str = ""
    uid: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    requester: Requester | None = None
    dry_run: bool = False
    phases: tuple[Phase, ...] = ("final",)
    new: Lazy[JSON] = NOTHING
    former: Lazy[JSON] = NOTHING
    fits: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a webhook is registered for; the rulebook finds its rules by it."""
        return self.group, self.resource, self.subresource, self.operation

    @property
    def object(self) -> JSON:
        """The object under review; that which goes, on DELETE."""
        return self.former.get() if self.operation == "DELETE" else self.new.get()

    @property
    def old(self) -> JSON:
        """The object as stored, on UPDATE and DELETE; else None."""
        return self.former.get()

    def showing(self, value: JSON) -> Review:
        """The same question about another object."""
        return self._replace(new=Lazy.of(value), fits=False)


@dataclass(frozen=True, slots=True)
class Namespace:
    """What rules know of a namespace."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Undeclared(LookupError):
    """A rule asked the Cluster for a kind that it does not declare in `reads`."""


class Unknown(LookupError):
    """A namespace that is judged in is not in a view that should have it: ask, do not assume."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"namespace {namespace} is not known")
        self.namespace = namespace


@dataclass(frozen=True)  # without slots: what follows from the facts is cached beside them
class Cluster:
    """A frozen view of what else exists, and what the operator says of the place (`site`).

    A kind of which no object is known counts as not given, and a stock assumption stands in; one
    object of a kind, and the view is complete for that kind. `injectors` are the revisions of the
    sidecar injectors, None where no webhook configuration is known. In a `live` view nothing is
    assumed: what is not there does not exist, or is not known yet. `reads` None may ask for
    everything; rules get a view limited to what they declare.
    """

    site: Site = field(default_factory=Site)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    injectors: tuple[str, ...] | None = None
    reads: frozenset[Kind] | None = None
    live: bool = False
    _limited: dict[frozenset[Kind], Cluster] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def of(cls, objects: Iterable[JSON], site: Site | None = None) -> Cluster:
        """The view of these objects; of two with one name the later counts."""
        namespaces: dict[str, Namespace] = {}
        classes: dict[str, str] = {}
        configurations: dict[str, tuple[str, ...]] = {}
        for value in objects:
            name = str(mapping(value, "metadata").get("name", ""))
            match mapping(value).get("kind"):
                case "Namespace":
                    namespaces[name] = Namespace(name, labels_of(value))
                case "RuntimeClass":
                    classes[name] = str(value.get("handler"))
                case "MutatingWebhookConfiguration":
                    configurations[name] = revisions_of(labels_of(value))
        injectors = tuple(revision for found in configurations.values() for revision in found)
        return cls(site or Site(), namespaces, classes, injectors if configurations else None)

    def limited_to(self, reads: frozenset[Kind]) -> Cluster:
        """The view that refuses every kind but these."""
        limited = self._limited.get(reads)
        if limited is None:
            limited = self._limited[reads] = replace(self, reads=reads)
        return limited

    def namespace(self, name: str) -> Namespace:
        """The namespace; one that is not in the view has no labels."""
        self._declared(NAMESPACE)
        return self.namespaces.get(name) or Namespace(name)

    def surroundings(self, name: str) -> Namespace:
        """The namespace that is judged in. Raises Unknown where a live view has not got it."""
        if self.live and name not in self.namespaces:
            raise Unknown(name)
        return self.namespace(name)

    def beside(self, found: Namespace) -> Cluster:
        """The same view with one more namespace in it."""
        return replace(self, namespaces={**self.namespaces, found.name: found})

    def trusts(self, namespace: str) -> bool:
        """Whether a namespace belongs to the platform. Unknown ones never do by label."""
        trusted = self.site.trusted
        if namespace in trusted.namespaces:
            return True
        if not trusted.label:
            return False
        known = self.namespaces.get(namespace)
        return known is not None and known.labels.get(TRUST_LABEL) == "trusted"

    def tenant(self, namespace: str) -> str:
        """The tenant of a namespace: its guarded label, else `""` (a tenant of its own)."""
        known = self.namespaces.get(namespace)
        return known.labels.get(self.site.tenant_label, "") if known else ""

    @property
    def runtime_classes(self) -> Mapping[str, str]:
        """Handlers by the name of the RuntimeClass; the stock ones where none is given."""
        self._declared(RUNTIME_CLASS)
        return self.classes if self.live else self.classes or STOCK_CLASSES

    @cached_property
    def revisions(self) -> frozenset[str]:
        """KNOWN: the mesh revisions and tags that inject (contracts 3 and 6)."""
        self._declared(MUTATING_WEBHOOKS)
        mesh = self.site.mesh
        if self.injectors is not None:
            return frozenset({*self.injectors, *mesh.revisions} - {""})
        named = {space.labels.get("istio.io/rev", "") for space in self.namespaces.values()}
        known = frozenset({mesh.revision, *mesh.revisions, *named} - {""})
        return known or frozenset({STOCK_REVISION})

    @cached_property
    def revision(self) -> str | None:
        """The revision that a new namespace or pod gets; None where no usable one exists."""
        known = self.revisions
        wanted = self.site.mesh.revision
        if wanted:
            return wanted if wanted in known else None
        return next(iter(known)) if len(known) == 1 else None

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """What stands in for facts that were not given, a sentence each."""
        said: list[str] = []
        if self.live:
            return ()
        if not self.namespaces:
            said.append("no Namespace is given: namespaces have no labels, trust is by name alone")
        if not self.classes:
            names = ", ".join(f"{name} ({handler})" for name, handler in STOCK_CLASSES.items())
            said.append(f"no RuntimeClass is given: those of AKS are assumed, {names}")
        if self.injectors is None:
            known = printable(", ".join(sorted(self.revisions)))
            said.append(f"no sidecar injector is given: mesh revisions {known} are assumed")
        return tuple(said)

    def _declared(self, kind: Kind) -> None:
        if self.reads is not None and kind not in self.reads:
            raise Undeclared(f"{kind.kind} is read but not declared in reads")


def revisions_of(own: Mapping[str, str]) -> tuple[str, ...]:
    """The revision or tag that a webhook configuration with these labels injects, if any."""
    if own.get("app") != "sidecar-injector":
        return ()
    revision = own.get("istio.io/tag") or own.get("istio.io/rev")
    return (revision,) if revision else ()
