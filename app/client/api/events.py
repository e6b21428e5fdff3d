"""Live updates of both layers, as a node tells them: a snapshot, then what changes.

Resumed by the id of the last event over connections that break; at another node, whose ids are its own, or where a node
no longer has what comes behind that id, a new snapshot comes. `hello` says which of the two it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from httpx_sse import ServerSentEvent

from coterie.app.client.errors import ClientError, ending
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.client.transport.streams import Stream

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Message:
    """One message of `/v1/events`, whose OpenAPI description says what each type holds."""

    type: str
    """`hello`, `snapshot`, `ready`, a sample, or the kind of an event."""
    id: str
    """Of the last event so far; empty before the first."""
    data: dict[str, Any]


class Events(Stream[Message]):
    def __init__(self, asker: Asker, kinds: Sequence[str], prefix: str, to: str | None) -> None:
        super().__init__(asker, to)
        self._query: dict[str, str | int] = {"prefix": prefix} if prefix else {}
        if kinds:
            self._query["kinds"] = ",".join(kinds)
        self._last = ""

    def call(self) -> ApiRequest:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        return ApiRequest("GET", "/v1/events", self._query, headers=headers, to=self._to)

    async def take(self, event: ServerSentEvent) -> None:
        if not event.data:
            return
        try:
            data = _decode(event.data)
        except msgspec.MsgspecError:
            raise ClientError("a node sent an event that is no JSON object") from None
        if event.event == "end":
            raise ending(event.data.encode())
        await self.put(Message(event.event, event.id, data))
        self._last = event.id
