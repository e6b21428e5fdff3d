"""What clients ask and what they are told: the alphabet of histories (raft spec 3).

Plain data. Keys, values, leases, locks and owners are text; revisions and tokens are integers from 1 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Consistency(StrEnum):
    """How old an answer to a read may be."""

    LINEARIZABLE = "linearizable"
    """No older than anything that anybody saw before the read began."""
    SESSION = "session"
    """No older than anything that the same client saw before the read began."""
    STALE = "stale"
    """Any committed state."""


class Target(StrEnum):
    """What of a key a comparison looks at. An absent key has the numbers 0, the lease "", and no value."""

    EXISTS = "exists"
    VALUE = "value"
    """A comparison with the value of an absent key never holds, whatever the relation."""
    VERSION = "version"
    CREATE_REVISION = "create_revision"
    MOD_REVISION = "mod_revision"
    LEASE = "lease"
    TOKEN = "token"  # noqa: S105 - a fencing token
    """`key` names a lock: EQUAL holds where it is held under the token, NOT_EQUAL where it is not."""


class Relation(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    GREATER = ">"


# -- requests ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    value: str
    lease: str = ""
    kind: Literal["put"] = "put"


@dataclass(frozen=True, slots=True)
class Delete:
    key: str
    kind: Literal["delete"] = "delete"


@dataclass(frozen=True, slots=True)
class DeleteRange:
    prefix: str
    kind: Literal["delete_range"] = "delete_range"


@dataclass(frozen=True, slots=True)
class Get:
    """Read one key: now, or as it was at `revision`."""

    key: str
    revision: int | None = None
    consistency: Consistency = Consistency.LINEARIZABLE
    kind: Literal["get"] = "get"


@dataclass(frozen=True, slots=True)
class Range:
    """Read the keys under a prefix in key order, at most `limit` of them: now, or as they were at `revision`."""

    prefix: str
    limit: int | None = None
    revision: int | None = None
    consistency: Consistency = Consistency.LINEARIZABLE
    kind: Literal["range"] = "range"


@dataclass(frozen=True, slots=True)
class Compare:
    key: str
    target: Target
    relation: Relation
    operand: str | int | bool


SubRequest = Put | Delete | DeleteRange | Get | Range


@dataclass(frozen=True, slots=True)
class Txn:
    """Where every comparison holds, do `then` in order, else `orelse`: at one revision, each seeing those before it."""

    compares: tuple[Compare, ...]
    then: tuple[SubRequest, ...]
    orelse: tuple[SubRequest, ...] = ()
    kind: Literal["txn"] = "txn"


@dataclass(frozen=True, slots=True)
class Acquire:
    """Ask for a lock. `owner` names this one request: two requests of a client have two owners."""

    lock: str
    owner: str
    kind: Literal["acquire"] = "acquire"


@dataclass(frozen=True, slots=True)
class Release:
    lock: str
    token: int
    kind: Literal["release"] = "release"


Request = SubRequest | Txn | Acquire | Release
Read = Get | Range


# -- results -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """A key as a read shows it. What is None was not told, and is not checked."""

    key: str
    value: str
    create_revision: int | None = None
    mod_revision: int | None = None
    version: int | None = None
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The revision that the write took; that of the state it found where it changed nothing."""

    revision: int
    deleted: int = 0
    """How many keys a delete removed: a delete of none is a read."""
    kind: Literal["written"] = "written"


@dataclass(frozen=True, slots=True)
class Found:
    """`items` are the state at `revision`."""

    revision: int
    items: tuple[Item, ...] = ()
    more: bool = False
    """Whether the limit cut the answer."""
    staleness: float | None = None
    """The answer claims to hold everything that was committed so long (in the history's unit) before it was asked."""
    kind: Literal["found"] = "found"


@dataclass(frozen=True, slots=True)
class Decided:
    """A transaction's outcome: `responses` are those of the branch taken. As `Written` where the branch wrote."""

    revision: int
    succeeded: bool
    responses: tuple[Written | Found, ...] = ()
    kind: Literal["decided"] = "decided"


@dataclass(frozen=True, slots=True)
class Granted:
    revision: int
    token: int
    kind: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True)
class Busy:
    """At `revision` the lock was held by as many as may hold it."""

    revision: int
    kind: Literal["busy"] = "busy"


@dataclass(frozen=True, slots=True)
class Released:
    """`released` is False where the token did not hold the lock at `revision`."""

    revision: int
    released: bool = True
    kind: Literal["released"] = "released"


Response = Written | Found
Result = Written | Found | Decided | Granted | Busy | Released
