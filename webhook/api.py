"""The API server over the official client: one answer, or the lines of a watch, nothing typed.

The client's own models cost 100 times what we keep, its Watch repeats an expired version, and its
informer spins while the server is away; its connections, credentials and TLS are what we use.
Importing this module costs nothing; the client is imported when somebody connects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

SILENCE_SECONDS = 90.0  # a bookmark comes each minute; a watch without is a dead connection
LONGEST_LINE = 8 * 1024 * 1024  # twice what the API server stores, with room for escapes
GONE = 410
_OK = 200
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


class NoWay(Exception):
    """Nothing says where the API server is."""


_BY_STATUS: Mapping[int, type[ApiError]] = {404: NotFound, GONE: Gone}


class Api:
    """GET, with the credentials of `configuration`. Every method may raise ApiError."""

    def __init__(self, configuration: Any) -> None:
        from kubernetes.aio.client import ApiClient

        self._client = ApiClient(configuration)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.close()

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
    ) -> AsyncIterator[Any]:
        from aiohttp import ClientError
        from kubernetes.aio.config import ConfigException

        response = None
        try:
            method, url, headers, *_ = await self._client.param_serialize(
                "GET",
                path,
                # Compressed, it would be half the bytes at five times the CPU of both.
                header_params={"Accept": "application/json", "Accept-Encoding": "identity"},
                auth_settings=["BearerToken"],
            )
            answer = await self._client.rest_client.request(
                method, f"{url}?{urlencode(query)}", headers=headers, _request_timeout=seconds
            )
            response = answer.response
            if response.status != _OK:
                raise await _refusal(path, response)
            yield response.content
        except (ClientError, ConfigException, OSError) as error:  # a timeout is an OSError too
            raise Unreachable(f"{path}: {type(error).__name__} {error}") from error
        finally:
            if response is not None:
                response.close()  # not released: what is left unread may have no end


async def _refusal(path: str, response: Any) -> ApiError:
    text = (await response.content.read(_EXCERPT)).decode(errors="replace")
    return _BY_STATUS.get(response.status, ApiError)(f"{path}: {response.status} {text}")


def find_configuration(kubeconfig: str) -> Any:
    """Where the API server is: a kubeconfig, or where that is "" the pod's service account.

    Blocks, and must not be called in an event loop. Raises NoWay.
    """
    from kubernetes.aio import config
    from kubernetes.aio.client import Configuration

    configuration = Configuration()
    try:
        if kubeconfig:
            loading = config.load_kube_config(
                kubeconfig, client_configuration=configuration, persist_config=False
            )
            asyncio.run(loading)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        raise NoWay(str(error)) from error
    return configuration
