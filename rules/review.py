"""Review, what is asked, and Cluster, a frozen view of what else exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from rules.model import (
    AUTHORIZATION_POLICY,
    DESTINATION_RULE,
    JSON,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    PEER_AUTHENTICATION,
    POD,
    RUNTIME_CLASS,
    Kind,
    OperationName,
    Phase,
)
from rules.pods import Pod, annotations_of, labels_of, mapping
from rules.site import TRUST_LABEL, Site
from rules.words import printable

READABLE = (
    NAMESPACE,
    RUNTIME_CLASS,
    MUTATING_WEBHOOKS,
    PEER_AUTHENTICATION,
    DESTINATION_RULE,
    AUTHORIZATION_POLICY,
)
"""The kinds that a Cluster holds."""

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of mirror pods, by which a kubelet shows the static pods of its node."""
NODE = "system:node:"
NODES = "system:nodes"

STOCK_CLASSES: Mapping[str, str] = {
    "kata-mshv-vm-isolation": "kata",
    "kata-vm-isolation": "kata",
    "kata-cc-isolation": "kata-cc",
    "runc": "runc",
}
"""RuntimeClasses of AKS and their handlers (sandbox-and-mesh 3.0), assumed where none is given."""

MANAGED_LABEL = "sallyport.dev/managed"
"""Marks the platform's own objects of Istio, where its value is `true`."""

STOCK_REVISION = "prod-stable"
"""The revision tag assumed where nothing at all is known of the mesh."""


class Lazy:
    """An object, decoded when it is first asked for, once; and read as a pod once."""

    __slots__ = ("_make", "_pod", "_value")

    def __init__(self, make: Callable[[], JSON] | None, value: JSON = None) -> None:
        self._make = make
        self._value = value
        self._pod: Pod | None = None

    @classmethod
    def of(cls, value: JSON) -> Lazy:
        """An object that is there already."""
        return cls(None, value)

    def get(self) -> JSON:
        """The object; what decoding it raises is raised each time."""
        if self._make is not None:
            self._value = self._make()
            self._make = None
        return self._value

    @property
    def pod(self) -> Pod:
        """The object read as a pod."""
        if self._pod is None:
            self._pod = Pod.of(self.get())
        return self._pod


NOTHING: Lazy = Lazy.of(None)


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
    before others change it, final for what will be stored; the first of them is what the object
    is. `requester` is None where nobody is known (audit, scan). Objects are decoded when first
    asked for; see `rules.review.Lazy`. `fits` says that the new object is known to have the shape
    that `rules.shapes` names.
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
    new: Lazy = NOTHING
    former: Lazy = NOTHING
    fits: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a webhook is registered for; the rulebook finds its rules by it."""
        return self.group, self.resource, self.subresource, self.operation

    @property
    def is_final(self) -> bool:
        """Whether the object is as it will be stored: nobody changes it after us."""
        return self.phases[0] == "final"

    @property
    def object(self) -> JSON:
        """The object under review; that which goes, on DELETE."""
        return self.former.get() if self.operation == "DELETE" else self.new.get()

    @property
    def pod(self) -> Pod:
        """The object under review, which is a pod."""
        return (self.former if self.operation == "DELETE" else self.new).pod

    @property
    def old(self) -> JSON:
        """The object as stored, on UPDATE and DELETE; else None."""
        return self.former.get()

    @property
    def own_name(self) -> str:
        """The name of the object, as the request says or else itself; "" where it has none yet."""
        stated = mapping(self.object, "metadata").get("name")
        return self.name or (stated if isinstance(stated, str) else "")

    @property
    def shows_static_pod(self) -> bool:
        """Whether a kubelet makes a mirror pod for its own node, where that pod runs already."""
        asker = self.requester
        if asker is None or not asker.username.startswith(NODE) or NODES not in asker.groups:
            return False
        return (
            self.key == ("", POD.resource, "", "CREATE")
            and MIRROR in annotations_of(self.object)
            and asker.username == f"{NODE}{mapping(self.object, 'spec').get('nodeName')}"
        )

    def showing(self, value: JSON) -> Review:
        """The same question about another object."""
        return self._replace(new=Lazy.of(value), fits=False)


@dataclass(frozen=True, slots=True)
class Namespace:
    """What rules know of a namespace."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeshPolicy:
    """A stored object of Istio, as far as rules compare others with it.

    `created` is its creation timestamp as text, "" where it was never stored; `managed` says that
    it belongs to the platform.
    """

    namespace: str
    name: str
    created: str
    managed: bool
    spec: Mapping[str, JSON]

    @classmethod
    def of(cls, value: JSON) -> MeshPolicy:
        """What rules know of this object; one that names no namespace is in `default`."""
        metadata = mapping(value, "metadata")
        return cls(
            str(metadata.get("namespace") or "default"),
            str(metadata.get("name") or ""),
            str(metadata.get("creationTimestamp") or ""),
            labels_of(value).get(MANAGED_LABEL) == "true",
            mapping(value, "spec"),
        )


MeshPolicies = Mapping[str, tuple[MeshPolicy, ...]]
"""Objects of one kind by namespace, the oldest first."""


class Undeclared(LookupError):
    """A rule asked the Cluster for a kind that it does not declare in `reads`."""


@dataclass(frozen=True)  # without slots: what follows from the facts is cached beside them
class Cluster:
    """A frozen view of what else exists, and what the operator says of the place (`site`).

    A kind of which no object is known counts as not given, and a stock assumption stands in; one
    object of a kind, and the view is complete for that kind. `injectors` are the revisions of the
    sidecar injectors, tags where they have one, None where no webhook configuration is known;
    `control_planes` are their revisions without tags. `reads` None may ask for
    everything; rules get a view limited to what they declare.
    """

    site: Site = field(default_factory=Site)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    injectors: tuple[str, ...] | None = None
    control_planes: frozenset[str] = frozenset()
    mesh_policies: Mapping[Kind, MeshPolicies] = field(default_factory=dict)
    reads: frozenset[Kind] | None = None
    _limited: dict[frozenset[Kind], Cluster] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def of(cls, objects: Iterable[JSON], site: Site | None = None) -> Cluster:
        """The view of these objects; of two with one name the later counts."""
        namespaces: dict[str, Namespace] = {}
        classes: dict[str, str] = {}
        configurations: dict[str, _Injector] = {}
        policies: dict[Kind, dict[tuple[str, str], MeshPolicy]] = {}
        for value in objects:
            name = str(mapping(value, "metadata").get("name", ""))
            match kind := mapping(value).get("kind"):
                case "Namespace":
                    namespaces[name] = Namespace(name, labels_of(value))
                case "RuntimeClass":
                    classes[name] = str(value.get("handler"))
                case "MutatingWebhookConfiguration":
                    configurations[name] = _Injector.of(value)
                case "PeerAuthentication" | "DestinationRule" | "AuthorizationPolicy":
                    policy = MeshPolicy.of(value)
                    policies.setdefault(_MESH_POLICIES[kind], {})[policy.namespace, name] = policy
        found = [*configurations.values()]
        return cls(
            site or Site(),
            namespaces,
            classes,
            tuple(one.known for one in found if one.known) if found else None,
            frozenset(one.revision for one in found if one.revision),
            {kind: _by_namespace(named.values()) for kind, named in policies.items()},
        )

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
        return self.classes or STOCK_CLASSES

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
    def live_revisions(self) -> frozenset[str]:
        """The revisions of istiod alone: it reads no tags on objects of Istio."""
        known = self.revisions
        if not self.control_planes:
            return known
        return frozenset({*self.control_planes, *self.site.mesh.revisions} - {""})

    @property
    def peer_authentications(self) -> MeshPolicies:
        """The PeerAuthentications, by namespace."""
        return self._mesh_policies(PEER_AUTHENTICATION)

    @property
    def destination_rules(self) -> MeshPolicies:
        """The DestinationRules, by namespace."""
        return self._mesh_policies(DESTINATION_RULE)

    @property
    def authorization_policies(self) -> MeshPolicies:
        """The AuthorizationPolicies, by namespace."""
        return self._mesh_policies(AUTHORIZATION_POLICY)

    def _mesh_policies(self, kind: Kind) -> MeshPolicies:
        self._declared(kind)
        return self.mesh_policies.get(kind, {})

    def is_platform(self, requester: Requester | None) -> bool:
        """Whether a platform principal asks: an exact user or group of the rulebook."""
        if requester is None:
            return False
        platform = self.site.platform
        return requester.username in platform.users or bool(requester.groups & platform.groups)

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """What stands in for facts that were not given, a sentence each."""
        said = []
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


_MESH_POLICIES = {
    kind.kind: kind for kind in (PEER_AUTHENTICATION, DESTINATION_RULE, AUTHORIZATION_POLICY)
}


def _by_namespace(policies: Iterable[MeshPolicy]) -> MeshPolicies:
    """The policies by namespace in the order of Istio: the oldest first, ties by name."""
    found: dict[str, tuple[MeshPolicy, ...]] = {}
    for policy in sorted(policies, key=lambda one: (not one.created, one.created, one.name)):
        found[policy.namespace] = (*found.get(policy.namespace, ()), policy)
    return found


class _Injector(NamedTuple):
    """The revision that a webhook configuration injects, and the name it is known by."""

    known: str = ""
    revision: str = ""

    @classmethod
    def of(cls, configuration: JSON) -> _Injector:
        own = labels_of(configuration)
        if own.get("app") != "sidecar-injector":
            return cls()
        revision = own.get("istio.io/rev", "")
        return cls(own.get("istio.io/tag") or revision, revision)
