"""Any message survives the wire, with whatever the reader knows already (gossip spec 2, 9)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, example, given
from hypothesis import strategies as st

from coterie.gossip import Address, NodeId, NodeState
from coterie.gossip.wire.digest import Digest, DigestLayout
from coterie.gossip.wire.identity import U64_MAX, decode_node_id
from coterie.gossip.wire.messages import Ack, BadCluster, Decoder, Message, Syn, SynAck
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.encoding import encode
from tests.gossip.helpers import delta_of, digest_of, node, rows_of
from tests.gossip.strategies import digests, messages, node_ids, stripes, texts, versions
from tests.gossip.wire.blocks import block, skippable_frame

EXTREME = NodeId("日本-🦀" * 100, U64_MAX, Address("ffff:ffff::ffff", 65_535))


@given(messages)
@example(Syn(digest_of((EXTREME, U64_MAX, U64_MAX, U64_MAX)), "", Stripe(12, 4095)))
@example(SynAck(digest_of(), [delta_of(EXTREME, gc=U64_MAX, from_version=U64_MAX, max_version=U64_MAX)], Stripe(1, 1)))
@example(BadCluster())
def test_decoding_what_was_encoded_gives_the_same_message(message: Message) -> None:
    assert Decoder().decode(encode(message)) == message


@given(messages, st.binary(max_size=30))
def test_bytes_behind_a_message_are_ignored(message: Message, junk: bytes) -> None:
    assume(Stripe.decode_trailer(junk) == WHOLE)
    whole = replace(message, stripe=WHOLE) if isinstance(message, Syn | SynAck) else message
    assert Decoder().decode(encode(whole) + junk) == whole


@given(messages, st.binary(max_size=30))
def test_a_trailer_behind_junk_still_counts(message: Message, junk: bytes) -> None:
    if isinstance(message, Syn | SynAck):
        datagram = encode(replace(message, stripe=WHOLE)) + junk + message.stripe.encode_trailer()
        assume(message.stripe != WHOLE or Stripe.decode_trailer(datagram) == WHOLE)
        assert Decoder().decode(datagram) == message


def identities_in(message: Message) -> list[NodeId]:
    listed = [decode_node_id(i) for i in message.digest.ids] if isinstance(message, Syn | SynAck) else []
    told_of = [d.node for d in message.delta] if isinstance(message, SynAck | Ack) else []
    return listed + told_of


@given(messages, st.data())
def test_what_the_reader_knows_never_changes_the_meaning(message: Message, data: st.DataObject) -> None:
    """Layouts that match, that nearly match and that lead astray; known identities, all, some and others."""
    met = identities_in(message)
    some = data.draw(st.lists(st.sampled_from(met), unique=True)) if met else []
    others = data.draw(st.lists(node_ids, max_size=3, unique=True))
    known = {n.encoded: NodeState(n) for n in [*some, *others]}
    listed = [decode_node_id(i) for i in message.digest.ids] if isinstance(message, Syn | SynAck) else []
    guess = data.draw(st.sampled_from([listed, listed[1:], [*listed[1:], *others], others, listed[::-1]]))
    layout = DigestLayout([NodeState(n) for n in guess])
    reader = Decoder(known=known, layout_of=lambda _stripe: layout)
    assert reader.decode(encode(message)) == Decoder().decode(encode(message)) == message


@given(digests(), stripes, texts, versions)
def test_a_striped_digest_may_list_its_sender_twice_and_the_last_wins(
    digest: Digest, stripe: Stripe, cluster_id: str, version: int
) -> None:
    """A stripe's digest begins with the sender, and its own stripe lists it again (gossip spec 9)."""
    assume(digest.ids)
    twice = Digest(
        (digest.ids[-1], *digest.ids),
        (7, *digest.heartbeats),
        (8, *digest.last_gc_versions),
        (9, *digest.max_versions),
    )
    layout = DigestLayout([NodeState(decode_node_id(i)) for i in digest.ids])
    datagram = encode(Syn(twice, cluster_id, stripe, version))
    for reader in (Decoder(), Decoder(layout_of=lambda _stripe: layout)):
        message = reader.decode(datagram)
        assert isinstance(message, Syn)
        assert rows_of(message.digest) == rows_of(digest)
        assert len(message.digest.ids) == len(digest.ids), "no node is told twice"
        assert (message.cluster_id, message.stripe) == (cluster_id, stripe)


def test_a_layout_is_asked_for_the_stripe_that_the_trailer_names() -> None:
    asked: list[Stripe] = []

    def layout_of(stripe: Stripe) -> None:
        asked.append(stripe)

    row = (node("a"), 1, 0, 0)
    for stripe in (WHOLE, Stripe(3, 5)):
        Decoder(layout_of=layout_of).decode(encode(Syn(digest_of(row), "testing", stripe)))
    assert asked == [WHOLE, Stripe(3, 5)]


EVERY_TRAILER = [Stripe(bits, number).encode_trailer() for bits in range(1, 13) for number in range(1 << bits)]


def test_a_trailer_inside_a_syn_is_none() -> None:
    texts = (trailer.decode(errors="replace") for trailer in EVERY_TRAILER)
    cluster_id = next(t for t in texts if "\ufffd" not in t)
    datagram = encode(Syn(digest_of((node("a"), 1, 0, 0)), cluster_id))
    assert Stripe.decode_trailer(datagram) != WHOLE
    message = Decoder(layout_of=lambda _stripe: DigestLayout([])).decode(datagram)
    assert isinstance(message, Syn)
    assert (message.stripe, message.cluster_id, len(message.digest.ids)) == (WHOLE, cluster_id, 1)


def test_a_trailer_inside_a_syn_ack_is_none() -> None:
    """Bytes that a delta skips, with its end byte, make up a trailer that verifies."""
    trailer = next(t for t in EVERY_TRAILER if t.endswith(b"\0"))
    datagram = encode(SynAck(digest_of()))[:-1] + block(1, skippable_frame(trailer[:-1])) + b"\0"
    assert Stripe.decode_trailer(datagram) != WHOLE
    assert Decoder().decode(datagram) == SynAck(digest_of())
