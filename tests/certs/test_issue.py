"""What is issued: names, dates, extensions, and that strict verifiers accept it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs import issue, pem
from certs.issue import Authority, BadName, Pair
from certs.pem import BadPair
from tests.certs.moments import DAY, HOUR, LOCAL, NAME, NAMES, NOW

KINDS = [NAMES, ("127.0.0.1",), ("::1",), LOCAL, ("::1", "10.0.0.7", "a.example")]


def _read(text: bytes) -> x509.Certificate:
    return pem.read_certificates(text)[0]


def _verify(ca: x509.Certificate, leaf: x509.Certificate, name: str) -> None:
    verifier = PolicyBuilder().store(Store([ca])).time(NOW).build_server_verifier(_general(name))
    verifier.verify(leaf, [])


def _general(name: str) -> x509.DNSName | x509.IPAddress:
    return issue._general(name)


def _issue(names: Sequence[str], now: datetime = NOW) -> tuple[Authority, Pair]:
    authority = issue.issue_authority(names, now=now)
    return authority, issue.issue_leaf(authority, names, now=now)


def test_authority_can_sign_leaves_and_nothing_else(authority: Authority) -> None:
    ca = _read(authority.certificate)
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)


def test_the_generation_stands_in_the_common_name() -> None:
    ca = _read(issue.issue_authority(NAMES, now=NOW, generation=7).certificate)
    assert ca.subject.rfc4514_string() == "CN=sallyport-ca-g7"


def test_leaf_is_for_servers_of_exactly_these_names(authority: Authority, pair: Pair) -> None:
    leaf = _read(pair.chain)
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert pem.names(leaf) == {NAME}
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert pem.is_signed_by(leaf, _read(authority.certificate))


def test_keys_are_plain_pkcs8(authority: Authority, pair: Pair) -> None:
    for key in (authority.key, pair.key):
        assert key.startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_a_key_is_not_shown_by_accident(authority: Authority, pair: Pair) -> None:
    assert "PRIVATE" not in f"{authority!r} {pair!r}"


def test_dates(authority: Authority, pair: Pair) -> None:
    ca, leaf = _read(authority.certificate), _read(pair.chain)
    assert (ca.not_valid_before_utc, ca.not_valid_after_utc) == (NOW - HOUR, NOW + 730 * DAY)
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (NOW - HOUR, NOW + 90 * DAY)


def test_a_leaf_never_outlives_its_authority(authority: Authority) -> None:
    late = issue.issue_leaf(authority, NAMES, now=NOW + 700 * DAY)
    ca = _read(authority.certificate)
    assert _read(late.chain).not_valid_after_utc == ca.not_valid_after_utc


@pytest.mark.parametrize("days", [-1, 730, 800])
def test_an_authority_outside_its_dates_signs_nothing(authority: Authority, days: int) -> None:
    with pytest.raises(BadPair, match=r"expired on|not valid before"):
        issue.issue_leaf(authority, NAMES, now=NOW + days * DAY)


def test_an_authority_without_its_key_signs_nothing(authority: Authority, pair: Pair) -> None:
    with pytest.raises(BadPair, match="key is empty"):
        issue.issue_leaf(replace(authority, key=b""), NAMES, now=NOW)
    with pytest.raises(BadPair, match="do not match"):
        issue.issue_leaf(replace(authority, key=pair.key), NAMES, now=NOW)


def test_serials_are_random_and_long(authority: Authority) -> None:
    pairs = [issue.issue_leaf(authority, NAMES, now=NOW) for _ in range(20)]
    serials = {_read(pair.chain).serial_number for pair in pairs}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 128 for serial in serials)
    assert max(serials) > 1 << 100


@pytest.mark.parametrize("names", KINDS, ids=" ".join)
def test_python_accepts_the_chain_for_each_name(names: tuple[str, ...]) -> None:
    authority, pair = _issue(names)
    for name in names:
        _verify(_read(authority.certificate), _read(pair.chain), name)


@pytest.mark.parametrize("names", KINDS, ids=" ".join)
def test_openssl_accepts_the_chain_in_strict_mode(names: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    authority, pair = _issue(names)
    done = _run_openssl(tmp_path, authority.certificate, pair.chain)
    assert done.returncode == 0, done.stderr


def _run_openssl(
    folder: Path, ca: bytes, leaf: bytes, *more: str
) -> subprocess.CompletedProcess[str]:
    (folder / "ca").write_bytes(ca)
    (folder / "leaf").write_bytes(leaf)
    moment = ["-attime", str(int(NOW.timestamp()))]
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", *moment, *more]
    files = ["-CAfile", str(folder / "ca"), str(folder / "leaf")]
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False)


def _forge(authority: Authority, name: x509.GeneralName) -> bytes:
    """A leaf that a thief of the authority's key would make."""
    ca, key = _read(authority.certificate), ec.generate_private_key(ec.SECP256R1())
    builder = issue._dated(issue._LEAF_SUBJECT, NOW - HOUR, NOW + DAY).issuer_name(ca.subject)
    builder = builder.public_key(key.public_key())
    signer = issue._signer(authority)
    for extension, critical in issue._leaf_extensions(signer.public_key(), key.public_key(), NAMES):
        if isinstance(extension, x509.SubjectAlternativeName):
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical)
        else:
            builder = builder.add_extension(extension, critical)
    return pem.write(builder.sign(signer, hashes.SHA256()))


@pytest.mark.parametrize(
    ("names", "stolen"),
    [(NAMES, "kubernetes.default.svc"), (NAMES, "10.0.0.1"), (NAMES, "::1"),
     (("127.0.0.1",), "10.0.0.1"), (("127.0.0.1",), "::1"), (("127.0.0.1",), "a.example")],
)  # fmt: skip
def test_a_stolen_authority_is_worth_no_other_name(
    names: tuple[str, ...], stolen: str, tmp_path: Path
) -> None:
    authority = issue.issue_authority(names, now=NOW)
    forged = _forge(authority, _general(stolen))
    with pytest.raises(VerificationError):
        _verify(_read(authority.certificate), _read(forged), stolen)
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    assert "subtree" in _run_openssl(tmp_path, authority.certificate, forged).stderr


def test_a_name_that_the_authority_does_not_permit_is_refused(authority: Authority) -> None:
    with pytest.raises(BadName, match="does not permit localhost"):
        issue.issue_leaf(authority, (*NAMES, "localhost"), now=NOW)


def test_addresses_are_permitted_one_by_one() -> None:
    ca = _read(issue.issue_authority(("127.0.0.1", "::1"), now=NOW).certificate)
    found = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert found.value.permitted_subtrees == [
        x509.IPAddress(ip_network("127.0.0.1/32")),
        x509.IPAddress(ip_network("::1/128")),
    ]


def test_names_are_written_in_one_way() -> None:
    written = issue.read_names(["Webhook.Example", "0:0::1", "webhook.example", "127.0.0.1"])
    assert written == ("127.0.0.1", "::1", "webhook.example")


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "*.example", "a..b", ".a", "a.", "-a.b", "a-.b", "a_b", "ä.example", "a/24",
     "10.0.0.0/24", "127.1", "1.2.3.4.5", "300.1.1.1", "fe80::1%eth0", "a\n", "a\0", "x" * 64,
     ".".join(["x" * 60] * 5)],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        issue.read_names([text])


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(BadName, match="no name"):
        issue.issue_authority([], now=NOW)
