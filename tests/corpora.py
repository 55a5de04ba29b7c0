"""Where the corpora lie: real policies with known answers, never part of the project.

`SALLYPORT_CORPORA` names the folder, `../shared/corpora` is looked at without it. A test that asks
for one skips with the reason where there is none; with `SALLYPORT_REQUIRE_CORPORA=1` it fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpora"


def corpus(name: str) -> Path:
    """The folder of a corpus; skips or fails the test where there is none."""
    folder = Path(os.environ.get("SALLYPORT_CORPORA") or _BESIDE) / name
    if not folder.is_dir():
        reason = f"no corpus {name}: SALLYPORT_CORPORA names no folder that holds it"
        if os.environ.get("SALLYPORT_REQUIRE_CORPORA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
