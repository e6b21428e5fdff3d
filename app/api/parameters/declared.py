"""Parameters, each once for both: what the OpenAPI document says of it, and how it is read, also without FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter as Argument
from inspect import Signature
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Header, Path, Query, Request
from starlette.responses import Response

from coterie.app.api.context import Context, request_id
from coterie.app.api.parameters.documenting import Responses, errors
from coterie.app.http.error_mapping import api_error, unavailable
from coterie.app.http.errors import json_response
from coterie.app.http.request import KeyRequest
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.api.types import RequestId
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.store import State

F = TypeVar("F", bound=Callable[..., Any])


class Parameter:
    """A parameter of the query or of the path, or a header. Each kind has a `read`, which raises ApiError."""

    kind: Any = str | None
    default: Any = None

    def __init__(
        self, name: str, description: str, example: Any, *, place: Callable[..., Any] = Query, **constraints: Any
    ) -> None:
        """`place`: FastAPI's `Query`, `Header` or `Path`. `constraints`: as that takes them."""
        self.name = name
        self.header = name.lower().encode() if place is Header else None
        self.info = place(alias=name, description=description, examples=[example], **constraints)
        if place is Path:
            self.kind, self.default = str, Argument.empty


class Text(Parameter):
    def read(self, request: KeyRequest) -> str | None:
        return request.parameter(self.name) if self.header is None else request.header(self.header)


class Flag(Parameter):
    kind, default = bool, False

    def read(self, request: KeyRequest) -> bool:
        return request.flag(self.name)


class Number(Parameter):
    kind = int | None

    def read(self, request: KeyRequest) -> int | None:
        return request.number(self.name)


class Choice(Parameter):
    """One of the words of a Literal; the first where it is left out."""

    def __init__(self, name: str, kind: Any, description: str, example: str) -> None:
        super().__init__(name, description, example)
        self.kind = kind
        self.words: tuple[str, ...] = kind.__args__
        self.default = self.words[0]

    def read(self, request: KeyRequest) -> str:
        return request.choice(self.name, self.words) or self.words[0]


def documents(*parameters: Parameter) -> Callable[[F], F]:
    """Has FastAPI take an endpoint for one with these parameters."""
    arguments = [
        Argument(
            each.name.replace("-", "_"),
            Argument.KEYWORD_ONLY,
            default=each.default,
            annotation=Annotated[each.kind, each.info],
        )
        for each in parameters
    ]

    def decorate(endpoint: F) -> F:
        endpoint.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
        return endpoint

    return decorate


# -- what calls of the metadata share ----------------------------------------------------------------------------------

TIMEOUT = Text(
    "timeout",
    "Seconds that the request may take, up to `raft.max_request_timeout`. Default: `raft.request_timeout`.",
    "2.5",
)
TIME_LEFT = Text(
    "Coterie-Timeout",
    "The same; beats the parameter `timeout`. What forwards a request says here what is left.",
    "2.5",
    place=Header,
)
REQUEST_ID = Text(
    "Coterie-Request-Id",
    "Makes the write happen at most once, however often it is sent: every try repeats the id. "
    "`POST /v1/request_ids` makes one, and an answer `outcome_unknown` brings the one to go on with.",
    "81723-6f1d4c7a0b5e4d3c9a8b7c6d5e4f3a2b",
    place=Header,
)

Timeout = Annotated[str | None, TIMEOUT.info]
TimeLeft = Annotated[str | None, TIME_LEFT.info]
RequestIdHeader = Annotated[str | None, REQUEST_ID.info]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Most items in one answer.", examples=[100])]
Page = Annotated[
    str | None,
    Query(description="`next_page` of the answer before: goes on from there.", examples=["lAERoQ"]),
]

READ_ERRORS = (Code.INVALID_REQUEST, Code.UNAVAILABLE)
WRITE_ERRORS = (
    Code.INVALID_REQUEST,
    Code.REQUEST_AHEAD,
    Code.REQUEST_REUSED,
    Code.RESULT_NOT_KEPT,
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


def _write_call(of: ReadCall, request: Request, id_header: RequestIdHeader = None) -> MetadataWrite:
    return MetadataWrite(of.metadata, of.state, of.seconds, request_id(of.metadata, id_header, request.scope))


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
