"""The metadata over HTTP: the face of `consensus`, with the same operations, results and errors.

A program moves between a member of its own and this by changing where `metadata` comes from. What differs: keys and
names are text, ranges are single keys or prefixes, and `Consistency.STALE` counts for keys alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any, TypeVar

import msgspec

from coterie.app.client.api.operations import PLURALS, Shown, key_path, order_of, queue_path
from coterie.app.client.api.watch import HttpWatching
from coterie.app.client.encoding import NOT_OVER_HTTP, read_bytes, read_record, span_of
from coterie.app.client.errors import ClientError
from coterie.app.client.request_ids import HEADER, ClusterTime, write_request_id
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.consensus.api.errors import CompactedError, RefusedError, UnknownOutcomeError
from coterie.consensus.api.metadata import Metadata
from coterie.consensus.api.types import Consistency, ReadResult, RequestId
from coterie.consensus.store import (
    BadTokenError,
    ClientOperation,
    EventKind,
    LeaseRecord,
    Page,
    QueueEntry,
    QueueKind,
    Record,
    RefusalCode,
    Scan,
    ScanDone,
    SingleResult,
    page_range,
    queue_prefix,
)

MAX_PAGE = 10_000
"""Most records that one answer is asked for; a page says where the next begins."""

T = TypeVar("T")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class HttpMetadata(Metadata):
    def __init__(self, asker: Asker, time: ClusterTime) -> None:
        self._asker = asker
        self._time = time

    # -- writes --------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        operation: ClientOperation,
        *,
        request: RequestId | None = None,
        retry: bool = True,
        timeout: float | None = None,
    ) -> SingleResult:
        """As `Metadata.submit`; `UnknownOutcomeError.request` names the id to go on with. Raises ClientError
        too."""
        order = order_of(operation)
        end = self._now() + (self._asker.timeout if timeout is None else timeout)
        while True:
            left = max(0.0, end - self._now())
            once = request or (await self._time.new_request(left) if retry else None)
            call = replace(order.call, retry=retry, repeatable=once is not None)
            if once is not None:
                call = replace(call, headers={**call.headers, HEADER: write_request_id(once)})
            try:
                reply = await self._asker.ask(call, max(0.0, end - self._now()))
            except UnknownOutcomeError as error:
                if not (error.expired and retry and request is None):
                    error.request = error.request or once
                    raise
            except RefusedError as error:
                if not (error.code == RefusalCode.REQUEST_AHEAD and retry and request is None):
                    raise
            else:
                return _read(reply.body, order.read)
            # The cluster forgot ids of this time, or was begun anew: nothing happened under this one.
            self._time.forget()
            if self._now() >= end:
                raise UnknownOutcomeError("the cluster forgets request ids faster than it answers", request=once)

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def get(
        self,
        key: bytes,
        *,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Record | None]:
        query = _freshness(consistency)
        if revision is not None:
            query["revision"] = revision
        try:
            reply = await self._asker.ask(
                ApiRequest("GET", key_path(key), query, missing=RefusalCode.KEY_NOT_FOUND), timeout
            )
        except CompactedError as error:
            raise CompactedError(revision or 0, error.compacted) from None
        if reply.missing is not None:
            return _read_shown(reply.missing, lambda shown: _answer(shown, None))
        return _read(reply.body, lambda shown: _answer(shown, read_record(shown)))

    async def range(
        self,
        start: bytes,
        end: bytes | None,
        *,
        limit: int = 1_000,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        what, text = span_of(start, end)
        if what == "key":
            found = await self.get(start, revision=revision, consistency=consistency, timeout=timeout)
            records = [] if found.value is None else [found.value]
            page = Page(records, found.revision if revision is None else revision, None)
            return ReadResult(page, found.revision, found.staleness)
        query = {**_freshness(consistency), "prefix": text, "limit": min(limit, MAX_PAGE)}
        if revision is not None:
            query["revision"] = revision
        try:
            return await self._page(query, timeout)
        except CompactedError as error:
            raise CompactedError(revision or 0, error.compacted) from None

    async def next_page(
        self,
        token: str,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        query = {**_freshness(consistency), "page": token, "limit": min(limit, MAX_PAGE), "prefix": _prefix_of(token)}
        return await self._page(query, timeout)

    async def _page(self, query: Mapping[str, str | int], seconds: float | None) -> ReadResult[Page]:
        reply = await self._asker.ask(ApiRequest("GET", "/v1/meta", query), seconds)

        def read(shown: Shown) -> ReadResult[Page]:
            return _answer(shown, Page(list(map(read_record, shown["keys"])), shown["revision"], shown["next_page"]))

        return _read(reply.body, read)

    async def scan(
        self,
        scan: Scan,
        *,
        most_bytes: int,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[ScanDone]:
        raise RefusedError(NOT_OVER_HTTP, message="over HTTP ranges have no order and no filters; etcd's API has them")

    async def lease_info(
        self,
        lease: int,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[LeaseRecord | None]:
        reply = await self._asker.ask(
            ApiRequest("GET", f"/v1/leases/{lease}", missing=RefusalCode.LEASE_NOT_FOUND), timeout
        )
        if reply.missing is not None:
            return _read_shown(reply.missing, lambda shown: ReadResult(None, shown["revision"], None))
        return _read(reply.body, lambda shown: ReadResult(_read_lease(shown), shown["revision"], None))

    async def queue_entries(
        self,
        kind: QueueKind,
        name: bytes,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[QueueEntry]]:
        reply = await self._asker.ask(ApiRequest("GET", queue_path(kind, name)), timeout)

        def read(shown: Shown) -> ReadResult[list[QueueEntry]]:
            if kind is QueueKind.ELECTION:
                shown_places = [*([shown["leader"]] if shown["leader"] else []), *shown["candidates"]]
            else:
                shown_places = [*shown["holders"], *shown["waiters"]]
            return ReadResult([_read_place(kind, name, each) for each in shown_places[:limit]], shown["revision"], None)

        return _read(reply.body, read)

    async def queue_names(
        self,
        kind: QueueKind,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[bytes]]:
        reply = await self._asker.ask(ApiRequest("GET", f"/v1/{PLURALS[kind]}"), timeout)
        return _read(
            reply.body, lambda shown: ReadResult([n.encode() for n in shown["names"]], shown["revision"], None)
        )

    async def barrier(self, timeout: float | None = None) -> None:
        """A linearizable read, at the node that is asked next."""
        await self.get(b"-", timeout=timeout)

    # -- watches -------------------------------------------------------------------------------------------------------

    def watch(
        self,
        start: bytes,
        end: bytes | None,
        *,
        from_revision: int | None = None,
        kind: EventKind | None = None,
        progress: float | None = None,
    ) -> HttpWatching:
        """As `Metadata.watch`. It goes on at another node where one fails, behind the last revision it told;
        UnavailableError only once that has failed for `patience_seconds`."""
        what, text = span_of(start, end)
        query: dict[str, str | int] = {what: text, "prev": "true"}
        if kind is not None:
            query["kind"] = kind.name.lower()
        return HttpWatching(self._asker, query, from_revision, progress)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _freshness(consistency: Consistency) -> dict[str, str | int]:
    return {"consistency": consistency} if consistency is not Consistency.LINEARIZABLE else {}


def _read(body: bytes, read: Callable[[Shown], T]) -> T:
    """Raises ClientError where the answer is not what a node gives."""
    try:
        shown = _decode(body)
    except msgspec.MsgspecError:
        raise ClientError("what answered is no node of Coterie: its answer is no JSON object") from None
    return _read_shown(shown, read)


def _read_shown(shown: Shown, read: Callable[[Shown], T]) -> T:
    try:
        return read(shown)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ClientError(f"a node's answer lacks something ({error!r}): is it an older one?") from None


def _answer(shown: Shown, value: T) -> ReadResult[T]:
    if shown["consistency"] != Consistency.STALE:
        return ReadResult(value, shown["revision"], None)
    seconds = shown["stale_seconds"]
    return ReadResult(value, shown["revision"], inf if seconds is None else seconds)


def _prefix_of(token: str) -> str:
    """The prefix whose keys a page's token goes on with. Raises RefusedError."""
    try:
        _, end = page_range(token)
    except BadTokenError as error:
        raise RefusedError("bad_page_token", message=f"bad_page_token: {error}") from None
    return "" if end is None else (end[:-1] + bytes((end[-1] - 1,))).decode(errors="replace")


def _read_lease(shown: Shown) -> LeaseRecord:
    return LeaseRecord(
        shown["lease"],
        shown["renewals"],
        round((shown["ttl_seconds"] or 0) * 1000),
        shown["deadline_ms"] or 0,
        shown["node"] or "",
        shown["generation"] or 0,
        round((shown["hold_seconds"] or 0) * 1000),
    )


def _read_place(kind: QueueKind, name: bytes, shown: Shown) -> QueueEntry:
    since = shown["since_revision"]
    key = queue_prefix(kind, name) + b"%020d" % since
    return QueueEntry(key, shown["lease"], shown["token"] or 0, read_bytes(shown["value"], shown["encoding"]), since)
