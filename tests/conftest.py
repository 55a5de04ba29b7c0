"""Fixtures of all tests."""

from __future__ import annotations

from tests.control_plane.fixtures import control_plane, control_plane_programs, opa_program

__all__ = ["control_plane", "control_plane_programs", "opa_program"]
