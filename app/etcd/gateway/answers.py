"""Answers of the gateway: how etcd's errors look over HTTP, and how messages follow one another in a stream."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.responses import Response
from starlette.types import Message

from coterie.app.etcd.json_codec import show
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.rpcs import EtcdCode, EtcdError

_STATUS = {
    EtcdCode.OK: HTTPStatus.OK,
    EtcdCode.CANCELED: HTTPStatus.REQUEST_TIMEOUT,
    EtcdCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
    EtcdCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    EtcdCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    EtcdCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    EtcdCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    EtcdCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    EtcdCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    EtcdCode.FAILED_PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    EtcdCode.ABORTED: HTTPStatus.CONFLICT,
    EtcdCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    EtcdCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    EtcdCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    EtcdCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    EtcdCode.DATA_LOSS: HTTPStatus.INTERNAL_SERVER_ERROR,
    EtcdCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
}
"""As grpc-gateway has them in etcd 3.4 and 3.5."""

JSON_HEADERS = {"Content-Type": "application/json", "Grpc-Metadata-Content-Type": "application/grpc"}


def error_response(error: EtcdError, *, closes: bool = False) -> Response:
    """`error`, which etcd has up to 3.5, and `message`, which it has since."""
    content = {"error": error.message, "message": error.message, "code": int(error.code)}
    headers = {**JSON_HEADERS, "Connection": "close"} if closes else JSON_HEADERS
    return Response(orjson.dumps(content), _STATUS[error.code], headers)


def plain_response(status: HTTPStatus) -> Response:
    """Of what is no call of the API."""
    return Response(f"{status.phrase}\n", status, media_type="text/plain")


def stream_result(message: EtcdMessage) -> bytes:
    return orjson.dumps({"result": show(message)}) + b"\n"


def stream_error(error: EtcdError) -> bytes:
    status = _STATUS[error.code]
    content = {
        "grpc_code": int(error.code),
        "http_code": status.value,
        "message": error.message,
        "http_status": status.phrase,
        "code": int(error.code),
    }
    return orjson.dumps({"error": content}) + b"\n"


def stream_start() -> Message:
    headers = [(name.lower().encode(), value.encode()) for name, value in JSON_HEADERS.items()]
    return {"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": headers}


def part(data: bytes, *, more: bool = True) -> Message:
    """One chunk: clients take each for one JSON document."""
    return {"type": "http.response.body", "body": data, "more_body": more}
