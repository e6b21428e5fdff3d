"""How a request can end beside what `coterie.consensus.api.errors` knows, and what an answer's status and code come to.

Refusals keep the codes of the store (`coterie.consensus.store.RefusalCode`); what HTTP alone can say has its own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from coterie.app.client.request_ids import read_request_id
from coterie.app.wire.errors import Code, Ending, Error, ErrorAnswer, ending_of, refusal_of
from coterie.consensus.api.errors import (
    CompactedError,
    ConflictError,
    GrantEndedError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)


class ClientError(MetadataError):
    """The client cannot ask: a setting of its own is wrong, or what answers is no node of Coterie. Nothing happened."""


class AccessError(RefusedError):
    """The node wants a token, or one that allows more. `code`: `unauthorized`, `forbidden`, `too_many_tries`."""


_HINTS: dict[str, str] = {
    Code.UNAUTHORIZED: "for a client it is COTERIE_CLIENT_TOKEN, or token_file",
    Code.FORBIDDEN: "use a token with a rule for it",
    Code.TOO_MANY_TRIES: "wait, and use a token that is valid",
}

_NUMBERS = ("limit", "revision", "permits", "cluster_time_ms")

_decode = msgspec.json.Decoder(ErrorAnswer).decode


def refusal(status: int, body: bytes, address: str) -> MetadataError:
    """The error behind an answer that is not of the class 2xx. An UnknownOutcomeError means that it may have
    happened, an UnavailableError that nothing did and that it may be asked again."""
    try:
        said = _decode(body).error
    except msgspec.MsgspecError:
        if status >= 500:  # a proxy's word: nobody knows what it passed on before
            return UnknownOutcomeError(f"{address} answered {status}, and not as a node does: is a proxy before it?")
        return ClientError(f"what answers at {address} is no node of Coterie (status {status}); check the address")
    match ending_of(said.code, status):
        case Ending.ACCESS:
            return AccessError(said.code, message=f"{address}: {said.message}; {_HINTS[said.code]}")
        case Ending.UNAVAILABLE:
            return UnavailableError(str((said.details or {}).get("reason", said.code)), said.message)
        case Ending.UNKNOWN if said.code == Code.OUTCOME_UNKNOWN:
            return _unknown(said)
        case Ending.UNKNOWN:
            return UnknownOutcomeError(f"{address}: {said.message}")
        case Ending.NO_NODE:
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
    return said.details or {} if said.code == code else None


def _unknown(said: Error) -> UnknownOutcomeError:
    details = said.details or {}
    request_id = details.get("request_id")
    return UnknownOutcomeError(
        said.message,
        request=None if request_id is None else read_request_id(str(request_id)),
        expired=details.get("reason") == "request_expired",
    )


def _refused(said: Error) -> MetadataError:
    details: Mapping[str, Any] = said.details or {}
    if said.code == Code.PRECONDITION_FAILED:
        return ConflictError(_number(details, "mod_revision"))
    if said.code == Code.COMPACTED:
        compacted = _number(details, "compacted")
        return CompactedError(compacted, compacted)
    if said.code == Code.GRANT_ENDED:
        return GrantEndedError(said.message)
    number = next((value for name in _NUMBERS if isinstance(value := details.get(name), int)), 0)
    code = str(details.get("reason", said.code)) if said.code == Code.REFUSED else refusal_of(said.code)
    return RefusedError(code, number, said.message)


def _number(details: Mapping[str, Any], name: str) -> int:
    value = details.get(name)
    return value if isinstance(value, int) else 0
