"""The parameters that FastAPI's endpoints for the metadata share, as the OpenAPI document has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from coterie.app.api.context import Context, request_id
from coterie.app.api.documenting import Responses, errors
from coterie.app.http.error_mapping import api_error, unavailable
from coterie.app.http.errors import json_response
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.api.types import RequestId
from coterie.consensus.member.metadata import MemberMetadata
from coterie.consensus.store import State

Timeout = Annotated[
    str | None,
    Query(
        alias="timeout",
        description="Seconds that the request may take, up to `raft.max_request_timeout`. Default: "
        "`raft.request_timeout`.",
        examples=["2.5"],
    ),
]
TimeLeft = Annotated[
    str | None,
    Header(
        alias="Coterie-Timeout",
        description="The same; beats the parameter `timeout`. What forwards a request says here what is left.",
        examples=["2.5"],
    ),
]
RequestIdHeader = Annotated[
    str | None,
    Header(
        alias="Coterie-Request-Id",
        description="Makes the write happen at most once, however often it is sent: every try repeats the id. "
        "`POST /v1/request_ids` makes one, and an answer `outcome_unknown` brings the one to go on with.",
        examples=["81723-6f1d4c7a0b5e4d3c9a8b7c6d5e4f3a2b"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Most items in one answer.", examples=[100])]
Page = Annotated[
    str | None,
    Query(description="`next_page` of the answer before: goes on from there.", examples=["lAERoQ"]),
]

READ_ERRORS = (Code.INVALID_REQUEST, Code.UNAVAILABLE)
WRITE_ERRORS = (
    Code.INVALID_REQUEST,
    Code.REQUEST_AHEAD,
    Code.TOO_LARGE,
    Code.BODY_TIMEOUT,
    Code.UNAVAILABLE,
    Code.OUTCOME_UNKNOWN,
)


def read_errors(*codes: Code) -> Responses:
    return errors(*READ_ERRORS, *codes)


def write_errors(*codes: Code) -> Responses:
    return errors(*WRITE_ERRORS, *codes)


@dataclass(frozen=True, slots=True)
class MetadataCall:
    """A call of the metadata, as its parameters have it."""

    metadata: MemberMetadata
    state: State
    seconds: float


@dataclass(frozen=True, slots=True)
class MetadataWrite(MetadataCall):
    request: RequestId


def _read_call(request: Request, timeout: Timeout = None, time_left: TimeLeft = None) -> MetadataCall:
    context: Context = request.app.state.context
    metadata, state = context.raft.metadata, context.raft.state
    if metadata is None or state is None:
        raise unavailable("no_leader", because=context.raft.reason)
    return MetadataCall(metadata, state, context.timeout(timeout, time_left))


ReadCall = Annotated[MetadataCall, Depends(_read_call)]
"""What endpoints that read take."""


def _write_call(of: ReadCall, id_header: RequestIdHeader = None) -> MetadataWrite:
    return MetadataWrite(of.metadata, of.state, of.seconds, request_id(of.metadata, id_header))


ChangeCall = Annotated[MetadataWrite, Depends(_write_call)]
"""What endpoints that write take."""


async def barrier(call: MetadataCall) -> None:
    """Wait until what is read here is as fresh as anything acknowledged before. Raises ApiError."""
    try:
        await call.metadata.barrier(call.seconds)
    except MetadataError as error:
        raise api_error(error) from None


def answer(content: dict[str, object], *, etag: int = 0) -> Response:
    """`content` as JSON."""
    return json_response(orjson.dumps(content), headers={"ETag": f'"{etag}"'} if etag else None)
