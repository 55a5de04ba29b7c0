"""Read and judge PEM: bytes in, certificates and keys out, and one error for all that is wrong."""

import ipaddress
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

LIMIT = 1 << 20  # bytes; a Secret holds no more

_DAMAGE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class BadPair(ValueError):
    """A certificate or key that must not be used; the text says why and shows no key."""


@lru_cache(maxsize=64)
def read_certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text; raises BadPair when one block is anything else.

    Strict, since the API server drops a whole caBundle for one bad block. Remembered, since a
    decision asks for the same few texts many times; what is remembered holds no key.
    """
    if len(text) > LIMIT:
        raise BadPair(f"certificate is {len(text)} bytes long, at most {LIMIT} are read")
    if not text.strip():
        raise BadPair("certificate is empty")
    try:
        found = tuple(x509.load_pem_x509_certificates(text))
        for certificate in found:
            _read_whole(certificate)
    except _DAMAGE as error:
        raise BadPair(f"certificate cannot be read: {error}") from error
    if len(found) != text.count(b"-----BEGIN "):
        raise BadPair("certificate text holds PEM blocks that are no certificates")
    return found


def _read_whole(certificate: x509.Certificate) -> None:
    # These are parsed when they are asked for, and would raise in the middle of something.
    certificate.public_key()
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    if certificate.not_valid_before_utc >= certificate.not_valid_after_utc:
        raise ValueError("it ends before it begins")
    list(certificate.extensions)


def read_key(text: bytes) -> PrivateKeyTypes:
    """The private key of a PEM text; raises BadPair, an encrypted key included."""
    if len(text) > LIMIT:
        raise BadPair(f"key is {len(text)} bytes long, at most {LIMIT} are read")
    if not text.strip():
        raise BadPair("key is empty")
    try:
        key = serialization.load_pem_private_key(text, password=None)
        key.public_key()
    except TypeError as error:
        raise BadPair("key is encrypted, it must be plain PKCS#8") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadPair("key is not a PEM private key") from error
    return key


def prove(chain: bytes, key: bytes, *, now: datetime) -> x509.Certificate:
    """The leaf of a chain whose key matches and whose dates hold; raises BadPair with the reason.

    `chain`: PEM, the leaf first. `key`: PEM. `now`: aware.
    """
    leaf = read_certificates(chain)[0]
    if leaf.public_key() != read_key(key).public_key():
        raise BadPair("key and certificate do not match")
    if now < leaf.not_valid_before_utc:
        raise BadPair(f"certificate is not valid before {stamp(leaf.not_valid_before_utc)}")
    if now >= leaf.not_valid_after_utc:
        raise BadPair(f"certificate expired on {stamp(leaf.not_valid_after_utc)}")
    return leaf


def is_signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` signed `leaf` (subject and signature, not dates)."""
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names(leaf: x509.Certificate) -> frozenset[str]:
    """The DNS names and IP addresses that a leaf is for."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return frozenset((*found.get_values_for_type(x509.DNSName), *addresses))


def permitted(authority: x509.Certificate) -> frozenset[str]:
    """The names that the constraints of an authority list; none for one without constraints."""
    try:
        found = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(_written(name) for name in found.permitted_subtrees or ())


def _written(name: x509.GeneralName) -> str:
    if isinstance(name.value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(name.value.network_address)
    return str(name.value)


def renewal(certificate: x509.Certificate) -> datetime:
    """The moment from which a third of the life or less is left."""
    end = certificate.not_valid_after_utc
    return end - (end - certificate.not_valid_before_utc) / 3


def write(certificate: x509.Certificate) -> bytes:
    """One certificate as PEM, always the same bytes for the same certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def stamp(moment: datetime) -> str:
    """A moment as people and logs read it, to the second."""
    return (moment - timedelta(microseconds=moment.microsecond)).isoformat().replace("+00:00", "Z")
