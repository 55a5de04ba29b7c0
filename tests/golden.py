"""Texts that people read, kept whole in tests/golden.

SALLYPORT_GOLDEN=write keeps what is said now instead of comparing; the diff is for a reviewer.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).with_name("golden")


def compare(text: str, name: str) -> None:
    """Assert that this is the text kept under the name, a path in the folder."""
    file = FOLDER / name
    if os.environ.get("SALLYPORT_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    assert text == kept, f"{file} is kept differently"
