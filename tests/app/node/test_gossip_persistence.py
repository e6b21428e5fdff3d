"""A node's keys and peers over a restart: what is kept, what is not, and what becomes of a file that cannot be used."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coterie.app.node.storage import gossip_file
from coterie.app.node.storage.data_dir import DataDirError
from coterie.app.node.storage.gossip_file import SavedGossip, SavedKey, decode
from coterie.app.node.storage.gossip_persistence import GossipPersistence, restore
from coterie.app.settings.operation import PersistenceSettings
from coterie.gossip import Address, Engine, GossipConfig, KeyStatus, NodeId
from tests.consensus.journal.disks.memory_files import MemoryFiles

pytestmark = pytest.mark.anyio

DIRECTORY = Path("/data")
SETTINGS = PersistenceSettings()


@pytest.fixture
def files() -> MemoryFiles:
    files = MemoryFiles()
    files.make_directory(DIRECTORY)
    return files


def new_engine(generation: int = 1, **config: Any) -> Engine:
    return Engine(GossipConfig(**config), NodeId("a", generation, Address("127.0.0.1", 1)), Random(1), now=0.0)


async def keep(engine: Engine, files: MemoryFiles, configured: Mapping[str, str] | None = None) -> None:
    """The end of a run."""
    await GossipPersistence(engine, DIRECTORY, SETTINGS, configured or {}, files=files).stop()


def restart(
    files: MemoryFiles, configured: Mapping[str, str] | None = None, *, after: float = 0.0, **config: Any
) -> Engine:
    """The next start, `after` so many seconds."""
    engine = new_engine(2, **config)
    kept = gossip_file.read(files, DIRECTORY)
    unix_now = 0.0 if kept is None else kept.written_at + after
    restore(engine, DIRECTORY, SETTINGS, configured or {}, files=files, unix_now=unix_now, now=0.0)
    return engine


def keys_of(engine: Engine) -> dict[str, tuple[str, int, KeyStatus]]:
    return {kv.key: (kv.value, kv.version, KeyStatus(kv.status)) for kv in engine.own.key_values.values()}


async def test_keys_go_on_with_their_versions_and_deleted_ones_stay_away(files: MemoryFiles) -> None:
    engine = new_engine()
    for key in ("one", "two", "three"):
        engine.set(key, key.upper(), 0.0)
    engine.set("one", "again", 0.0)
    engine.set("coterie/left", "1", 0.0, internal=True)
    engine.delete("two", 0.0)
    await keep(engine, files)
    later = restart(files)
    assert keys_of(later) == {"three": ("THREE", 3, KeyStatus.SET), "one": ("again", 4, KeyStatus.SET)}
    written = later.set("four", "FOUR", 0.0)
    assert written is not None
    assert written.version == 7
    assert later.own.newer_than(4) == [written]


async def test_time_to_live_goes_on_while_the_node_is_away(files: MemoryFiles) -> None:
    engine = new_engine(marked_for_deletion_grace_period=100.0)
    engine.set_with_ttl("lease", "x", 0.0)
    await keep(engine, files)
    (kept,) = decode(bytes(files.content(DIRECTORY / gossip_file.FILE_NAME))).keys
    age = kept.age
    engine = new_engine(marked_for_deletion_grace_period=age + 100.0)
    restore(engine, DIRECTORY, SETTINGS, {}, files=files, unix_now=0.0, now=0.0)
    assert keys_of(engine) == {"lease": ("x", 1, KeyStatus.DELETE_AFTER_TTL)}, "a clock that was set back takes nothing"
    engine = restart(files, after=60.0, marked_for_deletion_grace_period=age + 100.0)
    engine.round(39.0)
    assert "lease" in keys_of(engine)
    engine.round(41.0)
    assert keys_of(engine) == {}
    assert keys_of(restart(files, after=101.0, marked_for_deletion_grace_period=age + 100.0)) == {}


async def test_configured_keys_win_and_go_when_they_are_taken_out(files: MemoryFiles) -> None:
    configured = {"zone": "a", "rack": "1", "gone": "x"}
    engine = new_engine()
    restore(engine, DIRECTORY, SETTINGS, configured, files=files)
    engine.set("rack", "set by a client", 0.0)
    engine.set("gone", "set by a client", 0.0)
    await keep(engine, files, configured)
    later = restart(files, {"rack": "2"})
    values = {key: value for key, (value, *_) in keys_of(later).items()}
    assert values == {"rack": "2", "gone": "set by a client"}


async def test_keys_that_the_settings_do_not_allow_any_more_are_left_out(files: MemoryFiles) -> None:
    engine = new_engine()
    engine.set("long", "x" * 100, 0.0)
    for number in range(5):
        engine.set(f"k{number}", "", 0.0)
    await keep(engine, files)
    later = restart(files, {"configured": "x"}, max_key_value_bytes=50, max_keys_per_node=4)
    assert list(keys_of(later)) == ["k0", "k1", "k2", "configured"]


async def test_peers_are_looked_for_until_they_are_met(files: MemoryFiles) -> None:
    engine = new_engine()
    peers = [Address("127.0.0.1", port) for port in range(2, 8)]
    engine.set_bootstrap_peers([*peers, engine.own.id.gossip_advertise_addr], 0.0)
    await keep(engine, files)
    assert restart(files, cluster_id="another").round(0.0) == []
    later = restart(files)
    found: set[Address] = set()
    for round_number in range(40):
        sent = [to for to, _ in later.round(round_number * 0.5)]
        assert len(sent) == 3
        found.update(sent)
    assert found == set(peers)
    assert later.round(GossipConfig().dead_node_grace_period) == []


async def test_only_so_many_peers_are_kept(files: MemoryFiles) -> None:
    engine = new_engine()
    engine.set_bootstrap_peers([Address("127.0.0.1", port) for port in range(2, 100)], 0.0)
    await GossipPersistence(engine, DIRECTORY, PersistenceSettings(max_peers=10), {}, files=files).stop()
    kept = gossip_file.read(files, DIRECTORY)
    assert kept is not None
    assert len(kept.peers) == 10


async def test_only_what_changed_is_written(files: MemoryFiles) -> None:
    engine = new_engine()
    keeper = GossipPersistence(engine, DIRECTORY, SETTINGS, {}, files=files)

    async def writes() -> bool:
        before = files.calls
        await keeper.keep()
        return files.calls > before

    assert await writes()
    assert not await writes()
    engine.set("coterie/raft/status", "1", 0.0, internal=True)
    assert not await writes()
    engine.set("key", "1", 0.0)
    assert await writes()
    engine.delete("key", 0.0)
    assert await writes()
    engine.set_bootstrap_peers([Address("127.0.0.1", 2)], 0.0)
    assert await writes()
    assert not await writes()
    await keeper.stop()


async def test_a_disk_that_refuses_is_asked_again(files: MemoryFiles) -> None:
    engine = new_engine()
    engine.set("key", "1", 0.0)
    keeper = GossipPersistence(engine, DIRECTORY, SETTINGS, {}, files=files)
    files.failing = lambda call: errno.EIO if call.startswith("sync") else None
    await keeper.keep()
    await keeper.keep()
    assert engine.counters["snapshot_failures"] == 2
    files.failing = lambda _: None
    await keeper.stop()
    assert keys_of(restart(files)) == {"key": ("1", 1, KeyStatus.SET)}


def test_a_damaged_file_is_set_aside_and_not_obeyed(files: MemoryFiles) -> None:
    for number in (1, 2):
        gossip_file.write(
            files, DIRECTORY, SavedGossip(written_at=0.0, cluster_id="testing", keys=(SavedKey("k", "v", 1),))
        )
        content = files.content(DIRECTORY / gossip_file.FILE_NAME)
        content[-6] ^= 1
        damaged = bytes(content)
        engine = new_engine()
        restore(engine, DIRECTORY, SETTINGS, {"zone": "a"}, files=files)
        assert list(keys_of(engine)) == ["zone"]
        aside = DIRECTORY / f"gossip.snapshot.damaged-{number}"
        assert bytes(files.content(aside)) == damaged
        assert files.names(DIRECTORY) == [f"gossip.snapshot.damaged-{each}" for each in range(1, number + 1)]


def test_a_file_that_cannot_be_read_stops_the_start(files: MemoryFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "open", fail)
    with pytest.raises(DataDirError, match=r"gossip\.snapshot cannot be read: Permission denied"):
        restore(new_engine(), DIRECTORY, SETTINGS, {}, files=files)


def test_nothing_is_taken_up_where_it_is_switched_off(files: MemoryFiles) -> None:
    gossip_file.write(
        files, DIRECTORY, SavedGossip(written_at=0.0, cluster_id="testing", keys=(SavedKey("k", "v", 1),))
    )
    engine = new_engine()
    restore(engine, DIRECTORY, PersistenceSettings(enabled=False), {}, files=files)
    assert keys_of(engine) == {}


async def test_many_keys_are_taken_from_the_loop_as_a_list(files: MemoryFiles) -> None:
    """The loop only copies references: what is encoded is encoded by the disk thread, in chunks."""
    engine = new_engine()
    for number in range(100_000):
        engine.own.set(f"key-{number}", "x" * 20, 0.0)
    await keep(engine, files)
    assert len(restart(files).own.key_values) == 100_000
