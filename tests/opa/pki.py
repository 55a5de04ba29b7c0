"""The authorities of a site, for a central OPA and for who asks it."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Site:
    """One authority for servers and clients, and another that nobody trusts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _named("site")
        self._certificate = (
            _builder(name, self._key)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def server(self, folder: Path) -> Path:
        """A folder with ca.crt, tls.crt and tls.key of a server on our address."""
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return self._issue(folder, "opa", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, folder: Path, name: str) -> Path:
        """A folder with ca.crt, tls.crt and tls.key of a client with this common name."""
        return self._issue(folder, name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def strange(self, folder: Path, name: str) -> Path:
        """The same of another authority."""
        return Site().client(folder, name)

    def _issue(
        self,
        folder: Path,
        name: str,
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None = None,
    ) -> Path:
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_named(name), key)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        leaf = builder.sign(self._key, hashes.SHA256())
        (folder / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / "ca.crt").write_bytes(_pem(self._certificate))
        (folder / "tls.crt").write_bytes(_pem(leaf))
        return folder


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
