"""Sallyport beside OPA: keys, a view, and the authority of a site."""

from __future__ import annotations

import pytest

from tests.faults.conftest import keys, view
from tests.opa.pki import Site

__all__ = ["keys", "view"]


@pytest.fixture(scope="session")
def pki() -> Site:
    """For OPA and who asks it."""
    return Site()
