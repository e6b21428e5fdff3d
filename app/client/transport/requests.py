"""Sends requests to the nodes: which one is asked, for how long, and what a failed try means.

A try that ended before its bytes left did nothing, so another node may be asked. One that ended later may have
happened: it is repeated only where that is harmless, and else told as an unknown outcome. No error of the HTTP library
leaves this file.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from coterie.app.client.encoding import not_text
from coterie.app.client.errors import AccessError, ClientError, details_of, refusal
from coterie.app.client.limits import ClientLimits
from coterie.app.client.transport.failures import reading_failure, transport_failure
from coterie.app.client.transport.retry import Failure, pause_before_next, read_retry_after
from coterie.consensus.api.errors import (
    CompactedError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)

GRACE_SECONDS = 1.0
"""How much longer than it was told a node is waited for: its own verdict is the better one."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, before it is known which node gets it."""

    method: str
    path: str
    """Percent-encoded."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: bool = False
    """It changes nothing, whatever its method."""
    repeatable: bool = False
    """It may happen twice, or carries a request id."""
    to: str | None = None
    """The one node that is meant; None: any."""
    retry: bool = True
    missing: str = ""
    """The code of a 404 that is an answer like others: there is nothing of that name."""

    @property
    def is_read(self) -> bool:
        return self.reads or self.method == "GET"

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.is_read

    @property
    def target(self) -> str:
        """Raises RefusedError where there is something in it that is no text."""
        try:
            return f"{self.path}?{urlencode(self.query)}" if self.query else self.path
        except UnicodeEncodeError as error:
            raise not_text("the parameter", error.object) from None


@dataclass(frozen=True, slots=True)
class ApiReply:
    body: bytes
    missing: Mapping[str, Any] | None = None
    """The details of a 404 that is an answer."""


class Asker:
    def __init__(
        self,
        addresses: Sequence[str],
        *,
        token: str | None,
        tls: ssl.SSLContext | None,
        timeout: float,
        limits: ClientLimits,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport`: in place of sockets, for tests."""
        self.addresses = tuple(addresses)
        self.timeout = timeout
        self.limits = limits
        self._at = 0
        self._is_closed = False
        self._is_traced = transport is None
        self._random = random.Random()
        headers = {"Accept-Encoding": "identity", "User-Agent": "coterie-client"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"

        def pool(connections: int, idle: int) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                headers=headers,
                verify=tls or False,  # without a context no address is https
                limits=httpx.Limits(
                    max_connections=connections, max_keepalive_connections=idle, keepalive_expiry=limits.idle_seconds
                ),
                trust_env=False,
                transport=transport,
            )

        self._http = pool(limits.max_connections, limits.max_idle_connections)
        # A pool of their own: streams are open for long, and requests, which renew leases, must never wait for them.
        self._streams = pool(limits.max_streams, 0)

    @property
    def first(self) -> str:
        """The node that is meant where none is named and any other would be wrong."""
        return self.addresses[0]

    async def aclose(self) -> None:
        self._is_closed = True
        await self._http.aclose()
        await self._streams.aclose()

    # -- requests ------------------------------------------------------------------------------------------------------

    async def ask(self, call: ApiRequest, timeout: float | None = None) -> ApiReply:
        """The answer, of the class 2xx. Raises MetadataError: UnknownOutcomeError where any try may have happened."""
        end = self._now() + (self.timeout if timeout is None else timeout)
        doubt: MetadataError | None = None
        tries = 0
        while True:
            address = call.to or self.addresses[self._at]
            failure = await self._try(call, address, max(0.001, end - self._now()))
            if isinstance(failure, ApiReply):
                return failure
            tries += 1
            if failure.is_doubt and not call.is_read:
                doubt = failure.error
            pause = self._after(failure, call, address, tries, end, repeatable=call.may_repeat)
            if pause is None or not call.retry:
                raise _final(failure, doubt, call) from None
            await asyncio.sleep(pause)

    def leave(self, address: str) -> None:
        """Ask another node from now on."""
        if self.addresses[self._at] == address:
            self._at = (self._at + 1) % len(self.addresses)

    def _after(
        self, failure: Failure, call: ApiRequest, address: str, tries: int, end: float, *, repeatable: bool
    ) -> float | None:
        """Another node is asked next, if need be: the seconds until then, None where nobody is to be asked again."""
        if failure.is_passing and call.to is None:
            self.leave(address)
        return pause_before_next(
            failure,
            repeatable=repeatable,
            tries=tries,
            nodes=1 if call.to else len(self.addresses),
            left=end - self._now(),
            jitter=self._random.random(),
            limits=self.limits,
        )

    async def _try(self, call: ApiRequest, address: str, left: float) -> ApiReply | Failure:
        told = min(self.limits.attempt_seconds, left - min(0.1 * left, 0.5))
        # What is not sent again has all the time that there is.
        wait = min(told + GRACE_SECONDS, left) if call.may_repeat and call.retry else left
        request = self._request(call, address, min(self.limits.connect_seconds, 0.9 * wait), None)
        request.headers["Coterie-Timeout"] = f"{max(told, 0.001):.3f}"
        way = _Way(begun=not self._is_traced)
        request.extensions["trace"] = way.trace
        try:
            async with asyncio.timeout(wait):
                response = await self._http.send(request, stream=True)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            if not way.begun:
                return Failure(UnavailableError("unreachable", f"{address} could not be reached in time"))
            return Failure(UnknownOutcomeError(f"{address} did not answer in time"))
        except (httpx.HTTPError, ssl.SSLError) as error:
            return transport_failure(error, address, begun=way.begun)
        except _TooLargeError:
            return Failure(ClientError(f"the answer of {address} is larger than {self.limits.max_answer_bytes} bytes"))
        if response.is_success:
            return ApiReply(body)
        if call.missing and response.status_code == 404:
            details = details_of(body, call.missing)
            if details is not None:
                return ApiReply(body, details)
        return Failure(
            refusal(response.status_code, body, address), read_retry_after(response.headers.get("retry-after"))
        )

    async def _read(self, response: httpx.Response) -> bytes:
        parts = bytearray()
        async for part in response.aiter_bytes():
            parts += part
            if len(parts) > self.limits.max_answer_bytes:
                raise _TooLargeError
        return bytes(parts)

    def _request(self, call: ApiRequest, address: str, connect: float, read: float | None) -> httpx.Request:
        if self._is_closed:
            raise ClientError("this client is closed: ask within its async with")
        return self._http.build_request(
            call.method,
            address + call.target,
            content=call.body,
            headers=dict(call.headers),
            timeout=httpx.Timeout(read, connect=connect, pool=connect),
        )

    # -- streams -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self, call: ApiRequest, timeout: float | None = None) -> AsyncIterator[tuple[str, httpx.Response]]:
        """A stream that has begun, and the node that sends it. Raises MetadataError; what goes wrong while it is read
        is the reader's, as `reading_failure` words it."""
        end = self._now() + (self.timeout if timeout is None else timeout)
        tries = 0
        while True:
            address = call.to or self.addresses[self._at]
            begun = await self._begin(call, address, max(0.001, end - self._now()))
            if isinstance(begun, httpx.Response):
                break
            tries += 1
            pause = self._after(begun, call, address, tries, end, repeatable=True)
            if pause is None:
                raise _final(begun, None, call) from None
            await asyncio.sleep(pause)
        try:
            yield address, begun
        finally:
            await begun.aclose()

    async def _begin(self, call: ApiRequest, address: str, left: float) -> httpx.Response | Failure:
        wait = min(self.limits.attempt_seconds + GRACE_SECONDS, left)
        connect = min(self.limits.connect_seconds, 0.9 * wait)
        request = self._request(call, address, connect, self.limits.silence_seconds)
        way = _Way(begun=not self._is_traced)
        request.extensions["trace"] = way.trace
        try:
            async with asyncio.timeout(wait):
                response = await self._streams.send(request, stream=True)
                if response.is_success:
                    return response
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            return Failure(UnavailableError("timed_out", f"{address} did not answer in time"))
        except (httpx.HTTPError, ssl.SSLError) as error:
            return Failure(reading_failure(error, address, begun=way.begun))
        except _TooLargeError:
            return Failure(ClientError(f"the answer of {address} is larger than {self.limits.max_answer_bytes} bytes"))
        return Failure(
            refusal(response.status_code, body, address), read_retry_after(response.headers.get("retry-after"))
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class _Way:
    """How far a request has come: the transport tells."""

    def __init__(self, *, begun: bool) -> None:
        self.begun = begun
        """Bytes of it may have left."""

    async def trace(self, event: str, _info: Any) -> None:
        if event.endswith("send_request_headers.started"):
            self.begun = True


class _TooLargeError(Exception):
    """An answer goes on beyond the bound."""


def _final(failure: Failure, doubt: MetadataError | None, call: ApiRequest) -> MetadataError:
    """What the caller is told: a doubt once raised stays, unless an answer under the same id has settled it."""
    error = failure.error
    settles = isinstance(error, RefusedError | CompactedError) and not isinstance(error, AccessError)
    if doubt is not None and not settles:
        return doubt
    if failure.is_doubt and call.is_read:
        return UnavailableError("unreachable", str(error))  # a read that was lost did nothing
    return error
