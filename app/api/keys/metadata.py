"""Metadata keys: preconditions, lists, and the shapes of the answers. Refusals are ApiErrors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import msgspec

from coterie.app.api.encoding import show_record
from coterie.app.auth import token_store
from coterie.app.auth.visibility import Shows
from coterie.app.http.error_mapping import api_error, conflict
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import MetadataError, RefusedError
from coterie.consensus.api.types import Consistency, ReadResult, RequestId
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.store import (
    KEEP_LEASE,
    RESERVED_PREFIX,
    BadTokenError,
    Compare,
    Delete,
    DeleteDone,
    Get,
    GetDone,
    Put,
    PutDone,
    Target,
    Txn,
    TxnDone,
    page_range,
    prefix_end,
)

MAX_PAGE = 10_000

_ETAG = re.compile(r'"([1-9]\d{0,15})"')
_RESERVED = RESERVED_PREFIX.decode()


# -- preconditions (RFC 9110, section 13; an ETag is a mod_revision) ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of the key. Empty: anything."""

    revisions: tuple[int, ...] = ()
    """It is at one of these."""
    exists: bool = False
    absent: bool = False
    other_than: tuple[int, ...] = ()
    """It is at none of these."""

    def holds(self, mod_revision: int) -> bool:
        """Of a key at `mod_revision`, 0 for none."""
        return not (
            (self.revisions and mod_revision not in self.revisions)
            or (self.exists and not mod_revision)
            or (self.absent and mod_revision)
            or mod_revision in self.other_than
        )

    def guard(self, operation: Put | Delete) -> Put | Delete | Txn:
        """The operation, to be done only where this holds; see `outcome`. Raises ApiError."""
        if self is ANYTHING:
            return operation
        expect = self._one_revision()
        if expect is not None:
            return msgspec.structs.replace(operation, expect=expect)
        if len(self.revisions) > 1:
            raise ApiError(Code.INVALID_REQUEST, "If-Match on a write takes one revision, or *", "If-Match")
        key = operation.key
        compares = [Compare(key, Target.MOD_REVISION, "=", revision) for revision in self.revisions]
        compares += [Compare(key, Target.MOD_REVISION, "!=", revision) for revision in self.other_than]
        if self.exists or self.absent:
            compares.append(Compare(key, Target.EXISTS, "=", int(self.exists)))
            if self.exists and self.absent:
                compares.append(Compare(key, Target.EXISTS, "=", 0))
        return Txn(tuple(compares), (operation,), (Get(key),))

    def _one_revision(self) -> int | None:
        """The one revision that plain operations can expect, 0 for no such key; None where they cannot."""
        if self.exists or self.other_than:
            return None
        if self.absent:
            return None if self.revisions else 0
        return self.revisions[0] if len(self.revisions) == 1 else None


ANYTHING = Precondition()


def read_precondition(if_match: str | None, if_none_match: str | None) -> Precondition:
    """From the two headers. Raises ApiError."""
    if if_match is None and if_none_match is None:
        return ANYTHING
    return Precondition(
        revisions=() if if_match in {None, "*"} else _revisions(if_match or "", "If-Match"),
        exists=if_match == "*",
        absent=if_none_match == "*",
        other_than=() if if_none_match in {None, "*"} else _revisions(if_none_match or "", "If-None-Match"),
    )


def _revisions(text: str, header: str) -> tuple[int, ...]:
    found = [_ETAG.fullmatch(tag.strip()) for tag in text.split(",")]
    if not all(found):
        raise ApiError(
            Code.INVALID_REQUEST,
            f'{header} must be * or a revision in double quotes, such as "17", as ETag gave it, not {text!r}',
            header,
        )
    return tuple(int(tag[1]) for tag in found if tag)


# -- one key -----------------------------------------------------------------------------------------------------------


def check_writable(key: str) -> None:
    """Locks and the cluster itself write under a prefix of their own. Raises ApiError."""
    if key.startswith(_RESERVED):
        raise ApiError(Code.RESERVED_KEY, f"keys under {_RESERVED!r} are written by the cluster itself", "key")


def check_readable(key: str) -> None:
    """Tokens are no keys for clients. Raises ApiError."""
    if token_store.is_hidden(key.encode()):
        raise ApiError(Code.RESERVED_KEY, "tokens are read at /v1/tokens, not as keys", "key")


def show_answer(answer: ReadResult[Any]) -> dict[str, Any]:
    """How fresh an answer is: the part that every read of the metadata shares."""
    if answer.staleness is None:
        return {"revision": answer.revision, "consistency": "linearizable"}
    stale = None if answer.staleness == inf else ceil(answer.staleness * 1000) / 1000
    return {"revision": answer.revision, "consistency": "stale", "stale_seconds": stale}


def not_found(key: str, answer: ReadResult[Any]) -> ApiError:
    return ApiError(Code.KEY_NOT_FOUND, f"there is no key {key!r}", "key", show_answer(answer))


def outcome(result: Any) -> Any:
    """Of an operation that a precondition guarded. Raises ApiError where that did not hold."""
    if not isinstance(result, TxnDone):
        return result
    (done,) = result.results
    if not result.succeeded:
        assert isinstance(done, GetDone)  # noqa: S101
        raise conflict(done.record.mod_revision if done.record is not None else 0)
    return done


def show_put(key: str, done: PutDone, *, prev: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"key": key, "revision": done.revision}
    if prev:
        content["prev"] = None if done.prev is None else show_record(done.prev)
    return content


def show_delete(key: str, done: DeleteDone, *, prev: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"key": key, "revision": done.revision, "deleted": done.deleted}
    if prev:
        content["prev"] = show_record(done.prev[0]) if done.prev else None
    return content


# -- many keys ---------------------------------------------------------------------------------------------------------


async def page(
    metadata: MemberMetadata,
    prefix: str,
    *,
    limit: int,
    token: str | None,
    revision: int | None,
    consistency: Consistency,
    seconds: float,
    shows: Shows,
) -> dict[str, Any]:
    """Records by key; the pages of one list show one revision. Raises ApiError."""
    start = prefix.encode()
    try:
        if token is not None:
            _check_page(token, start)
            answer = await metadata.next_page(token, limit=limit, consistency=consistency, timeout=seconds)
        else:
            answer = await metadata.range(
                start,
                prefix_end(start),
                limit=limit,
                revision=revision,
                consistency=consistency,
                timeout=seconds,
            )
    except MetadataError as error:
        raise api_error(error) from None
    shown = answer.value
    return {
        **show_answer(answer),
        "revision": shown.revision,
        "keys": [show_record(record) for record in shown.records if shows(record.key)],
        "next_page": shown.next,
    }


def _check_page(token: str, prefix: bytes) -> None:
    """A page's token names a range of its own: it must not lead out of what was asked for. Raises as the state does."""
    try:
        start, end = page_range(token)
    except BadTokenError as error:
        raise RefusedError("bad_page_token", message=f"bad_page_token: {error}") from None
    last = prefix_end(prefix)
    if not start.startswith(prefix) or (last is not None and (end is None or end > last)):
        raise ApiError(
            Code.BAD_PAGE_TOKEN, "this page belongs to another prefix: repeat the one that the list began with", "page"
        )


async def delete_prefix(metadata: MemberMetadata, prefix: str, *, request: RequestId, seconds: float) -> dict[str, Any]:
    """Delete all keys that start with `prefix`, at one revision, but for the reserved ones. Raises ApiError."""
    start = prefix.encode()
    try:
        done = await metadata.delete_range(start, prefix_end(start), request=request, timeout=seconds)
    except MetadataError as error:
        raise api_error(error, request) from None
    return {"prefix": prefix, "revision": done.revision, "deleted": done.deleted}


def read_lease(text: str | None) -> int:
    """The parameter `lease` of a write: none, an id, or `keep`. Raises ApiError."""
    if text is None:
        return 0
    if text == "keep":
        return KEEP_LEASE
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise ApiError(Code.INVALID_REQUEST, f"the parameter lease must be a lease's id or keep, not {text!r}", "lease")
    return int(text)
