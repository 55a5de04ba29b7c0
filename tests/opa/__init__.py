"""OPA as a second voice, with a real OPA server; see `tests.control_plane` for how it is built.

What OPA cannot be made to do, `wire` does in its place.
"""
