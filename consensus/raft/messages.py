"""What Raft nodes say to each other, typed (raft spec 2b); names follow PySyncObj's where it has one.

Encoded as tagged msgpack maps. Decoding checks every type and range; nothing here can run code (fault 6), and an entry
comes back as a tuple (fault 27). A message of stock PySyncObj that has no class here (`apply_command`, `transmission`
and the utility messages) cannot be expressed, which is how it is refused.

Releases side by side: fields that a later one adds are passed over. Kinds that it adds are sent only to members that
named them as understood when the link was opened; one that comes all the same is not taken for damaged bytes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from coterie.consensus.raft.errors import ProtocolError

Index = Annotated[int, Meta(ge=0, le=2**62)]
Term = Annotated[int, Meta(ge=0, le=2**62)]
Seconds = Annotated[float, Meta(ge=-1e15, le=1e15)]
Age = Annotated[float, Meta(ge=0, le=1e15)]
SnapshotState = Literal["receiving", "installed", "failed"]
Outcome = Literal["accepted", "read", "refused", "unavailable"]
WireEntry = tuple[bytes, Index, Term]


class RequestVote(Struct, frozen=True, tag="request_vote"):
    """With `pre`, `term` is the one the sender would campaign at. `transfer` overrides stickiness."""

    term: Term
    last_index: Index
    last_term: Term
    pre: bool = False
    transfer: bool = False


class ResponseVote(Struct, frozen=True, tag="response_vote"):
    """Granted: `term` is that of the request. Refused: the own current term."""

    term: Term
    granted: bool
    pre: bool = False


class AppendEntries(Struct, frozen=True, tag="append_entries"):
    """`seq` numbers the sender's messages of one term, so that a refusal names the message it refuses."""

    term: Term
    prev_index: Index
    prev_term: Term
    commit: Index
    entries: tuple[WireEntry, ...] = ()
    seq: Index = 0


class NextNodeIdx(Struct, frozen=True, tag="next_node_idx"):
    """Acknowledges: in `term`, everything up to `match` is as the leader's and durable. Or refuses message `seq`:
    then `match` is only the index that the leader may try next as the previous one. Or has no space (`full`)."""

    term: Term
    success: bool
    match: Index
    seq: Index = 0
    full: bool = False


class Ping(Struct, frozen=True, tag="ping"):
    """The heartbeat, and a read-index round. Times as `consensus/raft/core/model/staleness.py` says."""

    term: Term
    round: Index
    commit: Index
    """The leader's commit index."""
    at: Seconds = 0.0
    """The leader's clock."""
    reading: Seconds | None = None
    """The receiver's own clock, from its latest pong."""
    age: Age | None = None
    """For so long before `at` the leader has not been known to be the leader; None while it never was."""


class Pong(Struct, frozen=True, tag="pong"):
    term: Term
    round: Index
    asked: Seconds = 0.0
    """`at` of the ping."""
    at: Seconds = 0.0
    """The sender's clock."""
    room: bool = False
    """The sender's disk has space for more of its log. An earlier release does not say."""


class SnapshotChunk(Struct, frozen=True, tag="snapshot_chunk"):
    """A piece of transfer `transfer` of the snapshot up to (`last_index`, `last_term`)."""

    term: Term
    transfer: Index
    last_index: Index
    last_term: Term
    offset: Index
    data: bytes
    final: bool


class SnapshotAck(Struct, frozen=True, tag="snapshot_ack"):
    """`state`: "receiving" (`offset` bytes are here), "installed" (verified, loaded, durable) or "failed"; with
    `unreadable`, for what came was no sound snapshot, and the leader is to look at its file."""

    term: Term
    transfer: Index
    offset: Index
    state: SnapshotState
    unreadable: bool = False


class TimeoutNow(Struct, frozen=True, tag="timeout_now"):
    term: Term


class Forward(Struct, frozen=True, tag="forward", omit_defaults=True):
    """A follower's call at the leader: `kind` is "propose" or "read"; `timeout` in seconds from arrival."""

    request: Index
    kind: Literal["propose", "read"]
    body: bytes
    timeout: Annotated[float, Meta(ge=0, le=86_400)]
    trace: Annotated[str, Meta(max_length=128)] = ""
    """The W3C `traceparent` of the call; not sent where it is empty."""


class ForwardReply(Struct, frozen=True, tag="forward_reply"):
    """`outcome`: "accepted" (the proposal is at `position` of the entry `index` of `entry_term`), "read" (what is
    applied at `index` is fresh), "refused" or "unavailable", with a reason: then nothing happened.

    An accepted proposal's result is not carried: the member that forwarded it applies that entry, and takes it there.
    """

    request: Index
    outcome: Outcome
    index: Index = 0
    entry_term: Term = 0
    position: Index = 0
    reason: str = ""


class WentBack(Struct, frozen=True, tag="went_back"):
    """To a member that has lost what it acknowledged: the proof, in words. It must not take part any more."""

    words: Annotated[str, Meta(max_length=1_000)]


Message = (
    RequestVote
    | ResponseVote
    | AppendEntries
    | NextNodeIdx
    | Ping
    | Pong
    | SnapshotChunk
    | SnapshotAck
    | TimeoutNow
    | Forward
    | ForwardReply
    | WentBack
)

KINDS: Final = frozenset(str(each.__struct_config__.tag) for each in get_args(Message))
"""What this release understands."""

FIRST_KINDS: Final = frozenset(
    {
        "append_entries", "forward", "forward_reply", "next_node_idx", "ping", "pong", "request_vote",
        "response_vote", "snapshot_ack", "snapshot_chunk", "timeout_now",
    }
)  # fmt: skip
"""What a member of the first release understands, which names nothing."""


class UnknownKindError(ProtocolError):
    """A message of a kind that this release does not know: to be passed over."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a message of the kind {kind!r}, which this release does not know")
        self.kind = kind


class _Kind(Struct):
    """What every message has, of whatever release."""

    type: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_kind_decoder = msgspec.msgpack.Decoder(_Kind)


def kind_of(message: Message) -> str:
    return str(message.__struct_config__.tag)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Raises ProtocolError for anything but one well-formed message: UnknownKindError for one of another release."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        kind = _kind(data)
        if kind is None or kind in KINDS:
            raise ProtocolError(f"not a Raft message: {error}") from None
        raise UnknownKindError(kind) from None


def _kind(data: bytes) -> str | None:
    """Of a map that says it; None for all else."""
    try:
        return _kind_decoder.decode(data).type
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


__all__ = [
    "FIRST_KINDS",
    "KINDS",
    "AppendEntries",
    "Forward",
    "ForwardReply",
    "Message",
    "NextNodeIdx",
    "Outcome",
    "Ping",
    "Pong",
    "RequestVote",
    "ResponseVote",
    "SnapshotAck",
    "SnapshotChunk",
    "SnapshotState",
    "TimeoutNow",
    "UnknownKindError",
    "WentBack",
    "decode",
    "encode",
    "kind_of",
]
