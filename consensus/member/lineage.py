"""Which clusters the present one goes on from: a key of the metadata, so every member knows it (raft spec 4)."""

from __future__ import annotations

import msgspec

from coterie.consensus.store import RESERVED_PREFIX, Put, State, apply, encode

KEY = RESERVED_PREFIX + b"cluster/replaces"

MAX_NAMED = 16
"""Former clusters that are named, the latest first."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


def replaced_clusters(state: State) -> tuple[str, ...]:
    """The clusters from whose state this one was recovered, the latest first."""
    record = state.get(KEY)
    if record is None:
        return ()
    try:
        return _decode(record.value)[:MAX_NAMED]
    except msgspec.MsgspecError:
        return ()  # of a later release


def name_replaced(state: State) -> None:
    """Before a state becomes the beginning of a new cluster: have it name the one that it is of, and those before."""
    if state.cluster_id:
        former = (state.cluster_id, *(each for each in replaced_clusters(state) if each != state.cluster_id))
        apply(state, encode(Put(KEY, _encode(former[:MAX_NAMED]))), state.applied_index + 1)
