"""Pods and what runs in them: the sandbox."""
