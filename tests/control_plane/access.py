"""Who may speak to the API server: users, their tokens and kubeconfigs, and the signing key."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CONTROLLER_MANAGER = "system:kube-controller-manager"  # RBAC knows this user from the start
USERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "admin": ("system:masters",),
        "developer": ("tenants",),
        "neighbour": ("tenants",),  # of another tenant: equal rights, other namespaces
        "stranger": (),  # may do nothing
    },
)


class Access:
    """The token of each user and, once the server's address is known, a kubeconfig for each."""

    def __init__(self, folder: Path, users: Mapping[str, tuple[str, ...]]) -> None:
        self.token_file = folder / "tokens.csv"
        self.signing_key = folder / "service-accounts.pem"
        self._folder = folder
        self._groups = {**users, CONTROLLER_MANAGER: ()}
        self._tokens = {user: secrets.token_urlsafe() for user in self._groups}

    def write_keys(self) -> None:
        """What the API server must find when it starts: it reads both files once."""
        with self.token_file.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            for user, token in self._tokens.items():
                rows.writerow([token, user, f"uid-{user}", ",".join(self._groups[user])])
        key = ec.generate_private_key(ec.SECP256R1())
        # In PKCS 8 the API server would not find the public key that checks signatures.
        form = PrivateFormat.TraditionalOpenSSL
        self.signing_key.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))

    def write_kubeconfigs(self, url: str, ca_file: Path) -> None:
        """One file a user, in JSON, which is YAML too."""
        for user, token in self._tokens.items():
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [
                    {
                        "name": "test",
                        "cluster": {"server": url, "certificate-authority": str(ca_file)},
                    },
                ],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
                "users": [{"name": user, "user": {"token": token}}],
            }
            self.kubeconfig(user).write_text(json.dumps(config, indent=1), encoding="utf-8")

    def kubeconfig(self, user: str) -> Path:
        """Where the file is; an unknown user is a KeyError here, not a missing file later."""
        self.token(user)
        return self._folder / f"{user.replace(':', '-')}.kubeconfig"

    def token(self, user: str) -> str:
        """A random one; it is good for as long as this control plane."""
        return self._tokens[user]
