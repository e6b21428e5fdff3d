"""A watch of the metadata over HTTP: every change of a range once, in order, whatever becomes of the nodes it asks."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from httpx_sse import ServerSentEvent

from coterie.app.client.encoding import read_bytes, read_optional, read_record
from coterie.app.client.errors import ClientError, ending
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.client.transport.streams import Stream
from coterie.consensus.api.errors import CompactedError
from coterie.consensus.store import Event, WatchBatch

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Progress(msgspec.Struct, frozen=True):
    revision: int


class HttpWatching(Stream["WatchBatch | _Progress"]):
    """Made by `HttpMetadata.watch`, which documents it. For one task."""

    def __init__(
        self, asker: Asker, query: Mapping[str, str | int], from_revision: int | None, progress: float | None
    ) -> None:
        super().__init__(asker, None)
        self._query = dict(query)
        self._progress = progress
        self._told = 0
        self._read_to = None if from_revision is None else from_revision - 1
        """The last revision that came in; None before it is known from where the watch counts."""

    async def __aenter__(self) -> Self:
        self.begin()
        try:
            while True:  # the first thing that is said is from where it counts
                first = await self.next()
                if isinstance(first, _Progress):
                    self._told = first.revision
                    return self
        except BaseException:
            await self.end()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.end()

    @property
    def revision(self) -> int:
        """All events up to this revision have been handed out."""
        return self._told

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchBatch:
        while True:
            try:
                item = await self.next(self._progress)
            except TimeoutError:
                return WatchBatch([], self._told, more=False)
            self._told = max(self._told, item.revision)
            if isinstance(item, WatchBatch):
                return item

    # -- what comes in -------------------------------------------------------------------------------------------------

    def call(self) -> ApiRequest:
        query = self._query if self._read_to is None else {**self._query, "revision": self._read_to + 1}
        return ApiRequest("GET", "/v1/watch", query)

    async def take(self, event: ServerSentEvent) -> None:
        if event.event == "compacted":
            raise CompactedError((self._read_to or 0) + 1, _number(_content(event), "compacted"))
        if event.event == "end":
            raise ending(event.data.encode())
        if event.event not in {"change", "message"} or not event.id.isdigit():
            return
        revision = int(event.id)
        if self._read_to is not None and revision <= self._read_to and event.data:
            return  # told before
        item: WatchBatch | _Progress = _Progress(revision)
        if event.data:
            content = _content(event)
            item = WatchBatch([_read_change(each, revision) for each in content["changes"]], revision, more=False)
        await self.put(item)
        self._read_to = revision


def _content(event: ServerSentEvent) -> dict[str, Any]:
    try:
        return _decode(event.data)
    except msgspec.MsgspecError:
        raise ClientError("a node sent an event that is no JSON object") from None


def _number(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    return value if isinstance(value, int) else 0


def _read_change(shown: Mapping[str, Any], revision: int) -> Event:
    try:
        key = read_bytes(shown["key"], shown.get("key_encoding"))
        record = read_record(shown) if shown["type"] == "put" else None
        return Event(revision, key, record, read_optional(shown.get("prev")))
    except (KeyError, TypeError) as error:
        raise ClientError(f"a node's event lacks something ({error!r}): is it an older one?") from None
