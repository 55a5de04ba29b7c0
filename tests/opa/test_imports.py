"""Who does not ask OPA pays nothing for it."""

from __future__ import annotations

import subprocess
import sys

CLIENT = ("opa_client", "aiohttp", "aiofiles", "requests")
LOADED = f"import sys; print([name for name in {CLIENT} if name in sys.modules])"


def loaded(imports: str) -> str:
    """Which parts of the client are there after these imports."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {imports}; {LOADED}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_the_client_is_imported_only_where_opa_is_on() -> None:
    assert loaded("webhook.server, webhook.check, webhook.opa_check") == "[]"
    assert "opa_client" in loaded("webhook.opa_wire")
