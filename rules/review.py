"""Review, what is asked, and Cluster, a frozen view of what else exists."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any, NamedTuple, TypeVar

from rules.content import NOTHING, Content, Lazy, Outline
from rules.enforcement import empty_index, index_of
from rules.evidence import Mention
from rules.facts import (
    MESH_POLICIES,
    Facts,
    MeshPolicies,
    Namespace,
    absent_from,
    by_namespace,
    facts_of,
)
from rules.memory import Memory
from rules.model import (
    AUTHORIZATION_POLICY,
    DESTINATION_RULE,
    JSON,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    NETWORK,
    PEER_AUTHENTICATION,
    POD,
    RUNTIME_CLASS,
    SERVICE_ENTRY,
    Kind,
    OperationName,
    Phase,
)
from rules.netpol.index import Index
from rules.pods import Pod, annotations_of, mapping
from rules.site import TRUST_LABEL, Network, Site
from rules.words import printable

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of mirror pods, by which a kubelet shows the static pods of its node."""
NODE = "system:node:"
NODES = "system:nodes"

_NETWORK = frozenset(NETWORK)
MOST_MADE = 1000
"""So much of what follows from a state of the cluster is kept."""

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


class Requester(NamedTuple):
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
    asked for; see `rules.review.Content`. `fits` says that the new object is known to have the
    shape that `rules.shapes` names.
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
    new: Content = NOTHING
    former: Content = NOTHING

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a webhook is registered for; the rulebook finds its rules by it."""
        return self.group, self.resource, self.subresource, self.operation

    @property
    def is_final(self) -> bool:
        """Whether the object is as it will be stored: nobody changes it after us."""
        return self.phases[0] == "final"

    @property
    def content(self) -> Content:
        """What is under review; that which goes, on DELETE."""
        return self.former if self.operation == "DELETE" else self.new

    @property
    def object(self) -> JSON:
        """The object under review."""
        return self.content.get()

    @property
    def pod(self) -> Pod:
        """The object under review, which is a pod."""
        return self.content.pod

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """The URLs that the pod under review says it calls."""
        return self.content.mentions

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

    @property
    def fits(self) -> bool:
        """Whether the new object is known to have the shape that `rules.shapes` names."""
        return self.new.fits

    def showing(self, value: JSON, outline: Outline | None = None) -> Review:
        """The same question about another object."""
        return self._replace(new=Content.of(value, outline=outline))


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
    sidecar injectors, tags where they have one, None where no webhook configuration is known;
    `control_planes` are their revisions without tags. `networks` gives all that network policies
    say and are about, as the engine reads it that a rulebook names. `absent` names what was not
    given and so does not exist. In a `live` view nothing is assumed: what is not there does not
    exist, or is not known yet. `reads` None may ask for everything; rules get a view limited to
    what they declare.
    """

    site: Site = field(default_factory=Site)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    injectors: tuple[str, ...] | None = None
    control_planes: frozenset[str] = frozenset()
    mesh_policies: Mapping[Kind, Lazy[MeshPolicies]] = field(default_factory=dict)
    networks: Callable[[Network], Index] | None = None
    reads: frozenset[Kind] | None = None
    live: bool = False
    absent: tuple[str, ...] = ()
    _made: Memory[Hashable, Any] = field(
        default_factory=partial(Memory, MOST_MADE), init=False, compare=False, repr=False
    )
    _steady: Memory[Hashable, Any] = field(
        default_factory=partial(Memory, MOST_MADE), init=False, compare=False, repr=False
    )

    @classmethod
    def of(cls, objects: Iterable[JSON], site: Site | None = None) -> Cluster:
        """The view of these objects; of two with one name the later counts."""
        objects = tuple(objects)
        found = cls.holding(facts_of(objects), site, networks=cache(partial(index_of, objects)))
        return replace(found, absent=absent_from(objects))

    @classmethod
    def holding(
        cls,
        facts: Facts,
        site: Site | None = None,
        *,
        networks: Callable[[Network], Index] | None = None,
        live: bool = False,
    ) -> Cluster:
        """The view of these facts, which nobody may change any more."""
        found = list(facts.get(MUTATING_WEBHOOKS, {}).values())
        return cls(
            site or Site(),
            facts.get(NAMESPACE, {}),
            facts.get(RUNTIME_CLASS, {}),
            tuple(one.known for one in found if one.known) if found or live else None,
            frozenset(one.revision for one in found if one.revision),
            {
                kind: Lazy(partial(by_namespace, facts[kind].values()))
                for kind in MESH_POLICIES
                if kind in facts
            },
            networks,
            live=live,
        )

    def limited_to(self, reads: frozenset[Kind]) -> Cluster:
        """The view that refuses every kind but these."""
        return self.once(reads, partial(replace, self, reads=reads))

    def once(self, what: Hashable, make: Callable[[], _Value]) -> _Value:
        """What follows from this state of the cluster: made when first asked for."""
        made: _Value = self._made.once(what, make)
        return made

    def steadily(self, what: Hashable, make: Callable[[], _Value]) -> _Value:
        """What follows from all but the networks: kept by what `with_networks` gives."""
        made: _Value = self._steady.once(what, make)
        return made

    def with_networks(self, networks: Callable[[Network], Index] | None) -> Cluster:
        """The same view, where nothing but pods, Services and network policies changed."""
        changed = replace(self, networks=networks)
        object.__setattr__(changed, "_steady", self._steady)  # one memory for both
        return changed

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

    @property
    def network(self) -> Index:
        """All that network policies say and are about, as the engine of this cluster reads it."""
        if self.reads is not None and not self.reads >= _NETWORK:
            self._declared(next(kind for kind in NETWORK if kind not in self.reads))
        if self.networks is not None:
            return self.networks(self.site.network)
        if self.live:
            raise Undeclared("network policies are read, and the live view does not follow them")
        return empty_index(self.site.network)

    @property
    def service_entries(self) -> MeshPolicies:
        """The ServiceEntries, by namespace."""
        return self._mesh_policies(SERVICE_ENTRY)

    def _mesh_policies(self, kind: Kind) -> MeshPolicies:
        self._declared(kind)
        known = self.mesh_policies.get(kind)
        if known is None and self.live:
            raise Undeclared(f"{kind.kind} is read, and the live view does not follow it")
        return known.get() if known is not None else {}

    def is_platform(self, requester: Requester | None) -> bool:
        """Whether a platform principal asks: an exact user or group of the rulebook."""
        if requester is None:
            return False
        platform = self.site.platform
        return requester.username in platform.users or bool(requester.groups & platform.groups)

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """What stands in for facts that were not given, a sentence each; in a live view nothing."""
        if self.live:
            return ()
        said = []
        if not self.namespaces:
            said.append("no Namespace is given: namespaces have no labels, trust is by name alone")
        if not self.classes:
            names = ", ".join(f"{name} ({handler})" for name, handler in STOCK_CLASSES.items())
            said.append(f"no RuntimeClass is given: those of AKS are assumed, {names}")
        if self.injectors is None:
            known = printable(", ".join(sorted(self.revisions)))
            said.append(f"no sidecar injector is given: mesh revisions {known} are assumed")
        said += [f"no {name} is given: there is none" for name in self.absent]
        return tuple(said)

    def _declared(self, kind: Kind) -> None:
        if self.reads is not None and kind not in self.reads:
            raise Undeclared(f"{kind.kind} is read but not declared in reads")
