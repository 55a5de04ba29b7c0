"""Sallyport beside OPA: keys, a view, and servers that last for a module."""

from __future__ import annotations

from tests.faults.conftest import keys, view

__all__ = ["keys", "view"]
