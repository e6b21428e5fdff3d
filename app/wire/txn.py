"""The body and the answer of `POST /v1/txn`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from coterie.app.wire.base import MAX_INT, Answer, Body, Doc, Encoding, Revision
from coterie.app.wire.keys import MetaRecord
from coterie.app.wire.locks import QueueWord
from coterie.consensus.store import KEEP_LEASE, Target

Key = Annotated[str, msgspec.Meta(min_length=1), Doc(examples=["jobs/7"])]
Prefix = Annotated[str, Doc(examples=["jobs/"])]
Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
Op = Literal["=", "!=", "<", ">"]


class HeldBy(Body, frozen=True):
    """A lock, election or semaphore."""

    kind: QueueWord
    name: Annotated[str, msgspec.Meta(min_length=1), Doc(examples=["jobs"])]
    token: Annotated[Number, Doc(examples=[17])]
    """The fencing token of the grant; 0, of none, never holds."""


class Comparison(Body, frozen=True):
    """Of a key (`key`, `target`, `op`, `operand`), or that a grant still lasts (`held`)."""

    key: Key | None = None
    target: Target | None = None
    """For a key that is not there every number is 0, and no comparison of values holds."""
    op: Op = "="
    operand: Number | str | None = None
    """A number, but text for `value`."""
    encoding: Encoding = "utf-8"
    """Of the operand, where it is text."""
    held: HeldBy | None = None

    def __post_init__(self) -> None:
        of_key = self.key is not None and self.target is not None and self.operand is not None
        if of_key == (self.held is not None):
            raise ValueError("give either key, target and operand, or held")
        if of_key and isinstance(self.operand, str) != (self.target is Target.VALUE):
            raise ValueError("the operand must be text for the target value, and else a number")


class PutOperation(Body, frozen=True):
    """Write a key."""

    key: Key
    value: Annotated[str | None, Doc(examples=["ready"])]
    """Null keeps the value that the key has."""
    encoding: Encoding = "utf-8"
    lease: Annotated[int, msgspec.Meta(ge=KEEP_LEASE, le=MAX_INT)] = 0
    """0: none; -1: the one that the key has."""
    prev: bool = False
    """Answer with what was replaced."""
    expect: Number | None = None
    """Refuse the whole transaction (`precondition_failed`) unless the key is at this revision; 0: unless it is
    absent."""


class DeleteOperation(Body, frozen=True):
    """Delete a key, if it is there."""

    key: Key
    prev: bool = False
    expect: Number | None = None
    """As for `put`."""


class PrefixOperation(Body, frozen=True):
    """Delete all keys that start with a prefix."""

    prefix: Annotated[Prefix, msgspec.Meta(min_length=1)]
    prev: bool = False


class GetOperation(Body, frozen=True):
    """Read a key, as the operations before have left it."""

    key: Key


class RangeOperation(Body, frozen=True):
    """Read the keys that start with a prefix."""

    prefix: Prefix = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000


AnyOperation = PutOperation | DeleteOperation | PrefixOperation | GetOperation | RangeOperation


class Operation(Body, frozen=True):
    """Exactly one of these."""

    put: PutOperation | UnsetType | None = UNSET
    delete: DeleteOperation | UnsetType | None = UNSET
    delete_prefix: PrefixOperation | UnsetType | None = UNSET
    get: GetOperation | UnsetType | None = UNSET
    range: RangeOperation | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        given = [each for name in self.__struct_fields__ if (each := getattr(self, name)) is not UNSET]
        if len(given) != 1 or given[0] is None:
            raise ValueError("give exactly one of put, delete, delete_prefix, get, range")

    @property
    def one(self) -> tuple[str, AnyOperation]:
        """The one that is given, with its name."""
        return next((name, each) for name in self.__struct_fields__ if (each := getattr(self, name)) is not UNSET)


class TxnBody(Body, frozen=True):
    """A transaction: a key is written at most once."""

    EXAMPLE: ClassVar[dict[str, Any]] = {
        "compare": [{"key": "jobs/7", "target": "version", "op": "=", "operand": 0}],
        "then": [{"put": {"key": "jobs/7", "value": "ready"}}],
        "else": [{"get": {"key": "jobs/7"}}],
    }

    compare: tuple[Comparison, ...] = ()
    """All of them must hold for `then` to be done."""
    then: tuple[Operation, ...] = ()
    otherwise: tuple[Operation, ...] = msgspec.field(default=(), name="else")
    """Done where one does not hold."""


class PutResult(Answer, frozen=True):
    """Written."""

    revision: Revision
    prev: MetaRecord | None


class DeleteResult(Answer, frozen=True):
    """Deleted, what was there."""

    revision: Revision
    deleted: int
    prev: tuple[MetaRecord, ...]


class GetResult(Answer, frozen=True):
    """A key, or null where it is not there."""

    record: MetaRecord | None


class RangeResult(Answer, frozen=True):
    """Keys in order."""

    keys: tuple[MetaRecord, ...]
    more: bool
    """There are more keys than were asked for."""


class OperationResult(Answer, frozen=True, omit_defaults=True):
    """Under the name of the operation."""

    put: PutResult | None = None
    delete: DeleteResult | None = None
    delete_prefix: DeleteResult | None = None
    get: GetResult | None = None
    range: RangeResult | None = None


class TxnAnswer(Answer, frozen=True):
    """Done, all of it at one revision."""

    revision: Revision
    succeeded: bool
    """The comparisons held: `results` are those of `then`, otherwise those of `else`."""
    results: tuple[OperationResult, ...]
