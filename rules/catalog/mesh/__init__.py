"""The mesh: sidecars, mutual TLS, and what the mesh is told."""
