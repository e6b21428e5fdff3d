"""Addresses and identities: text, encoding and order (gossip spec 1, 2)."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip import Address, NodeId, WireError
from coterie.gossip.wire.identity import U64_MAX, decode_node_id, node_id_end
from tests.gossip.helpers import node
from tests.gossip.strategies import addresses, node_ids


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:10000", "127.0.0.1", 10_000),
        ("[::1]:0", "::1", 0),
        ("[2001:DB8:0:0::42]:65535", "2001:db8::42", 65_535),
    ],
)
def test_an_address_is_read_in_any_form_and_written_in_one(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert address == (host, port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:１", "::1:80",
        "::1", "[::1]", "[::1]80", "[127.0.0.1]:80", "127.0.0:80", "host:80", "[fe80::1%eth0]:80", "127.0.0.1:80 ",
        " 127.0.0.1:80", "01.2.3.4:80", "[::1:80", "::1]:80",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_fix(text: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:10000|between 0 and 65535"):
        Address.parse(text)


@given(addresses)
def test_addresses_survive_their_text(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert address.packed == ip_address(address.host).packed
    assert address.is_ipv6 == (len(address.packed) == 16)


@given(node_ids)
def test_identities_survive_their_encoding(identity: NodeId) -> None:
    name = identity.node_id.encode()
    address = identity.gossip_advertise_addr
    expected = struct.pack(f"<H{len(name)}sQB", len(name), name, identity.generation, 6 if address.is_ipv6 else 4)
    assert identity.encoded == expected + address.packed + struct.pack("<H", address.port)
    assert node_id_end(b"junk" + identity.encoded + b"more", 4) == 4 + len(identity.encoded)
    again = decode_node_id(identity.encoded)
    assert (again, again.node_id, again.generation) == (identity, identity.node_id, identity.generation)
    assert again.gossip_advertise_addr == address
    assert hash(again) == hash(identity)


@given(node_ids)
def test_an_identity_cut_short_is_refused(identity: NodeId) -> None:
    for end in {0, 1, 2, len(identity.encoded) // 2, len(identity.encoded) - 1}:
        with pytest.raises(WireError):
            node_id_end(identity.encoded[:end], 0)


def test_identities_are_ordered_as_triples() -> None:
    """Names by their bytes, then generation, IPv4 before IPv6, ip as a number, port."""
    ordered = [
        node("", U64_MAX),
        node("B"),
        node("a", 1, 9, "9.0.0.0"),
        node("a", 1, 10, "9.0.0.0"),
        node("a", 1, 1, "10.0.0.0"),
        node("a", 1, 1, "::"),
        node("a", 1, 1, "::ffff:9.0.0.0"),
        node("a", 2, 1, "1.0.0.0"),
        node("a", 10, 1, "1.0.0.0"),
        node("a-"),
        node("aa"),
        node("é"),
        node("\uffff"),
        node("\U00010000"),
    ]
    shuffled = Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled) == ordered
    assert len(set(ordered)) == len(ordered)


def test_equality_is_of_the_whole_triple() -> None:
    assert node("a", 1, 1) == node("a", 1, 1)
    assert len({node("a", 1, 1), node("b", 1, 1), node("a", 2, 1), node("a", 1, 2), node("a", 1, 1, "::1")}) == 5
    assert node("a") != "a"


@given(st.binary(max_size=40))
def test_any_bytes_are_an_identity_or_refused(junk: bytes) -> None:
    try:
        end = node_id_end(junk, 0)
        identity = decode_node_id(junk[:end])
    except WireError:
        return
    assert identity.encoded == junk[:end]
