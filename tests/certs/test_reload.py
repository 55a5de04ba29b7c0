"""What is on disk becomes what is served, if it is good; else the old pair stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certs import issue, pem
from certs.issue import Authority, Pair
from certs.reload import BadPair, ServedPair
from tests.certs.conftest import write_pair
from tests.certs.moments import DAY, HOUR, NAMES, NOW
from tests.certs.volume import Volume

Spoil = Callable[[Authority, Pair], Pair]


def _serial(pair: Pair) -> int:
    return pem.read_certificates(pair.chain)[0].serial_number


def _new(authority: Authority, now: datetime = NOW) -> Pair:
    return issue.issue_leaf(authority, NAMES, now=now)


def test_it_tells_what_is_served(paths: tuple[Path, Path], pair: Pair) -> None:
    served = ServedPair(*paths, now=NOW)
    assert served.serial == _serial(pair)
    assert served.not_after == NOW + 90 * DAY
    assert served.trouble is None


def test_a_new_pair_is_served(paths: tuple[Path, Path], authority: Authority) -> None:
    served = ServedPair(*paths, now=NOW)
    fresh = _new(authority, NOW + 60 * DAY)
    write_pair(paths[0].parent, fresh)
    assert served.refresh(NOW + 60 * DAY)
    assert served.serial == _serial(fresh)
    assert served.not_after == NOW + 150 * DAY
    assert not served.refresh(NOW + 60 * DAY)


def test_files_that_did_not_change_are_not_even_read(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = ServedPair(*paths, now=NOW)

    def fail(self: ServedPair) -> tuple[bytes, bytes]:
        raise AssertionError("read")

    monkeypatch.setattr(ServedPair, "_read", fail)
    assert not served.refresh(NOW)
    os.utime(paths[0], ns=(0, 0))
    with pytest.raises(AssertionError, match="read"):
        served.refresh(NOW)


def test_the_same_pair_written_again_is_no_swap(paths: tuple[Path, Path], pair: Pair) -> None:
    served = ServedPair(*paths, now=NOW)
    os.utime(paths[0], ns=(0, 0))
    assert not served.refresh(NOW)
    assert not served.refresh(NOW)
    assert served.serial == _serial(pair)


def _mismatched(authority: Authority, pair: Pair) -> Pair:
    return Pair(pair.chain, _new(authority).key)


def _truncated(authority: Authority, pair: Pair) -> Pair:
    return Pair(_new(authority).chain[:300], pair.key)


def _truncated_key(authority: Authority, pair: Pair) -> Pair:
    return Pair(pair.chain, pair.key[:100])


def _huge(authority: Authority, pair: Pair) -> Pair:
    return Pair(pair.chain + b"\n" * 10_000_000, pair.key)


def _huge_key(authority: Authority, pair: Pair) -> Pair:
    return Pair(pair.chain, pair.key + b"A" * 10_000_000)


def _empty(authority: Authority, pair: Pair) -> Pair:
    return Pair(b"", b"")


def _empty_key(authority: Authority, pair: Pair) -> Pair:
    return Pair(pair.chain, b"")


def _too_early(authority: Authority, pair: Pair) -> Pair:
    return _new(authority, NOW + 2 * HOUR)


def _expired(authority: Authority, pair: Pair) -> Pair:
    return _new(issue.issue_authority(NAMES, now=NOW - 100 * DAY), NOW - 91 * DAY)


def _weak(authority: Authority, pair: Pair) -> Pair:
    """RSA of 1024 bits: it parses and matches, and OpenSSL will not have it."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    builder = issue._dated(issue._LEAF_SUBJECT, NOW - HOUR, NOW + DAY)
    builder = builder.issuer_name(issue._LEAF_SUBJECT).public_key(key.public_key())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(pem.write(builder.sign(key, hashes.SHA256())), text)


BAD = [
    (_mismatched, "do not match"),
    (_truncated, "certificate cannot be read"),
    (_truncated_key, "key is not a PEM private key"),
    (_huge, "at most 1048576 are read"),
    (_huge_key, "at most 1048576 are read"),
    (_empty, "certificate is empty"),
    (_empty_key, "key is empty"),
    (_too_early, "not valid before 2026-11-21T13:00:00Z"),
    (_expired, "expired on 2026-11-20T12:00:00Z"),
    (_weak, "OpenSSL refuses"),
]


@pytest.mark.parametrize(("spoil", "reason"), BAD)
def test_a_bad_pair_is_no_beginning(
    spoil: Spoil, reason: str, tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    paths = write_pair(tmp_path, spoil(authority, pair))
    with pytest.raises(BadPair, match=reason):
        ServedPair(*paths, now=NOW)


@pytest.mark.parametrize(("spoil", "reason"), BAD)
def test_a_bad_pair_does_not_replace_a_good_one(
    spoil: Spoil, reason: str, paths: tuple[Path, Path], authority: Authority, pair: Pair
) -> None:
    served = ServedPair(*paths, now=NOW)
    write_pair(paths[0].parent, spoil(authority, pair))
    for _ in range(2):  # each time, for as long as it lies there
        with pytest.raises(BadPair, match=reason):
            served.refresh(NOW)
        assert served.trouble is not None
        assert served.serial == _serial(pair)
    fresh = _new(authority)
    write_pair(paths[0].parent, fresh)
    assert served.refresh(NOW)
    assert served.trouble is None
    assert served.serial == _serial(fresh)


def test_trouble_ends_when_the_old_pair_is_put_back(paths: tuple[Path, Path], pair: Pair) -> None:
    served = ServedPair(*paths, now=NOW)
    paths[1].write_bytes(b"")
    with pytest.raises(BadPair):
        served.refresh(NOW)
    write_pair(paths[0].parent, pair)
    assert not served.refresh(NOW)
    assert served.trouble is None


def test_a_pair_for_tomorrow_is_served_tomorrow(
    paths: tuple[Path, Path], authority: Authority
) -> None:
    served = ServedPair(*paths, now=NOW)
    write_pair(paths[0].parent, _new(authority, NOW + DAY))
    with pytest.raises(BadPair, match="not valid before"):
        served.refresh(NOW)
    assert served.refresh(NOW + DAY)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_named(missing: int, paths: tuple[Path, Path], pair: Pair) -> None:
    served = ServedPair(*paths, now=NOW)
    paths[missing].unlink()
    with pytest.raises(BadPair, match=f"{paths[missing].name}: No such file"):
        served.refresh(NOW)
    with pytest.raises(BadPair, match="No such file"):
        ServedPair(*paths, now=NOW)
    assert served.serial == _serial(pair)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadPair, match="absent: No such file"):
        ServedPair(tmp_path / "absent" / "tls.crt", tmp_path / "absent" / "tls.key", now=NOW)


def test_a_pipe_does_not_hold_up_the_server(paths: tuple[Path, Path]) -> None:
    paths[1].unlink()
    os.mkfifo(paths[1])
    with pytest.raises(BadPair, match="is no file"):
        ServedPair(*paths, now=NOW)


def test_a_volume_that_kubelet_swaps(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    volume = Volume(tmp_path / "volume", pair)
    served = ServedPair(volume.certificate, volume.key, now=NOW)
    for _ in range(3):
        fresh = _new(authority)
        volume.swap(fresh)
        assert served.refresh(NOW)
        assert served.serial == _serial(fresh)
        assert not served.refresh(NOW)


def test_a_swap_between_two_reads_gives_no_mixture(
    tmp_path: Path, authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = Volume(tmp_path / "volume", pair)
    served = ServedPair(volume.certificate, volume.key, now=NOW)
    first, second = _new(authority), _new(authority)
    volume.swap(first)
    real_open = os.open

    def swap_after_the_certificate(path: str, flags: int, **options: int) -> int:
        handle = real_open(path, flags, **options)
        if path == "tls.crt":
            monkeypatch.setattr(os, "open", real_open)
            volume.swap(second)
        return handle

    monkeypatch.setattr(os, "open", swap_after_the_certificate)
    with pytest.raises(BadPair, match=r"tls\.key: No such file"):
        served.refresh(NOW)
    assert served.serial == _serial(pair)
    assert served.refresh(NOW)
    assert served.serial == _serial(second)


def test_a_half_written_volume(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    volume = Volume(tmp_path / "volume", pair)
    served = ServedPair(volume.certificate, volume.key, now=NOW)
    volume.swap(_new(authority))
    (volume.current / "tls.key").unlink()
    with pytest.raises(BadPair, match=r"tls\.key: No such file"):
        served.refresh(NOW)
    assert served.serial == _serial(pair)


def test_certificate_and_key_may_lie_apart(tmp_path: Path, pair: Pair) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "private").mkdir()
    certificate, key = tmp_path / "public" / "chain.pem", tmp_path / "private" / "key.pem"
    certificate.write_bytes(pair.chain)
    key.write_bytes(pair.key)
    assert ServedPair(certificate, key, now=NOW).serial == _serial(pair)


def test_no_writable_folder_is_needed(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    ServedPair(*paths, now=NOW)


def test_systems_without_files_in_memory(
    paths: tuple[Path, Path], pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert ServedPair(*paths, now=NOW).serial == _serial(pair)
    assert list((tmp_path / "temporary").iterdir()) == []


def _count_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_file_stays_open(paths: tuple[Path, Path], authority: Authority) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list open files")
    served = ServedPair(*paths, now=NOW)
    before = _count_open_files()
    for round_ in range(10):
        write_pair(paths[0].parent, _new(authority))
        served.refresh(NOW)
        paths[1].write_bytes(b"junk %d" % round_)
        with pytest.raises(BadPair):
            served.refresh(NOW)
    assert _count_open_files() == before


def test_importing_it_loads_no_client() -> None:
    code = "import sys, certs.reload; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "cryptography" in loaded
    assert not loaded & {"kubernetes", "urllib3", "asyncio", "webhook", "rules"}


def test_a_self_signed_pair_of_a_user_is_served(tmp_path: Path) -> None:
    """Without name constraints, authority or alternative names: what is served is his choice."""
    key = rsa.generate_private_key(65537, 2048)
    builder = issue._dated(issue._LEAF_SUBJECT, NOW - HOUR, NOW + DAY)
    builder = builder.issuer_name(issue._LEAF_SUBJECT).public_key(key.public_key())
    certificate: x509.Certificate = builder.sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    served = ServedPair(*write_pair(tmp_path, Pair(pem.write(certificate), text)), now=NOW)
    assert served.serial == certificate.serial_number
