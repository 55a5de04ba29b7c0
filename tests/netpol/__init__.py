"""Tests of rules.netpol."""
