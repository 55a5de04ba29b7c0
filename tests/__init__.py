"""Tests: laws over every rule, golden messages, doors, the fault table, a real API server."""
