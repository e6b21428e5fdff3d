"""The decisions on the voters, kept in the metadata itself (raft spec 4, the last rule).

So every node can show the decisions of all leaders, with their reasons.
"""

from __future__ import annotations

import msgspec

from coterie.consensus.store import RESERVED_PREFIX, Delete, Put, State, Txn, prefix_end

DECISIONS_PREFIX = RESERVED_PREFIX + b"decisions/"

MAX_DECISIONS = 100
"""The oldest go first."""


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


def record_decision(state: State, decision: DecisionRecord) -> Txn:
    """The operation that adds a decision to those in `state`, and drops the oldest."""
    records = state.range(DECISIONS_PREFIX, prefix_end(DECISIONS_PREFIX), limit=2 * MAX_DECISIONS).records
    number = int(records[-1].key[len(DECISIONS_PREFIX) :]) + 1 if records else 1
    gone = [Delete(each.key) for each in records[: max(0, len(records) - MAX_DECISIONS + 1)]]
    return Txn(then=(Put(DECISIONS_PREFIX + b"%012d" % number, _encode(decision)), *gone))


def read_decisions(state: State) -> list[DecisionRecord]:
    """Oldest first."""
    found = []
    for each in state.range(DECISIONS_PREFIX, prefix_end(DECISIONS_PREFIX), limit=2 * MAX_DECISIONS).records:
        try:
            found.append(_decode(each.value))
        except msgspec.MsgspecError:
            continue  # of a later release
    return found
