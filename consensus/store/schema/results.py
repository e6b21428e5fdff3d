"""What operations come to, as types. Remembered with request ids, they are part of the snapshot format too."""

from __future__ import annotations

import msgspec

from coterie.consensus.store.schema.errors import RefusalCode
from coterie.consensus.store.schema.records import Record, record_bytes


class EncodedResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all results."""


class Refused(EncodedResult, frozen=True, tag=0):
    """Nothing happened, and nothing will. (Of `request_expired` this is true for this try alone.)"""

    code: RefusalCode
    detail: int = 0


class Done(EncodedResult, frozen=True, tag=1):
    revision: int
    """The revision of the change, or the current one where there was none to make."""


class PutDone(EncodedResult, frozen=True, tag=2):
    revision: int
    prev: Record | None = None


class DeleteDone(EncodedResult, frozen=True, tag=3):
    revision: int
    deleted: int
    prev: tuple[Record, ...] = ()


class GetDone(EncodedResult, frozen=True, tag=4):
    record: Record | None


class RangeDone(EncodedResult, frozen=True, tag=5):
    records: tuple[Record, ...]
    more: bool
    """There are more keys in the range than were asked for."""


class TxnDone(EncodedResult, frozen=True, tag=6):
    revision: int
    succeeded: bool
    """The comparisons held, and `results` are those of `then`."""
    results: tuple[PutDone | DeleteDone | GetDone | RangeDone, ...]


class ScanDone(EncodedResult, frozen=True, tag=13):
    records: tuple[Record, ...]
    count: int
    """Keys in the range, whatever is left out of `records`."""
    more: bool
    """The limit cut something off."""
    revision: int
    """The newest, as the range was read."""


class TreeDone(EncodedResult, frozen=True, tag=14):
    revision: int
    succeeded: bool
    results: tuple[TreeResult, ...]


TreeResult = PutDone | DeleteDone | ScanDone | TreeDone


class LeaseDone(EncodedResult, frozen=True, tag=7):
    lease: int
    renewal: int
    deadline_ms: int
    """In cluster time; 0 for a node-bound lease."""


class LeaseEnded(EncodedResult, frozen=True, tag=8):
    revision: int
    deleted: int
    """Keys that went with the lease."""


class AcquireDone(EncodedResult, frozen=True, tag=9):
    revision: int
    key: bytes
    """The queue entry's key. It is rewritten when the permit is granted, and deleted when it is lost."""
    token: int
    """The fencing token of the grant; 0 while waiting."""
    ahead: int
    """How many wait before this one."""


class DigestDue(EncodedResult, frozen=True, tag=11):
    """The state as it is now is to be compared."""


class DigestTold(EncodedResult, frozen=True, tag=12):
    """What a member's state was, after the entry at `index`."""

    index: int
    member: str
    digest: bytes


SingleResult = (
    Refused
    | Done
    | PutDone
    | DeleteDone
    | GetDone
    | RangeDone
    | TxnDone
    | ScanDone
    | TreeDone
    | LeaseDone
    | LeaseEnded
    | AcquireDone
    | DigestDue
    | DigestTold
)


class BatchDone(EncodedResult, frozen=True, tag=10):
    results: tuple[SingleResult, ...]


Result = SingleResult | BatchDone


def weight(result: SingleResult) -> int:
    """Bytes of the records and keys in `result`."""
    match result:
        case PutDone(prev=record) | GetDone(record=record):
            return 0 if record is None else record_bytes(record)
        case DeleteDone(prev=records) | RangeDone(records=records) | ScanDone(records=records):
            return sum(map(record_bytes, records))
        case TxnDone() | TreeDone():
            return sum(map(weight, result.results))
        case AcquireDone(key=key):
            return len(key)
    return 0
