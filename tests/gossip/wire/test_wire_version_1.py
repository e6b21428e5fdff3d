"""Wire version 1: which version a node speaks to whom, compressed digests, and their bounds (gossip spec 11)."""

from __future__ import annotations

from random import Random

import pytest

from coterie.gossip import ConfigError, Engine, GossipConfig, KeyStatus, NodeId, WireError
from coterie.gossip.wire.digest import MAX_DIGEST_PLAIN_BYTES
from coterie.gossip.wire.messages import BadCluster, Decoder, Syn, SynAck
from coterie.gossip.wire.stripe import WHOLE
from tests.gossip.encoding import encode
from tests.gossip.helpers import SELF, UNKNOWN_PEER, Wire, contents, decode_one, digest_of, held, make_engine, node
from tests.gossip.wire.blocks import block, compress

PEER = node("peer", 1, 7_000)
PEER_AT = PEER.gossip_advertise_addr


@pytest.mark.parametrize("opens_with", [0, 1])
@pytest.mark.parametrize("peer_opens_with", [0, 1])
def test_a_handshake_is_in_the_version_of_its_first_message(opens_with: int, peer_opens_with: int) -> None:
    left = make_engine(SELF, key_values=[("l", "1")], protocol_version=opens_with)
    right = make_engine(PEER, key_values=[("r", "2")], protocol_version=peer_opens_with)
    wire = Wire(left, right)
    left.seeds = [PEER_AT]
    wire.carry(left, left.round(0.0), 0.0)
    assert [(d[2], d[3]) for d in wire.carried] == [(opens_with, kind) for kind in range(3)]
    assert contents(held(right, SELF)) == [("l", "1", 1, KeyStatus.SET)]
    assert contents(held(left, PEER)) == [("r", "2", 1, KeyStatus.SET)]


@pytest.mark.parametrize("version", [0, 1])
def test_another_cluster_is_refused_in_the_version_that_it_speaks(version: int) -> None:
    sent = make_engine().receive(encode(Syn(digest_of(), "other", version=version)), UNKNOWN_PEER, 0.0)
    assert decode_one(sent) == BadCluster(version)


def test_a_node_opens_with_version_0_unless_it_is_set() -> None:
    assert GossipConfig().protocol_version == 0
    with pytest.raises(ConfigError, match="must be 0 or 1, not 2"):
        make_engine(protocol_version=2)


def test_an_empty_digest_is_one_byte() -> None:
    assert encode(Syn(digest_of(), "", version=1)) == b"\x53\xb0\x01\x00\x00\x00\x00"


# -- large clusters ------------------------------------------------------------------------------------------------


def knowing(count: int, version: int, name_bytes: int = 1) -> tuple[Engine, list[NodeId]]:
    """An engine that was told of `count` nodes, each at other counters."""
    engine, rng = make_engine(protocol_version=version), Random(count)
    nodes = [node(f"gpu-worker-{rng.randbytes(name_bytes).hex()}-{i:05}") for i in range(count)]
    for n in nodes:
        assert engine.reset_node_state_if_update(n, [], rng.randrange(1, 2**31), 0, 0.0)
    return engine, nodes


def test_a_digest_past_a_datagram_stays_whole_where_it_can_be_compressed() -> None:
    (ordinary, _), (engine, nodes) = knowing(1_200, 0), knowing(1_200, 1)
    assert (ordinary.stripe_bits > 0, engine.stripe_bits) == (True, 0)
    [(_, datagram)] = engine.open_handshakes([PEER_AT], 0.0)
    syn = Decoder().decode(datagram)
    assert isinstance(syn, Syn)
    assert (syn.version, syn.stripe, len(syn.digest.ids)) == (1, WHOLE, len(nodes) + 1)
    assert 4 * len(datagram) < 3 * ordinary.digest_bytes
    answer = decode_one(engine.receive(encode(Syn(digest_of(), "testing", version=1)), UNKNOWN_PEER, 0.0))
    assert isinstance(answer, SynAck)
    assert answer.stripe == WHOLE


def test_a_digest_too_large_even_so_is_cut_into_stripes() -> None:
    engine, nodes = knowing(2_500, 1, 40)
    assert engine.stripe_bits > 0
    listed: set[bytes] = set()
    for _ in range(1 << engine.stripe_bits):
        [(_, datagram)] = engine.open_handshakes([PEER_AT], 0.0)
        syn = Decoder().decode(datagram)
        assert isinstance(syn, Syn)
        assert len(datagram) <= engine.config.max_datagram_bytes
        listed.update(syn.digest.ids)
    assert len(listed) == len(nodes) + 1


def test_a_digest_that_compresses_worse_than_the_last_one_still_fits() -> None:
    engine, _ = knowing(3_000, 1)
    assert engine.stripe_bits == 0
    rng = Random(1)
    for state in engine.known:
        state.heartbeat, state.max_version, state.last_gc_version = (rng.randrange(2**60) for _ in range(3))
    [(_, datagram)] = engine.open_handshakes([PEER_AT], 0.0)
    syn = Decoder().decode(datagram)
    assert isinstance(syn, Syn)
    assert len(datagram) <= engine.config.max_datagram_bytes
    assert syn.stripe.bits > 0


# -- bounds --------------------------------------------------------------------------------------------------------


def test_a_digest_that_unpacks_to_more_than_its_bound_is_refused() -> None:
    row = node("n").encoded + bytes(24)
    many = b"".join(block(1, compress(row * (16_000 // len(row)))) for _ in range(1 + MAX_DIGEST_PLAIN_BYTES // 15_000))
    with pytest.raises(WireError, match="unpacks to more than 393216 bytes") as raised:
        Decoder().decode(b"\x53\xb0\x01\x00" + many + b"\0\0\0")
    assert raised.value.reason == "digest-size"


@pytest.mark.parametrize("tail", [b"", b"\x01", b"\x02\x01\x00", b"\x02\x02\x00\xff\xff\x00", b"\x03\x00\x00"])
def test_a_digest_that_breaks_off_is_refused(tail: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().decode(b"\x53\xb0\x01\x00" + tail)
