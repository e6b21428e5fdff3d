"""Announcements that prove the Raft secret: a stranger's count for nothing, and disturb nobody's."""

from __future__ import annotations

from random import Random

import pytest

from coterie.consensus.autopilot.announcement import IDENTITY_KEY, Announcement
from coterie.consensus.autopilot.observations import Observation
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket

pytestmark = pytest.mark.anyio

KEYS = SecretKeys(b"a secret of the cluster")
OTHERS = SecretKeys(b"a secret of a stranger")
SAID = Announcement(member="a" * 32, incarnation=3, host="10.0.0.1", port=11_000, role="voter", cluster_id="c")


def node(name: str, port: int) -> GossipNode:
    engine = Engine(GossipConfig(), NodeId(name, 1, Address("127.0.0.1", port)), Random(port), now=0.0)
    return GossipNode(engine, open_udp_socket(Address("127.0.0.1", 0)))


def tell(speaker: GossipNode, listener: GossipNode) -> None:
    """One round of gossip."""
    engines = {
        speaker.node.gossip_advertise_addr: speaker.engine,
        listener.node.gossip_advertise_addr: listener.engine,
    }
    speaker.engine.seeds = (listener.node.gossip_advertise_addr,)
    waiting = [(speaker.node.gossip_advertise_addr, *sent) for sent in speaker.engine.round(1.0)]
    while waiting:
        source, to, datagram = waiting.pop()
        if to in engines:
            waiting += [(to, *sent) for sent in engines[to].receive(datagram, source, 1.0)]


def seen(view: GossipView, name: str) -> Observation:
    return next(each for each in view.observations(2.0).all if each.node == name)


@pytest.mark.parametrize(("keys", "proved"), [(KEYS, True), (OTHERS, False), (None, False)])
async def test_what_is_announced_proves_the_secret(keys: SecretKeys | None, proved: bool) -> None:
    speaker, listener = node("s", 1), node("l", 2)
    GossipView(speaker, keys).announce(SAID)
    tell(speaker, listener)
    found = seen(GossipView(listener, KEYS, believed=False), "s")
    assert found.announcement is not None
    assert found.announcement.member == SAID.member
    assert found.proved == proved
    assert seen(GossipView(listener, KEYS, believed=True), "s").proved
    await speaker.stop()
    await listener.stop()


async def test_what_a_stranger_writes_into_a_node_does_not_take_the_place_of_what_that_proved() -> None:
    speaker, listener = node("s", 1), node("l", 2)
    view = GossipView(listener, KEYS, believed=False)
    GossipView(speaker, KEYS).announce(SAID)
    tell(speaker, listener)
    assert seen(view, "s").proved
    text = speaker.engine.own.key_values[IDENTITY_KEY].value
    speaker.engine.set(IDENTITY_KEY, text.replace("voter", "left"), 1.0, internal=True)
    tell(speaker, listener)
    found = seen(view, "s")
    assert found.proved
    assert found.announcement is not None
    assert found.announcement.role == "voter"
    await speaker.stop()
    await listener.stop()


def test_a_seal_is_of_one_identity_one_key_and_one_text() -> None:
    sealed = KEYS.seal(b"node", "key", '{"a":1}')
    assert KEYS.is_sealed(b"node", "key", sealed)
    for node_id, key, value in [
        (b"other", "key", sealed),
        (b"node", "yek", sealed),
        (b"node", "key", sealed.replace("1", "2")),
        (b"node", "key", '{"a":1}'),
        (b"node", "key", ""),
        (b"node", "key", sealed + "ü"),
    ]:
        assert not KEYS.is_sealed(node_id, key, value)
    assert not OTHERS.is_sealed(b"node", "key", sealed)
