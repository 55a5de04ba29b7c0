"""The nouns that rules are written in: Rule, ActiveRule, Finding, Fix, Decision.

`Review` and `Cluster` stand in `rules.review`, since they know more of the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

JSON = Any
"""A decoded JSON value: None, bool, int, float, str, list of JSON, dict of str to JSON."""

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of an object, e.g. `("spec", "egress", 0)`."""

Level = Literal["deny", "warn", "info"]
Action = Literal["enforce", "warn", "audit", "off"]
Effect = Literal["deny", "warn", "audit", "info"]
Mend = Literal["enforce", "warn", "off"]
Severity = Literal["critical", "high", "medium", "low"]
Phase = Literal["raw", "final"]
Scope = Literal["tenants", "everywhere"]
OperationName = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

Check = Callable[..., Iterator["Finding"]]
"""`check(review, cluster, *, parameters...)` yields what the rule has to say."""
_AnyCheck = TypeVar("_AnyCheck", bound=Check)


@dataclass(frozen=True, slots=True, eq=False)  # one value each: every read of a Cluster hashes it
class Kind:
    """A kind of object and the resource that serves it."""

    group: str
    kind: str
    resource: str
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


POD = Kind("", "Pod", "pods")
NAMESPACE = Kind("", "Namespace", "namespaces", namespaced=False)
DEPLOYMENT = Kind("apps", "Deployment", "deployments")
STATEFUL_SET = Kind("apps", "StatefulSet", "statefulsets")
DAEMON_SET = Kind("apps", "DaemonSet", "daemonsets")
REPLICA_SET = Kind("apps", "ReplicaSet", "replicasets")
JOB = Kind("batch", "Job", "jobs")
CRON_JOB = Kind("batch", "CronJob", "cronjobs")
SERVICE = Kind("", "Service", "services")
BINDING = Kind("", "Binding", "bindings")
SECRET_PROVIDER_CLASS = Kind(
    "secrets-store.csi.x-k8s.io", "SecretProviderClass", "secretproviderclasses"
)
CONFIG_MAP = Kind("", "ConfigMap", "configmaps")
PERSISTENT_VOLUME = Kind("", "PersistentVolume", "persistentvolumes", namespaced=False)
STORAGE_CLASS = Kind("storage.k8s.io", "StorageClass", "storageclasses", namespaced=False)
NETWORK_POLICY = Kind("networking.k8s.io", "NetworkPolicy", "networkpolicies")
CILIUM_POLICY = Kind("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "v2")
CILIUM_CLUSTERWIDE_POLICY = Kind(
    "cilium.io",
    "CiliumClusterwideNetworkPolicy",
    "ciliumclusterwidenetworkpolicies",
    "v2",
    namespaced=False,
)
CILIUM_CIDR_GROUP = Kind(
    "cilium.io", "CiliumCIDRGroup", "ciliumcidrgroups", "v2alpha1", namespaced=False
)
ADMIN_POLICY, BASELINE_POLICY, CLUSTER_POLICY = (
    Kind("policy.networking.k8s.io", kind, resource, version, namespaced=False)
    for kind, resource, version in (
        ("AdminNetworkPolicy", "adminnetworkpolicies", "v1alpha1"),
        ("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies", "v1alpha1"),
        ("ClusterNetworkPolicy", "clusternetworkpolicies", "v1alpha2"),
    )
)


def _of_calico(*names: tuple[str, str]) -> tuple[Kind, ...]:
    """Kinds of Calico in both of their groups: as its API has them, and as they are stored."""
    return tuple(
        Kind(group, kind, resource, version, namespaced="Global" not in kind and kind != "Tier")
        for group, version in (("projectcalico.org", "v3"), ("crd.projectcalico.org", "v1"))
        for kind, resource in names
    )


CALICO_POLICIES = _of_calico(
    ("NetworkPolicy", "networkpolicies"), ("GlobalNetworkPolicy", "globalnetworkpolicies")
)
CALICO_STAGED = _of_calico(
    ("StagedNetworkPolicy", "stagednetworkpolicies"),
    ("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies"),
    ("StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies"),
)
"""Policies that are there to be looked at: nobody enforces them."""
NETWORK_SETS = _of_calico(("NetworkSet", "networksets"))
CALICO_TERMS = (
    *NETWORK_SETS,
    *_of_calico(("GlobalNetworkSet", "globalnetworksets"), ("Tier", "tiers")),
)
"""What policies of Calico name, or stand in."""
TIERS = tuple(kind for kind in CALICO_TERMS if kind.kind == "Tier")
CALICO_SETS = tuple(kind for kind in CALICO_TERMS if kind not in TIERS)
ADDRESS_SETS = (CILIUM_CIDR_GROUP, *CALICO_SETS)
"""Networks, and names, that policies mean by naming the object that lists them."""
CILIUM_POLICIES = (CILIUM_POLICY, CILIUM_CLUSTERWIDE_POLICY)
ADMIN_POLICIES = (ADMIN_POLICY, BASELINE_POLICY, CLUSTER_POLICY)
NETWORK_POLICIES = (NETWORK_POLICY, *CILIUM_POLICIES, *ADMIN_POLICIES, *CALICO_POLICIES)
"""Kinds by which somebody says which pods reach what."""
ENDPOINT_SLICE = Kind("discovery.k8s.io", "EndpointSlice", "endpointslices")
SERVICE_ACCOUNT = Kind("", "ServiceAccount", "serviceaccounts")
RUNTIME_CLASS = Kind("node.k8s.io", "RuntimeClass", "runtimeclasses", namespaced=False)
MUTATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)
VALIDATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)

NETWORK = (
    NAMESPACE,
    POD,
    SERVICE,
    ENDPOINT_SLICE,
    SERVICE_ACCOUNT,
    CILIUM_CIDR_GROUP,
    *NETWORK_POLICIES,
    *CALICO_TERMS,
)
"""All that network policies are, and are about, or name."""

PEER_AUTHENTICATION = Kind("security.istio.io", "PeerAuthentication", "peerauthentications")
AUTHORIZATION_POLICY = Kind("security.istio.io", "AuthorizationPolicy", "authorizationpolicies")
REQUEST_AUTHENTICATION = Kind(
    "security.istio.io", "RequestAuthentication", "requestauthentications"
)
DESTINATION_RULE = Kind("networking.istio.io", "DestinationRule", "destinationrules")
VIRTUAL_SERVICE = Kind("networking.istio.io", "VirtualService", "virtualservices")
SERVICE_ENTRY = Kind("networking.istio.io", "ServiceEntry", "serviceentries")
ISTIO_GATEWAY = Kind("networking.istio.io", "Gateway", "gateways")
SIDECAR = Kind("networking.istio.io", "Sidecar", "sidecars")
WORKLOAD_ENTRY = Kind("networking.istio.io", "WorkloadEntry", "workloadentries")
WORKLOAD_GROUP = Kind("networking.istio.io", "WorkloadGroup", "workloadgroups")
ENVOY_FILTER = Kind("networking.istio.io", "EnvoyFilter", "envoyfilters", "v1alpha3")
PROXY_CONFIG = Kind("networking.istio.io", "ProxyConfig", "proxyconfigs", "v1beta1")
WASM_PLUGIN = Kind("extensions.istio.io", "WasmPlugin", "wasmplugins", "v1alpha1")
TELEMETRY = Kind("telemetry.istio.io", "Telemetry", "telemetries")
ISTIO_OPERATOR = Kind("install.istio.io", "IstioOperator", "istiooperators", "v1alpha1")

PROXY_INTERNALS = (
    ENVOY_FILTER,
    WASM_PLUGIN,
    PROXY_CONFIG,
    WORKLOAD_ENTRY,
    WORKLOAD_GROUP,
    ISTIO_OPERATOR,
)
"""Kinds of Istio that reach past its policies, into proxies or their membership of the mesh."""
ISTIO = (
    PEER_AUTHENTICATION,
    AUTHORIZATION_POLICY,
    REQUEST_AUTHENTICATION,
    DESTINATION_RULE,
    VIRTUAL_SERVICE,
    SERVICE_ENTRY,
    ISTIO_GATEWAY,
    SIDECAR,
    TELEMETRY,
    *PROXY_INTERNALS,
)
"""Kinds of Istio, each in its stable version: the API server converts the others to that."""

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, JOB, CRON_JOB)
"""Kinds that carry a pod template."""
PODS = (POD, *WORKLOADS)
"""Pods, and whatever makes pods: a template is judged as the pod it would become."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a JSON patch (RFC 6902), its place as a path."""

    op: Literal["add", "replace", "remove"]
    path: Path
    value: JSON = None


@dataclass(frozen=True, slots=True)
class Fix:
    """How to mend a Finding. Safe: for an unset field, mend may apply it. Else it is only shown."""

    patch: tuple[Operation, ...]
    safe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule says of one place in one object.

    The rule states `check` (the paragraph of the specification), `path`, `message` (one line that
    goes on from the place: `is "a"; set it to "b"`), `found` (what the ratchet compares), `level`,
    `fix`, and `why` where the fact that triggered it says more than the rule's own reason. The
    engine fills in the rest. See `rules.words.sentence` for the whole line.
    """

    check: str
    path: Path
    message: str
    found: JSON = None
    level: Level = "deny"
    fix: Fix | None = None
    why: str = ""
    exempted_by: str | None = None

    rule: str = ""
    severity: Severity = "medium"
    action: Action = "enforce"
    effect: Effect = "deny"
    existing: bool = False
    error: bool = False


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of a rule, as they stand in its file: YAML texts.

    `allow`: silent. `deny`, `warn`, `info`: speaks at that level. `fix`: pairs (before, after).
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    info: tuple[str, ...] = ()
    fix: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of the catalogue. Its name is its file name in kebab case.

    `also` are subresources of single kinds, beside `subresources`, which hold for all of them;
    `reads` are the kinds it asks the Cluster for; `shaped` promises that it reads no field beyond
    `rules.shapes`, so that no more need be decoded; `by_group`, that of a pod it reads no more than
    `rules.alike` shows, so that it is asked once for all pods alike; `mend` and `action` are its
    settings in the built-in rulebook; `lift=False` keeps its examples out of workload templates and
    says why.
    """

    name: str
    check: Check
    kinds: tuple[Kind, ...]
    operations: frozenset[OperationName]
    subresources: tuple[str, ...]
    reads: frozenset[Kind]
    severity: Severity
    scope: Scope
    phase: Phase
    transition: bool
    mend: Mend
    action: Action
    doc: str
    examples: Examples
    parameters: Mapping[str, JSON]
    lift: bool | str = True
    shaped: bool = False
    by_group: bool = False
    also: tuple[tuple[Kind, str], ...] = ()

    @property
    def summary(self) -> str:
        """The one sentence that says what must be."""
        return self.doc.partition("\n\n")[0].replace("\n", " ")

    @property
    def why(self) -> str:
        """The reason, as one line."""
        return _why(self.doc)


@lru_cache(maxsize=1024)  # asked of each Finding
def _why(doc: str) -> str:
    return " ".join(doc.partition("Why: ")[2].partition("\nSource:")[0].split())


@dataclass(frozen=True, slots=True, eq=False)  # itself and nothing else: it keys caches
class ActiveRule:
    """A rule as this cluster configured it, for one namespace: `check` has its parameters bound."""

    rule: Rule
    action: Action
    check: Check
    mends: bool = False
    ratchet: bool = True
    parameters: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What we answer: the Findings with their effects, and the patch of the author's object."""

    findings: tuple[Finding, ...] = ()
    patch: tuple[Operation, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """No Finding denies."""
        return not self.findings or all(finding.effect != "deny" for finding in self.findings)


def rule(  # noqa: PLR0913  # what a rule may declare
    *,
    kinds: Iterable[Kind],
    operations: Iterable[OperationName] = (),
    subresources: Iterable[str] = ("",),
    also: Iterable[tuple[Kind, str]] = (),
    reads: Iterable[Kind] = (),
    shaped: bool = False,
    by_group: bool = False,
    severity: Severity = "high",
    scope: Scope = "tenants",
    phase: Phase = "final",
    transition: bool = False,
    mend: Mend = "off",
    action: Action = "enforce",
    lift: bool | str = True,
) -> Callable[[_AnyCheck], _AnyCheck]:
    """Declare the `check` of a rule file; `rules.catalog` makes the Rule of it.

    Webhook match rules, RBAC and the generated pages follow from this declaration. A parameter of
    the rule is a keyword-only argument of `check`; its default is the built-in value. `operations`
    are CREATE and UPDATE where none are named; of raw rules CREATE alone, as they are never asked
    about what is stored already.
    """
    usual: tuple[OperationName, ...] = ("CREATE",) if phase == "raw" else ("CREATE", "UPDATE")
    declared = {
        "kinds": tuple(kinds),
        "operations": _set(*(operations or usual)),
        "subresources": tuple(subresources),
        "also": tuple(also),
        "reads": _set(*reads),
        "shaped": shaped,
        "by_group": by_group,
        "severity": severity,
        "scope": scope,
        "phase": phase,
        "transition": transition,
        "mend": mend,
        "action": action,
        "lift": lift,
    }

    def declare(check: _AnyCheck) -> _AnyCheck:
        check.__rule__ = declared  # type: ignore[attr-defined]  # read back by rules.catalog
        return check

    return declare


@lru_cache
def _set(*members: Any) -> frozenset[Any]:
    """A set; rules that declare the same share it."""
    return frozenset(members)
