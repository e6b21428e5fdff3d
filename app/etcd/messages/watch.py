"""Watches: what goes in and what comes out of one stream of them."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field
from coterie.app.etcd.messages.kv import EtcdKeyValue, ResponseHeader


class WatchFilter(IntEnum):
    NOPUT = 0
    NODELETE = 1


class WatchCreateRequest(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""
    range_end: Annotated[bytes, Field(2)] = b""
    start_revision: Annotated[int, Field(3)] = 0
    progress_notify: Annotated[bool, Field(4)] = False
    filters: Annotated[tuple[WatchFilter, ...], Field(5)] = ()
    prev_kv: Annotated[bool, Field(6)] = False
    watch_id: Annotated[int, Field(7)] = 0
    fragment: Annotated[bool, Field(8)] = False


class WatchCancelRequest(EtcdMessage, frozen=True):
    watch_id: Annotated[int, Field(1)] = 0


class WatchProgressRequest(EtcdMessage, frozen=True):
    pass


class WatchRequest(EtcdMessage, frozen=True):
    """One of these (a `oneof`)."""

    create_request: Annotated[WatchCreateRequest | None, Field(1)] = None
    cancel_request: Annotated[WatchCancelRequest | None, Field(2)] = None
    progress_request: Annotated[WatchProgressRequest | None, Field(3)] = None


class EventType(IntEnum):
    PUT = 0
    DELETE = 1


class EtcdEvent(EtcdMessage, frozen=True):
    type: Annotated[EventType, Field(1)] = EventType.PUT
    kv: Annotated[EtcdKeyValue | None, Field(2)] = None
    prev_kv: Annotated[EtcdKeyValue | None, Field(3)] = None


class WatchResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    watch_id: Annotated[int, Field(2)] = 0
    created: Annotated[bool, Field(3)] = False
    canceled: Annotated[bool, Field(4)] = False
    compact_revision: Annotated[int, Field(5)] = 0
    cancel_reason: Annotated[str, Field(6)] = ""
    fragment: Annotated[bool, Field(7)] = False
    events: Annotated[tuple[EtcdEvent, ...], Field(11)] = ()
