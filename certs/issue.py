"""Make a certificate authority and the leaf that it signs: ECDSA P-256, bound to exact names.

A stolen CA key must be worth little: critical name constraints permit the names asked for and
nothing else (of a kind of name that is not asked for, everything is excluded), pathlen is 0, and
the leaf never outlives its authority. Sources: RFC 5280 4.2.1; `openssl verify -x509_strict`.
"""

import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import pem

AUTHORITY_LIFE = timedelta(days=730)
LEAF_LIFE = timedelta(days=90)
CLOCK_SKEW = timedelta(hours=1)  # a reader's clock may be this far behind ours
COMMON_NAME = "sallyport-ca-g"  # the generation follows

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_NAME = 253
_EVERYTHING: dict[type[x509.GeneralName], tuple[x509.GeneralName, ...]] = {
    x509.DNSName: (x509.DNSName(""),),
    x509.IPAddress: (
        x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
        x509.IPAddress(ipaddress.ip_network("::/0")),
    ),
}


class BadName(ValueError):
    """A name that is neither a DNS name nor an IP address, or that the authority may not sign."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate and its PKCS#8 key, both PEM. An empty key: it can be trusted, not used."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """A leaf (first in `chain`) and its PKCS#8 key, both PEM."""

    chain: bytes
    key: bytes = field(repr=False)


def service_name(service: str, namespace: str) -> str:
    """The one name under which the API server calls a Service: without cluster domain."""
    return f"{service}.{namespace}.svc"


def read_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Names in canonical form, sorted and each once; raises BadName, for no name at all too."""
    found = tuple(sorted({_written(_general(text)) for text in texts}))
    if not found:
        raise BadName("no name: a DNS name or an IP address is needed")
    return found


def issue_authority(names: Iterable[str], *, now: datetime, generation: int = 1) -> Authority:
    """A self-signed CA that may sign for `names` only, from `now` (aware) for two years.

    Raises BadName.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{COMMON_NAME}{generation}")])
    usage = _key_usage(signs_certificates=True)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _dated(subject, now - CLOCK_SKEW, now + AUTHORITY_LIFE)
        .issuer_name(subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(public, critical=False)
        .add_extension(_constraints(read_names(names)), critical=True)
    )
    return Authority(pem.write(builder.sign(key, hashes.SHA256())), _written_key(key))


def issue_leaf(authority: Authority, names: Iterable[str], *, now: datetime) -> Pair:
    """A serving certificate for exactly `names`, from `now` (aware) for 90 days at most.

    Raises BadName for a name that the authority does not permit, pem.BadPair for an authority
    that does not parse, has lost its key or is outside its dates.
    """
    ca = pem.prove(authority.certificate, authority.key, now=now)
    wanted = read_names(names)
    if refused := sorted(set(wanted) - pem.permitted(ca)):
        raise BadName(f"the authority does not permit {', '.join(refused)}")
    key = ec.generate_private_key(ec.SECP256R1())
    start = max(now - CLOCK_SKEW, ca.not_valid_before_utc)
    builder = (
        _dated(_LEAF_SUBJECT, start, min(now + LEAF_LIFE, ca.not_valid_after_utc))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
    )
    signer = _signer(authority)
    for extension, critical in _leaf_extensions(signer.public_key(), key.public_key(), wanted):
        builder = builder.add_extension(extension, critical=critical)
    return Pair(pem.write(builder.sign(signer, hashes.SHA256())), _written_key(key))


def _signer(authority: Authority) -> ec.EllipticCurvePrivateKey:
    key = pem.read_key(authority.key)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise pem.BadPair("the authority's key is no elliptic-curve key, so it is none of ours")
    return key


# Without a common name: every verifier of today reads the alternative names only, and an older
# one would hold a common name against the DNS constraints. An empty subject displeases some.
_LEAF_SUBJECT = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sallyport")])


def _leaf_extensions(
    signer: ec.EllipticCurvePublicKey, public: ec.EllipticCurvePublicKey, names: tuple[str, ...]
) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general(name) for name in names]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False),
    )


def _dated(subject: x509.Name, start: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .serial_number(secrets.randbits(128) | 1)  # RFC 5280 forbids 0
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(names: tuple[str, ...]) -> x509.NameConstraints:
    # An unnamed kind is unconstrained (RFC 5280 4.2.1.10): a CA for DNS names alone could sign
    # for any IP address, so the kinds that nobody asked for are excluded whole.
    bases = [_subtree(name) for name in names]
    kinds = {type(base) for base in bases}
    excluded = [every for kind in _EVERYTHING if kind not in kinds for every in _EVERYTHING[kind]]
    return x509.NameConstraints(permitted_subtrees=bases, excluded_subtrees=excluded or None)


def _subtree(name: str) -> x509.GeneralName:
    general = _general(name)
    if isinstance(general, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(name))
    return general


def _general(text: str) -> x509.DNSName | x509.IPAddress:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return x509.DNSName(_read_dns(text))
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise BadName(f"{text!r} has a zone: it means something on one machine only")
    return x509.IPAddress(address)


def _read_dns(text: str) -> str:
    name = text.lower()
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadName(f"{text!r} is neither a DNS name nor an IP address")
    if labels[-1].isdigit():
        raise BadName(f"{text!r} ends in a number, so it is no DNS name, and no IP address either")
    return name


def _written(name: x509.DNSName | x509.IPAddress) -> str:
    return str(name.value)


def _written_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
