"""opa-python-client, made fit: our authorities, a bounded pool, no retries that hide a fault.

Used plainly it fails open, since an undefined rule looks like one that found nothing, and OPA takes
a built-in function that failed for a rule that does not apply. Imported only where OPA is on.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from opa_client.opa_async import AsyncOpaClient

from rules.model import JSON
from webhook.opa_answer import NoAnswer
from webhook.opa_options import BadOpa, OpaOptions

POOL = 64
IDLE_SECONDS = 60.0
LONGEST_SECONDS = 30.0  # each question has a deadline of its own, and that is sooner
HEALTH_SECONDS = 2.0
_OK = 200
_BUSY = frozenset({429, 502, 503, 504})
"""What OPA, or somebody in front of it, says when nobody evaluates anything."""


class Wire(AsyncOpaClient):  # type: ignore[misc]  # the client has no types
    """Connections to one OPA server. Belongs to one event loop.

    Raises BadOpa where a file is missing or no PEM.
    """

    _session: aiohttp.ClientSession | None

    def __init__(self, options: OpaOptions) -> None:
        super().__init__(
            host=options.host,
            port=options.port,
            ssl=options.tls,
            retries=0,
            timeout=LONGEST_SECONDS,
        )
        self._options = options
        self._context = _context(options) if options.tls else None

    async def findings(self, question: JSON) -> JSON:
        """The result of `data.<package>.findings` for this input. Raises NoAnswer.

        A connection that broke is tried once more: the pool may have kept one that OPA closed.
        """
        try:
            try:
                answer = await self._query(question)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                answer = await self._query(question)
        except aiohttp.ContentTypeError as error:
            raise NoAnswer("shape", "its answer is not JSON", error.message, alive=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer("unreachable", "it cannot be reached", str(error)) from error
        except (ValueError, RecursionError) as error:
            what = type(error).__name__
            raise NoAnswer("shape", "its answer is not JSON", what, alive=True) from error
        if not isinstance(answer, dict) or "result" not in answer:
            asked = f"data.{self._options.package}.findings"
            raise NoAnswer("undefined", f"{asked} is undefined there", alive=True)
        return answer["result"]

    async def is_healthy(self) -> bool:
        """Whether it serves, with all its bundles."""
        await self._open()
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                return bool(await self.check_health({"bundles": "true"}))
        except TimeoutError:
            return False

    def reload(self) -> None:
        """Read the files again; new connections use them. Raises BadOpa, and keeps the old."""
        _context(self._options)  # a pair that does not match would spoil the one in use
        if self._context is not None:
            _load(self._context, self._options)

    async def _query(self, question: JSON) -> JSON:
        await self._open()
        strict = {"strict-builtin-errors": "true"}
        return await self.query_rule(question, self._options.package, "findings", strict)

    async def _open(self) -> None:
        if self._session is None:
            await self._init_session()

    async def _init_session(self) -> None:
        """In place of the client's own, which has no authorities and no bounds."""
        self._connector = aiohttp.TCPConnector(
            ssl=self._context or True, limit=POOL, keepalive_timeout=IDLE_SECONDS
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            json_serialize_bytes=msgspec.json.encode,
        )

    @asynccontextmanager
    async def _request(self, method: str, url: str, **named: Any) -> AsyncIterator[Any]:
        """In place of the client's own, which loses what OPA says of an error."""
        named["allow_redirects"] = False  # what we ask is for this server alone
        async with super()._request(method, url, **named) as response:
            if response.status != _OK:
                raise _refusal(response.status, await response.read())
            yield response


def _refusal(status: int, body: bytes) -> NoAnswer:
    """What an error means. Its messages may quote the object, so they are not told."""
    if status in _BUSY:
        return NoAnswer("refused", f"it answered with status {status}")
    try:
        said = json.loads(body)
        faults = [f"{_word(f)} at {_place(f)}" for f in said.get("errors", ())] or [_word(said)]
    except (ValueError, TypeError, AttributeError, RecursionError):
        faults = []
    told = f"it answered with status {status}"
    return NoAnswer("refused", told, f"({', '.join(faults)})" if faults else "", alive=True)


def _word(fault: JSON) -> str:
    return str(fault.get("code", ""))[:64]


def _place(fault: JSON) -> str:
    location = fault.get("location") or {}
    return f"{location.get('file', '?')}:{location.get('row', '?')}"[:200]


def _context(options: OpaOptions) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if options.authority is None:
        context.load_default_certs()
    _load(context, options)
    return context


def _load(context: ssl.SSLContext, options: OpaOptions) -> None:
    try:
        if options.authority is not None:
            context.load_verify_locations(options.authority)
    except OSError as error:
        raise BadOpa(f"--opa-ca {options.authority}: {error}") from error
    try:
        if options.certificate is not None:
            context.load_cert_chain(options.certificate, options.key)
    except OSError as error:
        raise BadOpa(
            f"--opa-cert {options.certificate}, --opa-key {options.key}: {error}"
        ) from error
