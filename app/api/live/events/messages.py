"""Messages beside the ring's events: one JSON object each, in the form of both transports."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import orjson

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code


class Sendable(Protocol):
    @property
    def text(self) -> str:
        """As a message of a WebSocket."""

    @property
    def sse(self) -> bytes:
        """As server-sent events."""


class FeedMessage:
    """`content` has the member `type`, which is also the name of the server-sent event."""

    def __init__(self, content: dict[str, Any], *, place: str | None = None, ends: Code | None = None) -> None:
        """`place`: an event id that clients are to remember. `ends`: nothing comes after this, for this reason."""
        self.content = content
        self.round = 0
        """Of samples: in which round it was taken."""
        self.place = place
        self.ends = ends

    @cached_property
    def body(self) -> bytes:
        return orjson.dumps(self.content)

    @cached_property
    def text(self) -> str:
        return self.body.decode()

    @cached_property
    def sse(self) -> bytes:
        head = b"" if self.place is None else b"id: %s\n" % self.place.encode()
        return b"%sevent: %s\ndata: %s\n\n" % (head, self.content["type"].encode(), self.body)


def ending(error: ApiError) -> FeedMessage:
    """The last message: an error, as HTTP would have answered it."""
    return FeedMessage({"type": "end", **orjson.loads(error.body())}, ends=error.code)
