"""Settings that change while the node runs: all that can, nothing of a bad file, and the rest by name."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from coterie.app.api.cluster.leave import GracefulLeave
from coterie.app.node.reloadable import register_node
from coterie.app.node.reloading import Reloaded, Reloader, ReloadError
from coterie.app.node.storage.gossip_persistence import GossipPersistence
from coterie.app.observability.health import Health
from coterie.app.raft.local import LocalRaft
from coterie.app.settings.loading import BadSettingsError
from coterie.app.settings.operation import PersistenceSettings
from coterie.app.settings.settings import Settings
from coterie.gossip import Address, GossipNode, Keyring, Plain
from tests.app.api.conftest import gossip_node
from tests.app.processes import running
from tests.waiting import eventually, wait_for

pytestmark = pytest.mark.anyio

KEYS = [b64encode(bytes([number]) * 32).decode() for number in range(1, 4)]


def made(**given: Any) -> Settings:
    return Settings.model_validate(given)


class Source:
    """What the sources say at a time."""

    def __init__(self, **given: Any) -> None:
        self.reloader = Reloader(made(**given), self.load)
        self.given: dict[str, Any] = given
        self.fails: BadSettingsError | None = None

    def load(self) -> Settings:
        if self.fails is not None:
            raise self.fails
        return made(**self.given)

    def reload(self, **given: Any) -> Reloaded:
        self.given = given
        return self.reloader.reload()


def test_what_is_registered_changes_and_the_rest_is_named() -> None:
    source = Source(log={"level": "info"})
    seen: list[Settings] = []

    def prepare(settings: Settings) -> Callable[[], None]:
        return lambda: seen.append(settings)

    source.reloader.register(["log", "http.max_connections"], prepare)
    outcome = source.reload(log={"level": "debug"}, interval_ms=100, http={"max_connections": 7, "backlog": 8})
    assert outcome == Reloaded(("log.level", "http.max_connections"), ("interval_ms", "http.backlog"))
    (taken,) = seen
    assert (taken.log.level, taken.http.max_connections) == ("debug", 7)
    assert (taken.interval_ms, taken.http.backlog) == (500, 2_048), "as the node runs"
    again = source.reload(log={"level": "debug"}, interval_ms=100, http={"max_connections": 7})
    assert again == Reloaded((), ("interval_ms",))
    assert len(seen) == 1
    assert source.reload() == Reloaded(("log.level", "http.max_connections"))


def test_bad_settings_change_nothing() -> None:
    source = Source()
    source.reloader.register(["log"], lambda _: pytest.fail)
    source.fails = BadSettingsError(["log.level in x.toml: must be ..."])
    assert source.reload(log={"level": "debug"}) == Reloaded(problems=("log.level in x.toml: must be ...",))
    assert source.reloader.settings == Settings()


def test_one_part_that_refuses_keeps_all_others_from_changing() -> None:
    source = Source()
    applied: list[str] = []

    def refuse(_: Settings) -> Callable[[], None]:
        raise ReloadError("seed: not that one")

    source.reloader.register(["log"], lambda _: lambda: applied.append("log"))
    source.reloader.register(["seed"], refuse)
    outcome = source.reload(log={"level": "debug"}, seed=["127.0.0.1:1"])
    assert outcome.problems == ("seed: not that one",)
    assert applied == []
    assert source.reload(log={"level": "debug"}).changed == ("log.level",)


def test_a_part_may_be_asked_every_time() -> None:
    source = Source()
    asked: list[int] = []
    source.reloader.register(["raft.secret"], lambda _: lambda: asked.append(1), always=True)
    assert source.reload() == Reloaded()
    assert asked == [1]


def test_only_settings_that_exist_are_registered() -> None:
    with pytest.raises(ValueError, match=r"no such settings: gossip\.nonsense, nonsense"):
        Source().reloader.register(["nonsense", "gossip.nonsense", "log"], lambda _: lambda: None)


@pytest.fixture
async def node() -> AsyncIterator[GossipNode]:
    node = gossip_node(max_keys_per_node=4)
    node.keyring = Keyring([b"\1" * 32], "testing", lambda: b"s" * 16)
    yield node
    await node.stop()


def parts(source: Source, node: GossipNode, keeper: GossipPersistence | None = None) -> GracefulLeave:
    raft, stopping = LocalRaft(node), asyncio.Event()
    settings = source.reloader.settings
    graceful_leave = GracefulLeave(node, raft, settings.leave, stopping, Health(node, raft, stopping, 10.0))
    register_node(source.reloader, node, graceful_leave, keeper)
    return graceful_leave


async def test_the_parts_of_a_node_take_what_is_theirs(node: GossipNode, tmp_path: Path) -> None:
    source = Source(keyring={"keys": KEYS[:1]}, key_values={"old": "1", "set": "1", "zone": "a"})
    keeper = GossipPersistence(node.engine, tmp_path, PersistenceSettings(), {})
    graceful_leave = parts(source, node, keeper)
    node.set("old", "1")
    node.set("zone", "a")
    node.set("set", "by a client")
    outcome = source.reload(
        keyring={"keys": [KEYS[1], KEYS[0]], "plain": "accept", "replay_window": 7},
        key_values={"zone": "b", "new": "1"},
        seed=["127.0.0.1:7", "127.0.0.1:10001"],
        leave={"on_sigterm": "stop"},
        persistence={"interval": 1, "enabled": False},
    )
    assert outcome.problems == ()
    assert outcome.need_restart == ("persistence.enabled",)
    assert {kv.key: kv.value for kv in node.engine.own.visible()} == {"zone": "b", "set": "by a client", "new": "1"}
    assert node.engine.seeds == (Address("127.0.0.1", 7),)
    assert graceful_leave.settings.on_sigterm == "stop"
    assert keeper.configured == {"zone": "b", "new": "1"}
    assert node.keyring is not None
    assert (node.keyring.plain, node.keyring.replay_window) == (Plain.ACCEPT, 7.0)
    sealed = Keyring([b"\2" * 32], "testing", lambda: b"t" * 16).seal(b"x", time.time())
    assert node.keyring.open(sealed, time.time()) == b"x"
    await keeper.stop()


async def test_what_a_node_cannot_take_changes_nothing(node: GossipNode) -> None:
    source = Source(keyring={"keys": KEYS[:1]})
    parts(source, node)
    off = source.reload(log={"level": "error"})
    assert off.problems == ("keyring.keys: sealing is switched off by a restart; leave a key there until then",)
    many = source.reload(keyring={"keys": KEYS[:1]}, key_values={str(number): "" for number in range(5)})
    assert many.problems == ("key_values: there is room for 4 more keys (gossip.max_keys_per_node); delete some",)
    reserved = source.reload(keyring={"keys": KEYS[:1]}, key_values={"coterie/left": "1"})
    assert "'coterie/'" in reserved.problems[0]
    assert logging.getLogger().level != logging.ERROR
    node.keyring = None
    bare = Source()
    parts(bare, node)
    assert bare.reload(keyring={"keys": KEYS}) == Reloaded((), ("keyring.keys",))


async def test_seeds_by_name_are_looked_up_anew(node: GossipNode) -> None:
    await node.start()
    node.replace_seeds(["localhost:7", "127.0.0.1:8"])
    await eventually(lambda: len(node.engine.seeds) == 2)
    node.replace_seeds(["localhost:7"])
    assert node.engine.seeds == (Address("127.0.0.1", 7),), "what a name stands for is not forgotten"
    node.replace_seeds([])
    assert not node.engine.seeds


@pytest.mark.cluster
def test_a_running_node_reads_its_settings_again_at_sighup(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('[key_values]\nzone = "a"\n')
    with running("--config", str(file)) as node:

        def reload(text: str, event: str) -> dict[str, Any]:
            file.write_text(text)
            node.process.send_signal(signal.SIGHUP)
            return wait_for(lambda: next((each for each in node.entries if each["event"].startswith(event)), None))

        told = reload('interval_ms = 77\n[key_values]\nzone = "b"\n', "settings that only a restart changes")
        assert told["settings"] == ["interval_ms"]
        (own,) = node.get("/")["cluster_state"]["node_states"]
        assert own["key_values"]["zone"]["value"] == "b"
        told = reload("[key_values]\nzone = 1\n", "settings not reloaded")
        assert told["problems"] == [f"key_values.zone in {file}: must be text, not 1"]
        assert node.end() == 0
