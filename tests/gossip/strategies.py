"""Hypothesis strategies for identities, digests, deltas and whole messages, extremes included."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from coterie.gossip import Address, KeyStatus, KeyValue, NodeId
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import U64_MAX
from coterie.gossip.wire.messages import VERSIONS, Ack, BadCluster, Message, Syn, SynAck
from coterie.gossip.wire.stripe import MAX_STRIPE_BITS, WHOLE, Stripe

u64s = st.one_of(st.integers(0, 50), st.integers(0, U64_MAX), st.sampled_from([0, 1, 2**62, 2**63, U64_MAX]))
texts = st.text(st.characters(codec="utf-8"), max_size=12)

addresses = st.builds(
    Address,
    st.one_of(
        st.ip_addresses(v=4),
        st.ip_addresses(v=6),
        st.sampled_from([IPv4Address("0.0.0.0"), IPv6Address("::"), IPv6Address("::ffff:10.1.2.3")]),  # noqa: S104
    ).map(str),
    st.integers(0, 65_535),
)

node_ids = st.builds(NodeId, st.one_of(texts, st.sampled_from(["", "a", "n" * 1024, "é" * 500])), u64s, addresses)

stripes = st.one_of(
    st.just(WHOLE),
    st.integers(1, MAX_STRIPE_BITS).flatmap(
        lambda bits: st.builds(Stripe, st.just(bits), st.integers(0, (1 << bits) - 1))
    ),
)


@st.composite
def digests(draw: st.DrawFn, max_size: int = 8) -> Digest:
    ids = draw(st.lists(node_ids, unique=True, max_size=max_size))
    columns = [tuple(draw(u64s) for _ in ids) for _ in range(3)]
    return Digest(tuple(n.encoded for n in ids), *columns)


@st.composite
def node_deltas(draw: st.DrawFn, of: st.SearchStrategy[NodeId] = node_ids) -> NodeDelta:
    """What a message may say of a node: versions increase, and a SetMaxVersion, if any, is not below them."""
    versions = sorted(draw(st.sets(u64s.filter(bool), max_size=5)))
    values = st.one_of(texts, st.sampled_from(["", "v" * 20_000, "ü" * 9_000]))
    key_values = [
        KeyValue.make(draw(texts), draw(values), version, draw(st.sampled_from(KeyStatus))) for version in versions
    ]
    last = versions[-1] if versions else 0
    max_version = draw(st.one_of(st.just(last), st.integers(last, U64_MAX)))
    return NodeDelta(draw(of), draw(u64s), draw(u64s), key_values, max_version)


deltas = st.lists(node_deltas(), max_size=4, unique_by=lambda d: d.node)

versions = st.sampled_from(VERSIONS)

messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Syn, digests(), texts, stripes, versions),
    st.builds(SynAck, digests(), deltas, stripes, versions),
    st.builds(Ack, deltas, versions),
    st.builds(BadCluster, versions),
)
