"""The live view: what we make of the API server's words, and what we do when it has none.

Here belongs a made-up API server that can misbehave (`wire`), and tests against the real one.
"""
