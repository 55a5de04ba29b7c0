"""A SecretProviderClass must name the identity of its pods, not borrow the node's.

Why: the identity of a node reaches what every tenant on it may reach, key vaults too.
Source: Azure Key Vault provider for the Secrets Store CSI driver, identity access modes; contracts
11 (IDENTITY).

`useVMManagedIdentity` takes the identity of the node, `usePodIdentity` that of the retired pod
identity, which is handed out by the node. Workload identity is named by `clientID`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import SECRET_PROVIDER_CLASS, Finding, Fix, Operation, Path, rule
from rules.patch import lookup
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.words import quote

PARAMETERS: Path = ("spec", "parameters")
BORROWING = ("useVMManagedIdentity", "usePodIdentity")
TRUE = ("1", "t", "T", "true", "TRUE", "True")  # what the provider reads as true

_CLASS = "{kind: SecretProviderClass, spec: {provider: azure, parameters: {%s}}}"
ALLOW = [
    _CLASS % "clientID: 0b1f7f2c-0000-4000-8000-000000000000, keyvaultName: shop",
    _CLASS % "useVMManagedIdentity: 'false', usePodIdentity: ''",
    "{kind: SecretProviderClass, spec: {provider: vault}}",
]
DENY = [
    _CLASS % "useVMManagedIdentity: 'true', userAssignedIdentityID: ''",
    _CLASS % "usePodIdentity: ' True '",
    _CLASS % "useVMManagedIdentity: '1', usePodIdentity: 't'",
]


@rule(kinds=(SECRET_PROVIDER_CLASS,), shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each parameter that borrows."""
    for parameter in BORROWING:
        path = (*PARAMETERS, parameter)
        stated = mapping(lookup(review.object, PARAMETERS)).get(parameter)
        if isinstance(stated, str) and stated.strip() in TRUE:
            yield Finding(
                check="IDENTITY",
                path=path,
                message=f"is {quote(stated)}, which borrows the identity of the node; remove it "
                "and set clientID to the workload identity of your pods",
                found=stated,
                fix=Fix((Operation("remove", path),), safe=False),
            )
