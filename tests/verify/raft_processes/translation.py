"""From the checkers' words to the store's, and back."""

from __future__ import annotations

from collections.abc import Iterable

from coterie.consensus import store
from tests.verify.linearizability import KeyDeleted, KeyPut
from tests.verify.linearizability.histories import requests as words
from tests.verify.linearizability.histories.history import KeyEvent


def operation_of(request: words.Request) -> store.ClientOperation:
    match request:
        case words.Txn(compares=compares, then=then, orelse=orelse):
            return store.Txn(
                tuple([_compare(compare) for compare in compares]),
                tuple([_part(part) for part in then]),
                tuple([_part(part) for part in orelse]),
            )
        case words.Put() | words.Delete() | words.DeleteRange():
            part = _part(request)
            assert isinstance(part, store.Put | store.Delete | store.DeleteRange)
            return part
    raise AssertionError(request)


def _compare(compare: words.Compare) -> store.Compare:
    operand = compare.operand
    relations = {"=": "=", "!=": "!=", "<": "<", ">": ">"}
    return store.Compare(
        compare.key.encode(),
        store.Target(compare.target.value),
        relations[compare.relation.value],  # type: ignore[arg-type]
        operand.encode() if isinstance(operand, str) else int(operand),
    )


def _part(part: words.SubRequest) -> store.Put | store.Delete | store.DeleteRange | store.Get | store.Range:
    match part:
        case words.Put(key=key, value=value):
            return store.Put(key.encode(), value.encode())
        case words.Delete(key=key):
            return store.Delete(key.encode())
        case words.DeleteRange(prefix=prefix):
            return store.DeleteRange(prefix.encode(), store.prefix_end(prefix.encode()))
        case words.Get(key=key):
            return store.Get(key.encode())
        case words.Range(prefix=prefix, limit=limit):
            return store.Range(prefix.encode(), store.prefix_end(prefix.encode()), limit or 1_000)


def result_of(result: store.SingleResult) -> words.Result:
    match result:
        case store.PutDone(revision=revision):
            return words.Written(revision)
        case store.DeleteDone(revision=revision, deleted=deleted):
            return words.Written(revision, deleted)
        case store.TxnDone(revision=revision, succeeded=succeeded, results=results):
            return words.Decided(revision, succeeded, tuple([_response(each, revision) for each in results]))
    raise AssertionError(result)


def _response(result: store.SingleResult, revision: int) -> words.Response:
    match result:
        case store.PutDone():
            return words.Written(revision)
        case store.DeleteDone(deleted=deleted):
            return words.Written(revision, deleted)
        case store.GetDone(record=record):
            return words.Found(revision, () if record is None else (item_of(record),))
        case store.RangeDone(records=records, more=more):
            return words.Found(revision, tuple(map(item_of, records)), more)
    raise AssertionError(result)


def item_of(record: store.Record) -> words.Item:
    return words.Item(
        record.key.decode(),
        record.value.decode(),
        record.create_revision,
        record.mod_revision,
        record.version,
        str(record.lease or ""),
    )


def event_of(event: store.Event) -> KeyEvent:
    record = event.record
    if record is None:
        return KeyDeleted(event.key.decode())
    return KeyPut(
        record.key.decode(), record.value.decode(), str(record.lease or ""), record.create_revision, record.version
    )


def by_revision(events: Iterable[store.Event]) -> dict[int, tuple[KeyEvent, ...]]:
    found: dict[int, list[KeyEvent]] = {}
    for event in events:
        found.setdefault(event.revision, []).append(event_of(event))
    return {revision: tuple(each) for revision, each in found.items()}
