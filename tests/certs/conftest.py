"""Fixtures that several files of these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs import issue
from tests.certs.moments import NAMES, NOW


@pytest.fixture(scope="session")
def authority() -> issue.Authority:
    """An authority for NAMES, made at NOW."""
    return issue.issue_authority(NAMES, now=NOW)


@pytest.fixture(scope="session")
def pair(authority: issue.Authority) -> issue.Pair:
    """A leaf for NAMES, made at NOW."""
    return issue.issue_leaf(authority, NAMES, now=NOW)


@pytest.fixture
def paths(tmp_path: Path, pair: issue.Pair) -> tuple[Path, Path]:
    """That leaf and its key as files."""
    return write_pair(tmp_path, pair)


def write_pair(folder: Path, pair: issue.Pair) -> tuple[Path, Path]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair.chain)
    key.write_bytes(pair.key)
    return certificate, key
