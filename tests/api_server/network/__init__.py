"""Kinds of Cilium and Calico in a real API server, which a server with a live view follows."""
