"""Sealed gossip between nodes on sockets: with the right key they meet, with any other they are counted."""

from __future__ import annotations

import random
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from coterie.app.settings.loading import BadSettingsError, load_settings
from coterie.app.settings.settings import Settings
from coterie.gossip import SEAL_BYTES, Address, Engine, GossipNode, NodeId, open_udp_socket
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KEYS = [b64encode(bytes([number]) * 32).decode() for number in range(1, 4)]


@asynccontextmanager
async def running(name: str, seeds: list[str], **keyring: object) -> AsyncIterator[GossipNode]:
    """A node with the settings' own keyring, as the server makes it."""
    settings = Settings.model_validate({"keyring": keyring, "interval_ms": 50})
    sock = open_udp_socket(Address("127.0.0.1", 0))
    own = NodeId(name, 1, Address(*sock.getsockname()))
    engine = Engine(settings.gossip_config(), own, random.Random(), now=time.monotonic())
    node = GossipNode(engine, sock, seeds, settings.gossip_keyring())
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def address(node: GossipNode) -> str:
    return str(node.node.gossip_advertise_addr)


async def test_nodes_with_one_key_meet_and_those_with_another_are_counted() -> None:
    async with (
        running("a", [], keys=KEYS[:1]) as a,
        running("b", [address(a)], keys=[KEYS[1], KEYS[0]]) as stranger,
        running("c", [address(a)], keys=KEYS[:1]) as c,
        running("d", [address(a)]) as bare,
    ):
        a.set("color", "blue")
        await eventually(lambda: len(a.engine.live_nodes) == 2 and len(c.engine.live_nodes) == 2)
        await eventually(lambda: a.engine.counters["rejected_seal-wrong-key"] > 2)
        await eventually(lambda: a.engine.counters["rejected_not-sealed"] > 2)
        assert {state.id.node_id for state in a.engine.states} == {"a", "c"}
        assert len(stranger.engine.states) == len(bare.engine.states) == 1
        # The first step of a rotation lets the stranger in; no node is started again.
        assert a.keyring is not None
        assert c.keyring is not None
        for node in (a.keyring, c.keyring):
            node.replace([b"\x01" * 32, b"\x02" * 32])
        await eventually(lambda: all(len(node.engine.live_nodes) == 3 for node in (a, stranger, c)))


async def test_a_captured_datagram_changes_nothing() -> None:
    async with running("a", [], keys=KEYS[:1]) as a, running("b", [address(a)], keys=KEYS[:1]) as b:
        assert b.keyring is not None
        captured = [b.keyring.seal(datagram, time.time()) for _, datagram in b.engine.round(time.monotonic())]
        assert captured
        with open_udp_socket(Address("127.0.0.1", 0)) as attacker:
            for _ in range(3):
                attacker.sendto(captured[0], a.node.gossip_advertise_addr)
            await eventually(lambda: a.engine.counters["rejected_seal-replayed"] == 2)


def test_datagrams_leave_room_for_the_seal() -> None:
    plain, sealed = Settings(), Settings.model_validate({"keyring": {"keys": KEYS}})
    bound = plain.gossip_config().max_datagram_bytes
    assert sealed.gossip_config().max_datagram_bytes == bound - SEAL_BYTES
    assert plain.gossip_keyring() is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("c2hvcnQ=", "key 1 must be base64 of 32 bytes; make one with openssl rand -base64 32"),
        (f"{KEYS[0]}, no base64!", "key 2 must be base64 of 32 bytes"),
        (f"{KEYS[0]},{KEYS[0]}", "must hold each key once"),
        (",".join(b64encode(bytes([n]) * 32).decode() for n in range(17)), "must be at most 16 keys, not 17"),
    ],
)
def test_bad_keys_are_named_and_not_shown(value: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_KEYRING__KEYS", value)
    with pytest.raises(BadSettingsError) as refused:
        load_settings({})
    (line,) = refused.value.lines
    assert line.startswith(f"COTERIE_KEYRING__KEYS: {problem}")
    assert "c2hvcnQ" not in line
    assert KEYS[0] not in line


def test_keys_are_not_shown_by_settings() -> None:
    settings = Settings.model_validate({"keyring": {"keys": KEYS}})
    assert KEYS[0] not in repr(settings)
    assert repr(bytes([1]) * 32) not in repr(settings)
