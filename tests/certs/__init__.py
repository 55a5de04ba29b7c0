"""Tests of keys: what is issued, when it is renewed, where it is kept, how it is served."""
