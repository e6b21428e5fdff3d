"""How a request can end beside what `coterie.consensus.api.errors` knows, and what an answer's status and code come to.

Refusals keep the codes of the store (`coterie.consensus.store.RefusalCode`); what HTTP alone can say has its own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from coterie.app.client.request_ids import read_request_id
from coterie.consensus.api.errors import (
    CompactedError,
    ConflictError,
    GrantEndedError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.store import RefusalCode


class ClientError(MetadataError):
    """The client cannot ask: a setting of its own is wrong, or what answers is no node of Coterie. Nothing happened."""


class AccessError(RefusedError):
    """The node wants a token, or one that allows more. `code`: `unauthorized`, `forbidden`, `too_many_tries`."""


_TO_STORE = {
    "invalid_request": RefusalCode.MALFORMED,
    "invalid_encoding": RefusalCode.MALFORMED,
    "missing_parameter": RefusalCode.MALFORMED,
    "empty_parameter": RefusalCode.KEY_INVALID,
    "reserved_key": RefusalCode.KEY_RESERVED,
}
"""Codes of HTTP that stand for one of the store's of another name."""

_ACCESS = {
    "unauthorized": "for a client it is COTERIE_CLIENT_TOKEN, or token_file",
    "forbidden": "use a token with a rule for it",
    "too_many_tries": "wait, and use a token that is valid",
}

_NUMBERS = ("limit", "revision", "permits", "cluster_time_ms")


class _Error(msgspec.Struct):
    code: str
    message: str
    parameter: str | None = None
    details: dict[str, Any] = {}


class _Body(msgspec.Struct):
    error: _Error


_decode = msgspec.json.Decoder(_Body).decode


def refusal(status: int, body: bytes, address: str) -> MetadataError:
    """The error behind an answer that is not of the class 2xx. An UnknownOutcomeError means that it may have
    happened, an UnavailableError that nothing did and that it may be asked again."""
    try:
        said = _decode(body).error
    except msgspec.MsgspecError:
        if status >= 500:  # a proxy's word: nobody knows what it passed on before
            return UnknownOutcomeError(f"{address} answered {status}, and not as a node does: is a proxy before it?")
        return ClientError(f"what answers at {address} is no node of Coterie (status {status}); check the address")
    if said.code in _ACCESS:
        return AccessError(said.code, message=f"{address}: {said.message}; {_ACCESS[said.code]}")
    if status in {408, 429, 503}:
        return UnavailableError(str(said.details.get("reason", said.code)), said.message)
    if said.code == "outcome_unknown":
        return _unknown(said)
    if status >= 500 and status != 507:
        return UnknownOutcomeError(f"{address}: {said.message}")
    if said.code in {"not_found", "method_not_allowed", "foreign_host", "foreign_origin"}:
        return ClientError(f"{address}: {said.message}")
    return _refused(said)


def ending(event: bytes) -> MetadataError:
    """The error with which a node ends a stream: AccessError, or UnavailableError where another node may go on."""
    error = refusal(503, event, "the node")
    return error if isinstance(error, AccessError) else UnavailableError("ended", str(error))


def details_of(body: bytes, code: str) -> Mapping[str, Any] | None:
    """Of an error with this code; None for any other."""
    try:
        said = _decode(body).error
    except msgspec.MsgspecError:
        return None
    return said.details if said.code == code else None


def _unknown(said: _Error) -> UnknownOutcomeError:
    request_id = said.details.get("request_id")
    return UnknownOutcomeError(
        said.message,
        request=None if request_id is None else read_request_id(str(request_id)),
        expired=said.details.get("reason") == "request_expired",
    )


def _refused(said: _Error) -> MetadataError:
    details: Mapping[str, Any] = said.details
    if said.code == "precondition_failed":
        return ConflictError(_number(details, "mod_revision"))
    if said.code == "compacted":
        compacted = _number(details, "compacted")
        return CompactedError(compacted, compacted)
    if said.code == RefusalCode.GRANT_ENDED:
        return GrantEndedError(said.message)
    number = next((value for name in _NUMBERS if isinstance(value := details.get(name), int)), 0)
    code = str(details.get("reason", said.code)) if said.code == "refused" else said.code
    return RefusedError(_TO_STORE.get(code, code), number, said.message)


def _number(details: Mapping[str, Any], name: str) -> int:
    value = details.get(name)
    return value if isinstance(value, int) else 0
