"""What is no certificate, no key or no pair says so, quickly, whatever it is."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from certs import issue, pem
from certs.issue import Authority, Pair
from certs.pem import BadPair
from tests.certs.moments import DAY, HOUR, NAMES, NOW

HUGE = b"-----BEGIN CERTIFICATE-----\n" + b"A" * 10_000_000


def test_a_good_pair_gives_its_leaf(pair: Pair) -> None:
    assert pem.names(pem.prove(pair.chain, pair.key, now=NOW)) == set(NAMES)


@pytest.mark.parametrize("text", [b"", b"\n", b"no PEM", b"\xff\0", HUGE], ids=range(5))
def test_what_is_no_certificate(text: bytes, pair: Pair) -> None:
    with pytest.raises(BadPair, match=r"^certificate"):
        pem.prove(text, pair.key, now=NOW)


@pytest.mark.parametrize("text", [b"", b"\n", b"no PEM", b"\xff\0", HUGE], ids=range(5))
def test_what_is_no_key(text: bytes, pair: Pair) -> None:
    with pytest.raises(BadPair, match=r"^key"):
        pem.prove(pair.chain, text, now=NOW)


def test_an_encrypted_key_is_refused_not_asked_for(pair: Pair) -> None:
    locked = pem.read_key(pair.key).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(BadPair, match="encrypted"):
        pem.prove(pair.chain, locked, now=NOW)


def test_the_key_of_another_leaf_does_not_match(authority: Authority, pair: Pair) -> None:
    other = issue.issue_leaf(authority, NAMES, now=NOW)
    with pytest.raises(BadPair, match="do not match"):
        pem.prove(pair.chain, other.key, now=NOW)


def test_dates_hold_to_the_second(pair: Pair) -> None:
    pem.prove(pair.chain, pair.key, now=NOW - HOUR)
    with pytest.raises(BadPair, match="not valid before 2026-11-21T11:00:00Z"):
        pem.prove(pair.chain, pair.key, now=NOW - 2 * HOUR)
    with pytest.raises(BadPair, match="expired on 2027-02-19T12:00:00Z"):
        pem.prove(pair.chain, pair.key, now=NOW + 90 * DAY)


@given(cut=st.integers(min_value=0, max_value=10_000))
def test_a_truncated_certificate_is_refused(cut: int, pair: Pair) -> None:
    text = pair.chain.rstrip()
    with pytest.raises(BadPair):
        pem.read_certificates(text[: cut % len(text)])


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(noise=st.binary(max_size=200), at=st.integers(min_value=0, max_value=10_000))
def test_a_damaged_certificate_raises_nothing_else(noise: bytes, at: int, pair: Pair) -> None:
    at %= len(pair.chain)
    with suppress(BadPair):
        pem.prove(pair.chain[:at] + noise + pair.chain[at + len(noise) :], pair.key, now=NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2a8648ce3d030107", "0a8648ce3d030107"),  # the curve of the public key
        ("03420004", "03420005"),  # the form of its point
        ("0603551d11", "0603551d0f"),  # an alternative name becomes a second key usage
        ("3020821e", "30208b1e"),  # a kind of name that does not exist
    ],
)
def test_damage_inside_is_found_at_once(old: str, new: str, pair: Pair) -> None:
    """A certificate is parsed when its parts are asked for, which may be in a handshake."""
    der = ssl.PEM_cert_to_DER_cert(pair.chain.decode()).hex()
    assert old in der
    text = ssl.DER_cert_to_PEM_cert(bytes.fromhex(der.replace(old, new, 1)))
    with pytest.raises(BadPair, match="certificate cannot be read"):
        pem.read_certificates(text.encode())


@pytest.mark.parametrize("junk", [b"key", b"-----BEGIN CERTIFICATE-----\nAA==\n", b"-----BEGIN X"])
def test_one_bad_block_spoils_a_bundle(junk: bytes, authority: Authority, pair: Pair) -> None:
    block = pair.key if junk == b"key" else junk
    for text in (authority.certificate + block, block + authority.certificate):
        with pytest.raises(BadPair):
            pem.read_certificates(text)


def test_two_authorities_of_one_name_are_told_apart(authority: Authority, pair: Pair) -> None:
    other = issue.issue_authority(NAMES, now=NOW)
    (leaf,) = pem.read_certificates(pair.chain)
    (theirs,) = pem.read_certificates(other.certificate)
    (ours,) = pem.read_certificates(authority.certificate)
    assert theirs.subject == ours.subject
    assert pem.is_signed_by(leaf, ours)
    assert not pem.is_signed_by(leaf, theirs)
