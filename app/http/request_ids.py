"""Idempotent writes over HTTP: the header `Coterie-Request-Id`, which a client repeats with each try of a write.

An id is `<cluster time in ms>-<anything>`: by the time of the first try the cluster forgets ids some day. A client gets
one from `POST /v1/request_ids`, or from the answer to a write whose outcome is unknown.
"""

from __future__ import annotations

import re

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.consensus.api.types import RequestId

HEADER = b"coterie-request-id"

MAX_PART_CHARACTERS = 64
"""Of what stands behind the time; the log carries it."""

_FORM = re.compile(r"(\d{1,16})-([!-~]{1,64})")


def write_request_id(request: RequestId) -> str:
    """The header's value: the id in hexadecimal digits."""
    return f"{request.time_ms}-{request.id.hex()}"


def read_request_id(text: str) -> RequestId:
    """Raises ApiError."""
    found = _FORM.fullmatch(text)
    if found is None or int(found[1]) >= 2**53:
        raise ApiError(
            Code.INVALID_REQUEST,
            f"Coterie-Request-Id must be <cluster time in ms>-<1 to {MAX_PART_CHARACTERS} visible ASCII characters>; "
            "POST /v1/request_ids makes one",
            "Coterie-Request-Id",
        )
    part = found[2]
    # The node's own are hexadecimal: read back they are the very bytes.
    own = len(part) == 32 and all(digit in "0123456789abcdef" for digit in part)
    return RequestId(bytes.fromhex(part) if own else part.encode(), int(found[1]))
