"""The API server over HTTP: one answer, or the lines of a watch, nothing typed.

The official client's models cost 100 times what we keep, its Watch repeats an expired version, and
its informer spins while the server is away (libraries 4): what is left of it is the HTTP library
that it uses, which we use alone. Importing this module costs nothing; that library is imported when
an Api is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from webhook.access import Access

if TYPE_CHECKING:
    import aiohttp

SILENCE_SECONDS = 90.0  # a bookmark comes each minute; a watch without is a dead connection
LONGEST_LINE = 8 * 1024 * 1024  # twice what the API server stores, with room for escapes
GONE = 410
_OK = 200
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
_EXCERPT = 200


class ApiError(Exception):
    """The API server did not give what was asked for. `reason` is a word for metrics."""

    reason = "refused"


class Unreachable(ApiError):
    """No connection, a broken one, or silence."""

    reason = "unreachable"


class Gone(ApiError):
    """The version that we know is too old to go on from."""

    reason = "gone"


class NotFound(ApiError):
    """There is no such object."""

    reason = "absent"


class TooLarge(ApiError):
    """More than we are willing to hold."""

    reason = "too-large"


_BY_STATUS: Mapping[int, type[ApiError]] = {404: NotFound, GONE: Gone}


class Api:
    """GET, with what `access` gives. Every method may raise ApiError."""

    def __init__(self, access: Access) -> None:
        import aiohttp

        self._access = access
        self._aiohttp = aiohttp
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def get(
        self, path: str, query: Mapping[str, str | int], *, seconds: float, most: int
    ) -> bytes:
        """The whole answer, of at most `most` bytes."""
        parts: list[bytes] = []
        size = 0
        async with self._open(path, query, seconds) as content:
            while chunk := await content.readany():
                parts.append(chunk)
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"{path}: more than {most} bytes")
        return b"".join(parts)

    async def watch(
        self, path: str, query: Mapping[str, str | int], *, seconds: int
    ) -> AsyncGenerator[list[bytes], None]:
        """The lines of a watch of so many seconds, as they arrive; first an empty batch."""
        asked = {"watch": "true", "timeoutSeconds": seconds, **query}
        rest = bytearray()
        async with self._open(path, asked, seconds + SILENCE_SECONDS) as content:
            yield []
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    chunk = await content.readany()
                if not chunk:  # the rest of a line that was cut comes again with the next watch
                    return
                rest += chunk
                if b"\n" in chunk:
                    *lines, tail = bytes(rest).split(b"\n")
                    rest = bytearray(tail)
                    yield lines
                if len(rest) > LONGEST_LINE:
                    raise TooLarge(f"{path}: a line of more than {LONGEST_LINE} bytes")

    @asynccontextmanager
    async def _open(
        self, path: str, query: Mapping[str, str | int], seconds: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        http = self._aiohttp
        session = self._session
        if session is None:  # a session belongs to the event loop in which it is made
            session = self._session = http.ClientSession()
        response = None
        try:
            response = await session.get(
                f"{self._access.url}{path}",
                params=query,
                # Compressed, it would be half the bytes at five times the CPU of both.
                headers={**_HEADERS, **self._access.headers()},
                ssl=self._access.context or True,
                timeout=http.ClientTimeout(total=seconds),
                allow_redirects=False,
            )
            if response.status != _OK:
                raise await _refusal(path, response)
            yield response.content
        except (http.ClientError, OSError, ValueError, RuntimeError) as error:
            # A timeout is an OSError too, a token that no header can hold a ValueError, and a
            # connection that closed between two reads a RuntimeError.
            raise Unreachable(f"{path}: {type(error).__name__} {error}") from error
        finally:
            if response is not None:
                response.close()  # not released: what is left unread may have no end


async def _refusal(path: str, response: aiohttp.ClientResponse) -> ApiError:
    text = (await response.content.read(_EXCERPT)).decode(errors="replace")
    return _BY_STATUS.get(response.status, ApiError)(f"{path}: {response.status} {text}")
