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
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from app.client.errors import AccessError, ClientError, details_of, refusal
from app.client.limits import ClientLimits
from app.client.retrying import Failure, pause_before_next, read_retry_after
from consensus.errors import CompactedError, MetadataError, RefusedError, UnavailableError, UnknownOutcomeError

GRACE_SECONDS = 1.0
"""How much longer than it was told a node is waited for: its own verdict is the better one."""

_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, before it is known which node gets it."""

    method: str
    path: str
    """Percent-encoded."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    """It may happen twice, or carries a request id."""
    to: str | None = None
    """The one node that is meant; None: any."""
    retry: bool = True
    missing: str = ""
    """The code of a 404 that is an answer like others: there is nothing of that name."""

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method == "GET"

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Reply:
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
        self._random = random.Random()
        headers = {"Accept-Encoding": "identity", "User-Agent": "coterie-client"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.AsyncClient(
            headers=headers,
            verify=tls or False,  # without a context no address is https
            limits=httpx.Limits(
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_idle_connections,
                keepalive_expiry=limits.idle_seconds,
            ),
            trust_env=False,
            transport=transport,
        )

    @property
    def first(self) -> str:
        """The node that is meant where none is named and any other would be wrong."""
        return self.addresses[0]

    async def aclose(self) -> None:
        await self._http.aclose()

    # -- requests ------------------------------------------------------------------------------------------------------

    async def ask(self, call: Call, timeout: float | None = None) -> Reply:
        """The answer, of the class 2xx. Raises MetadataError: UnknownOutcomeError where any try may have happened."""
        end = self._now() + (self.timeout if timeout is None else timeout)
        doubt: MetadataError | None = None
        tries = 0
        while True:
            address = call.to or self.addresses[self._at]
            failure = await self._try(call, address, max(0.001, end - self._now()))
            if isinstance(failure, Reply):
                return failure
            tries += 1
            if failure.is_doubt and call.method != "GET":
                doubt = failure.error
            if failure.is_passing and call.to is None:
                self.leave(address)
            pause = None
            if call.retry:
                pause = pause_before_next(
                    failure,
                    repeatable=call.may_repeat,
                    tries=tries,
                    nodes=1 if call.to else len(self.addresses),
                    left=end - self._now(),
                    jitter=self._random.random(),
                    limits=self.limits,
                )
            if pause is None:
                raise _final(failure, doubt, call) from None
            await asyncio.sleep(pause)

    def leave(self, address: str) -> None:
        """Ask another node from now on."""
        if self.addresses[self._at] == address:
            self._at = (self._at + 1) % len(self.addresses)

    async def _try(self, call: Call, address: str, left: float) -> Reply | Failure:
        told = min(self.limits.attempt_seconds, left - min(0.1 * left, 0.5))
        # What is not sent again has all the time that there is.
        wait = min(told + GRACE_SECONDS, left) if call.may_repeat and call.retry else left
        request = self._request(call, address, min(self.limits.connect_seconds, 0.9 * wait), None)
        request.headers["Coterie-Timeout"] = f"{max(told, 0.001):.3f}"
        try:
            async with asyncio.timeout(wait):
                response = await self._http.send(request, stream=True)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            return Failure(UnknownOutcomeError(f"{address} did not answer in time"))
        except (httpx.HTTPError, ssl.SSLError) as error:
            return _transport_failure(error, address)
        except _TooLargeError:
            return Failure(ClientError(f"the answer of {address} is larger than {self.limits.max_answer_bytes} bytes"))
        if response.is_success:
            return Reply(body)
        if call.missing and response.status_code == 404:
            details = details_of(body, call.missing)
            if details is not None:
                return Reply(body, details)
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

    def _request(self, call: Call, address: str, connect: float, read: float | None) -> httpx.Request:
        return self._http.build_request(
            call.method,
            address + call.target,
            content=call.body,
            headers=dict(call.headers),
            timeout=httpx.Timeout(read, connect=connect, pool=connect),
        )

    # -- streams -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self, call: Call, timeout: float | None = None) -> AsyncIterator[tuple[str, httpx.Response]]:
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
            if begun.is_passing and call.to is None:
                self.leave(address)
            pause = pause_before_next(
                begun,
                repeatable=True,
                tries=tries,
                nodes=1 if call.to else len(self.addresses),
                left=end - self._now(),
                jitter=self._random.random(),
                limits=self.limits,
            )
            if pause is None:
                raise _final(begun, None, call) from None
            await asyncio.sleep(pause)
        try:
            yield address, begun
        finally:
            await begun.aclose()

    async def _begin(self, call: Call, address: str, left: float) -> httpx.Response | Failure:
        wait = min(self.limits.attempt_seconds + GRACE_SECONDS, left)
        connect = min(self.limits.connect_seconds, 0.9 * wait)
        request = self._request(call, address, connect, self.limits.silence_seconds)
        try:
            async with asyncio.timeout(wait):
                response = await self._http.send(request, stream=True)
                if response.is_success:
                    return response
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            return Failure(UnavailableError("timed_out", f"{address} did not answer in time"))
        except (httpx.HTTPError, ssl.SSLError) as error:
            return _transport_failure(error, address)
        except _TooLargeError:
            return Failure(ClientError(f"the answer of {address} is larger than {self.limits.max_answer_bytes} bytes"))
        return Failure(
            refusal(response.status_code, body, address), read_retry_after(response.headers.get("retry-after"))
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class _TooLargeError(Exception):
    """An answer goes on beyond the bound."""


def _final(failure: Failure, doubt: MetadataError | None, call: Call) -> MetadataError:
    """What the caller is told: a doubt once raised stays, unless an answer under the same id has settled it."""
    error = failure.error
    settles = isinstance(error, RefusedError | CompactedError) and not isinstance(error, AccessError)
    if doubt is not None and not settles:
        return doubt
    if failure.is_doubt and call.method == "GET":
        return UnavailableError("unreachable", str(error))  # a read that was lost did nothing
    return error


def _transport_failure(error: Exception, address: str) -> Failure:
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Failure(ClientError(f"address: {address} cannot be used: {error}"))
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(ClientError(f"{address}: its certificate is refused ({cause.verify_message}); set ca_file"))
        if isinstance(cause, ssl.SSLError):
            return Failure(ClientError(f"{address}: no TLS ({_words(cause)}); check https://, ca_file, cert_file"))
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.PoolTimeout):
        return Failure(UnavailableError("busy", "all max_connections of this client are in use"))
    if isinstance(error, _NOTHING_SENT):
        return Failure(UnavailableError("unreachable", f"{address} cannot be reached: {_words(error)}"))
    hint = ""
    if isinstance(error, httpx.RemoteProtocolError):
        hint = " If it is always so, the node may want https://, or a certificate of the client (cert_file)."
    return Failure(UnknownOutcomeError(f"{address} did not answer: {_words(error)}{hint}"))


def reading_failure(error: Exception, address: str) -> MetadataError:
    """A stream broke: nothing was lost that a new one would not bring."""
    failure = _transport_failure(error, address).error
    return failure if isinstance(failure, ClientError) else UnavailableError("unreachable", str(failure))


def _words(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def tls_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Whom to believe, and what to show. Raises ClientError, which names the setting."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"ca_file {ca_file}: {_words(error)}") from None
    if cert_file is None:
        if key_file is not None:
            raise ClientError("cert_file must be set where key_file is")
        return context
    try:
        context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"cert_file {cert_file}, key_file {key_file}: {_words(error)}") from None
    return context
