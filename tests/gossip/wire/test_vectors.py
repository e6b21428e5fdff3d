"""Golden messages of a real chitchat node: what they mean, what they do, and the bytes we write for that meaning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coterie.gossip import Address, Engine, KeyStatus, NodeId, WireError
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import Ack, BadCluster, Decoder, Message, Syn, SynAck
from tests.gossip.encoding import encode
from tests.gossip.helpers import (
    SELF,
    UNKNOWN_PEER,
    contents,
    decode_one,
    delta_of,
    digest_of,
    make_engine,
    node,
    rows_of,
    snapshot,
)
from tests.gossip.wire.blocks import blocks_of_message, digest_blocks

Entry = dict[str, Any]


def load(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text())
    return entries


def entries(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", [pytest.param(e, id=e["name"]) for e in load(name)])


def identity(told: Entry) -> NodeId:
    return NodeId(told["node_id"], told["generation"], Address.parse(told["addr"]))


def node_delta(told: Entry) -> NodeDelta:
    statuses = {status.label: status for status in KeyStatus}
    key_values = [(key, value, version, statuses[status]) for key, value, version, status in told["key_values"]]
    return delta_of(
        identity(told),
        *key_values,
        gc=told["last_gc_version"],
        from_version=told["from_version_excluded"],
        max_version=told["max_version"],
    )


def meaning(entry: Entry) -> Message:
    """The message that an entry's `decoded` tells of."""
    told = entry["decoded"]
    rows = [(identity(n), n["heartbeat"], n["last_gc_version"], n["max_version"]) for n in told.get("digest", ())]
    delta = [node_delta(n) for n in told.get("delta", ())]
    version = entry.get("version", 0)
    match entry["kind"]:
        case "Syn":
            return Syn(digest_of(*rows), told["cluster_id"], version=version)
        case "SynAck":
            return SynAck(digest_of(*rows), delta, version=version)
        case "Ack":
            return Ack(delta, version)
    assert entry["kind"] == "BadCluster"
    return BadCluster(version)


def test_the_vectors_are_all_there() -> None:
    assert [len(load(name)) for name in ("valid", "invalid", "oddities", "version_1")] == [38, 72, 24, 8]


@entries("valid")
def test_a_valid_message_decodes_to_its_meaning(entry: Entry) -> None:
    datagram = bytes.fromhex(entry["hex"])
    assert len(datagram) == entry["len"]
    assert Decoder().decode(datagram) == meaning(entry)


@entries("version_1")
def test_a_message_of_a_node_that_speaks_version_1_decodes_to_its_meaning(entry: Entry) -> None:
    datagram = bytes.fromhex(entry["hex"])
    assert len(datagram) == entry["len"]
    assert Decoder().decode(datagram) == meaning(entry)


@entries("version_1")
def test_a_digest_of_version_1_is_cut_into_the_recorded_blocks(entry: Entry) -> None:
    recorded, written = bytes.fromhex(entry["hex"]), encode(meaning(entry))
    blocks = entry["digest_blocks"]
    if not blocks:
        return
    assert [list(b) for b in digest_blocks(recorded)] == blocks
    assert [plain for _, _, plain in digest_blocks(written)] == [plain for _, _, plain in blocks]
    # Releases of zstd differ by some bytes, so a block that hardly shrinks may come out either way.
    assert all(
        kind == "zstd"
        for (kind, _, _), (_, stored, plain) in zip(digest_blocks(written), blocks, strict=True)
        if stored <= 0.9 * plain
    )


@entries("version_1")
def test_a_recorded_question_of_either_version_is_answered_in_it(entry: Entry) -> None:
    message = meaning(entry)
    if isinstance(message, Syn):
        answer = decode_one(make_engine(SELF).receive(bytes.fromhex(entry["hex"]), UNKNOWN_PEER, 1.0))
        assert isinstance(answer, SynAck)
        assert answer.version == message.version


@entries("valid")
def test_the_recorded_blocks_are_what_the_datagram_holds(entry: Entry) -> None:
    blocks = blocks_of_message(bytes.fromhex(entry["hex"]))
    assert [list(b) for b in blocks] == entry.get("blocks", [])
    assert sum(plain for _, _, plain in blocks) == entry.get("ops_len", 0)


@entries("valid")
def test_a_meaning_encodes_to_the_recorded_bytes_where_no_zstd_block_is_in_them(entry: Entry) -> None:
    recorded, written = bytes.fromhex(entry["hex"]), encode(meaning(entry))
    blocks = entry.get("blocks", [])
    if all(kind == "raw" for kind, _, _ in blocks):
        assert written == recorded
    else:
        assert Decoder().decode(written) == meaning(entry)
        ours = blocks_of_message(written)
        assert [plain for _, _, plain in ours] == [plain for _, _, plain in blocks]
        # How small a block gets depends on the zstd release, so one that hardly shrank may come out either way.
        clear = [i for i, (kind, stored, plain) in enumerate(blocks) if kind == "raw" or stored <= 0.9 * plain]
        assert [ours[i][0] for i in clear] == [blocks[i][0] for i in clear]


def test_the_vectors_hold_blocks_of_both_kinds() -> None:
    kinds = {kind for e in load("valid") for kind, _, _ in e.get("blocks", [])}
    assert kinds == {"raw", "zstd"}


NODE_A = node("node-a", 3, 7280)


def recording_engine() -> Engine:
    """A node as it was when the oddities were recorded: fresh, and knowing node-a by one heartbeat."""
    engine = make_engine(SELF)
    assert engine.reset_node_state_if_update(NODE_A, [], 1, 0, 0.0)
    state = engine.state(NODE_A)
    assert state is not None
    state.heartbeat, state.max_version = 1, 0
    engine.take_events()
    return engine


@entries("invalid")
def test_an_invalid_message_is_rejected_without_effect(entry: Entry) -> None:
    datagram = bytes.fromhex(entry["hex"])
    with pytest.raises(WireError) as raised:
        Decoder().decode(datagram)
    engine = recording_engine()
    engine.set("own", "value", 0.0)
    before = snapshot(engine)
    engine.counters.clear()
    assert engine.receive(datagram, UNKNOWN_PEER, 1.0) == []
    assert snapshot(engine) == before
    assert dict(engine.counters) == {"rejected_" + raised.value.reason: 1}


def states_of(engine: Engine) -> list[Entry]:
    return [
        {
            "chitchat_id": {
                "generation_id": s.id.generation,
                "gossip_advertise_addr": str(s.id.gossip_advertise_addr),
                "node_id": s.id.node_id,
            },
            "heartbeat": s.heartbeat,
            "key_values": {
                key: {"status": status.label, "value": value, "version": version}
                for key, value, version, status in contents(s)
            },
            "last_gc_version": s.last_gc_version,
            "max_version": s.max_version,
        }
        for s in engine.states
    ]


def own_entry_overtaken(recorded: list[Entry]) -> list[Entry]:
    """Gossip spec 10: shown m = 9 and h = 99 for itself, a node moves to version m + 1 and heartbeat h + 1."""
    overtaken = {"heartbeat": 100, "last_gc_version": 10, "max_version": 10}
    return [{**s, **overtaken} if s["chitchat_id"]["node_id"] == "self" else s for s in recorded]


WE_REJECT = {"ack_kv_then_lower_set_max"}
"""Gossip spec 2: a SetMaxVersion below a version before it is an error; the real node decodes it, then panics."""

WE_APPLY = {"ack_key_starts_with_multi_byte_char"}
"""Gossip spec 10: a key that starts with a non-ASCII character panics the real node; it is legal, and we take it."""

WE_OVERTAKE = {"syn_digest_has_receiver_itself"}
"""Gossip spec 10: own entry with a newer heartbeat and version; the real node ignores it."""


def without_digest(message: Message) -> Message:
    return replace(message, digest=Digest()) if isinstance(message, Syn | SynAck) else message


def digest_rows(message: Message) -> dict[bytes, tuple[int, int, int]]:
    return rows_of(message.digest) if isinstance(message, Syn | SynAck) else {}


@entries("oddities")
def test_an_odd_message_decodes_to_its_meaning(entry: Entry) -> None:
    if entry["name"] in WE_REJECT:
        with pytest.raises(WireError, match="version-order"):
            Decoder().decode(bytes.fromhex(entry["hex"]))
    else:
        decoded, told = Decoder().decode(bytes.fromhex(entry["hex"])), meaning(entry)
        # A decoded digest keeps the datagram's order, the recorded meaning is sorted.
        assert without_digest(decoded) == without_digest(told)
        assert digest_rows(decoded) == digest_rows(told)


@entries("oddities")
def test_an_odd_message_is_processed_as_recorded(entry: Entry) -> None:
    engine, recorded = recording_engine(), entry["process"]
    before = snapshot(engine)
    sent = engine.receive(bytes.fromhex(entry["hex"]), UNKNOWN_PEER, 1.0)
    name = entry["name"]
    assert ("panic" in recorded) == (name in WE_REJECT | WE_APPLY)
    if name in WE_REJECT:
        assert sent == []
        assert snapshot(engine) == before
    elif name in WE_APPLY:
        assert sent == []
        taken = engine.state(NODE_A)
        assert taken is not None
        assert contents(taken) == [("é", "v", 1, KeyStatus.SET)]
        assert engine.own.heartbeat == 2
    else:
        assert [type(decode_one(sent)).__name__ if sent else None] == [recorded["reply"]]
        expected = recorded["states_after"]
        assert states_of(engine) == (own_entry_overtaken(expected) if name in WE_OVERTAKE else expected)
