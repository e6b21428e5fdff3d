"""`ApiError`: a refusal as routes raise it, and its answer. The codes are in `app/wire/errors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from coterie.app.wire.errors import Code

RETRY_AFTER_SECONDS = 1
"""What 429 and 503 answers ask for: a new leader is found, and most of what stands in the way is over, by then."""


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is not to be kept: writes are GET requests too, so nothing on the way may answer from memory."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


class ApiError(Exception):
    """Raised by endpoints; answered in the one shape."""

    def __init__(
        self,
        code: Code,
        message: str,
        parameter: str | None = None,
        details: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        """`closes`: the rest of the request is not waited for; the connection ends with this answer."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.details = details
        self._headers = dict(headers or {})
        self.closes = closes

    def bare(self) -> ApiError:
        """Itself, without the frames that it came through: a frame that keeps it would live, with the request's body,
        until the garbage collector comes."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        return json_response(self.body(), self.code.status, {**self.headers, **(headers or {})})

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the body."""
        headers = dict(self._headers)
        if self.closes:
            headers["Connection"] = "close"
        if self.code.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        elif self.code is Code.PRECONDITION_FAILED and self.details and self.details.get("mod_revision"):
            headers["ETag"] = f'"{self.details["mod_revision"]}"'
        return headers

    def body(self) -> bytes:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "parameter": self.parameter}
        if self.details is not None:
            error["details"] = self.details
        return orjson.dumps({"error": error})
