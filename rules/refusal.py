"""Findings about what a pod states, and cannot take back once it is stored."""

from __future__ import annotations

from rules.model import Finding, Fix, Level, Operation, Path
from rules.patch import lookup
from rules.review import Review


def refuse(
    review: Review, check: str, path: Path, message: str, *patch: Operation, level: Level = "deny"
) -> Finding:
    """The Finding that this must not stand there; `patch` is what its `message` asks for.

    The spec of a stored pod is immutable, so there the patch is left out and the message says so.
    What comes through a subresource is no more stored than a new pod is.
    """
    if review.operation == "UPDATE" and not review.subresource:
        message, patch = f"{message}; a stored pod cannot be changed: create it anew", ()
    return Finding(
        check=check,
        path=path,
        message=message,
        found=lookup(review.object, path),
        fix=Fix(patch, safe=False) if patch else None,
        level=level,
    )


def removal(review: Review, check: str, path: Path, state: str) -> Finding:
    """The Finding that the field must go: `state` says what is."""
    return refuse(review, check, path, f"{state}; remove it", Operation("remove", path))
