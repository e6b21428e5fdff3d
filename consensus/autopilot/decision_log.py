"""The decisions on the membership, kept in the metadata itself (spec section 4, the last rule).

So whoever leads, every node can tell what was decided, and why.
"""

from __future__ import annotations

import msgspec

from coterie.consensus.store import RESERVED_PREFIX, Delete, Put, State, Txn, prefix_end

PREFIX = RESERVED_PREFIX + b"decisions/"

MAX_DECISIONS = 100
"""The oldest go."""


class DecisionRecord(msgspec.Struct, frozen=True):
    """A decision that a leader took, and its outcome."""

    at: float
    """Unix seconds, by that leader's clock."""
    term: int
    kind: str
    """promote, remove or transfer."""
    member: str
    node: str
    """The name of the member's node, where gossip knows it."""
    reason: str
    outcome: str
    """done, or why it failed."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DecisionRecord).decode


def record(state: State, taken: DecisionRecord) -> Txn:
    """The operation that adds a decision to those in `state`."""
    records = state.range(PREFIX, prefix_end(PREFIX), limit=2 * MAX_DECISIONS).records
    number = int(records[-1].key[len(PREFIX) :]) + 1 if records else 1
    gone = [Delete(each.key) for each in records[: max(0, len(records) - MAX_DECISIONS + 1)]]
    return Txn(then=(Put(PREFIX + b"%012d" % number, _encode(taken)), *gone))


def read_decisions(state: State) -> list[DecisionRecord]:
    """Oldest first."""
    found = []
    for each in state.range(PREFIX, prefix_end(PREFIX), limit=2 * MAX_DECISIONS).records:
        try:
            found.append(_decode(each.value))
        except msgspec.MsgspecError:
            continue  # of a later release
    return found
