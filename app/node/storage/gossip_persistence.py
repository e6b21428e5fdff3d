"""Saves a node's own keys and its peers' addresses, and restores them at the next start.

A restart is a new identity (gossip spec 1), of which no node holds anything: so deleted keys need no marks and are not
saved, keys with time to live keep what is left of it, and versions go on where they were. Keys under the reserved
prefix describe the old process: they are written anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from coterie.app.node.storage import gossip_file
from coterie.app.node.storage.data_dir import DataDirError
from coterie.app.node.storage.gossip_file import DamagedError, NewerFormatError, SavedGossip, SavedKey
from coterie.app.settings.operation import PersistenceSettings
from coterie.consensus.journal import DiskFiles, DiskThread, Files
from coterie.gossip import RESERVED_PREFIX, Engine, KeyStatus, KeyValue

MAX_DUTY = 0.1
"""At most this part of the time is spent on writing, however much there is to write."""

log = structlog.stdlib.get_logger("coterie")


def restore(
    engine: Engine,
    directory: Path,
    settings: PersistenceSettings,
    configured: Mapping[str, str],
    *,
    files: Files | None = None,
    unix_now: float | None = None,
    now: float | None = None,
) -> None:
    """Give a new engine the keys and the peers of the last run, and then the `configured` keys, which win.

    A damaged file is set aside and said, never obeyed. Raises DataDirError where the file cannot be read, or is of a
    later release.
    """
    files = files or DiskFiles()
    now = time.monotonic() if now is None else now
    kept = _read(files, directory) if settings.enabled else None
    if kept is not None:
        _restore(engine, kept, configured, time.time() if unix_now is None else unix_now, now)
        if kept.cluster_id == engine.config.cluster_id:
            engine.set_bootstrap_peers(kept.addresses, now)
    for key, value in configured.items():
        engine.set(key, value, now)


def _read(files: Files, directory: Path) -> SavedGossip | None:
    path = directory / gossip_file.FILE_NAME
    try:
        gossip_file.remove_draft(files, directory)
        return gossip_file.read(files, directory)
    except DamagedError as error:
        try:
            aside = gossip_file.set_aside(files, directory)
        except OSError as failure:
            raise DataDirError(f"{path} is damaged ({error}) and cannot be renamed: {failure}") from None
        log.error(
            "the kept keys of this node are damaged: it starts without them; its clients have to set them again",
            problem=str(error),
            set_aside=str(aside),
        )
        return None
    except NewerFormatError as error:
        raise DataDirError(f"{path}: {error}; start that release, or move the file away to go on without it") from None
    except OSError as error:
        raise DataDirError(f"{path} cannot be read: {error.strerror or error}") from None


def _restore(engine: Engine, kept: SavedGossip, configured: Mapping[str, str], unix_now: float, now: float) -> None:
    dropped = {*kept.configured, *configured}
    # A clock that was set back stops the time to live, and never gives any back.
    away = max(0.0, unix_now - kept.written_at)
    keys = [key for key in kept.keys if key.key not in dropped]
    refused = engine.restore_keys(
        (
            (key.key, key.value, key.version, gossip_file.status_of(key), now - key.age - (away if key.expires else 0))
            for key in keys
        ),
        kept.max_version,
        now,
        spare=len(configured),
    )
    for name, problem in refused.items():
        log.warning("a kept key is not taken up", key=name, problem=problem)
    log.info("kept keys taken up", keys=len(keys) - len(refused), peers=len(kept.peers))


@dataclass(frozen=True, slots=True)
class _Job:
    """One write, done by the disk thread: of a node's state it has only what never changes."""

    files: Files
    directory: Path
    cluster_id: str
    max_version: int
    configured: Mapping[str, str]
    peers: tuple[tuple[str, int], ...]
    held: Sequence[KeyValue]
    ages: Mapping[str, float]

    def __call__(self) -> None:
        keys = tuple(
            SavedKey(kv.key, kv.value, kv.version, kv.status == KeyStatus.DELETE_AFTER_TTL, self.ages.get(kv.key, 0.0))
            for kv in self.held
            if kv.visible and not kv.key.startswith(RESERVED_PREFIX)
        )
        kept = SavedGossip(
            written_at=time.time(),
            cluster_id=self.cluster_id,
            max_version=self.max_version,
            configured=tuple(key.key for key in keys if self.configured.get(key.key) == key.value),
            peers=self.peers,
            keys=keys,
        )
        gossip_file.write(self.files, self.directory, kept)


class GossipPersistence:
    """Writes what changed, every now and then and at the end."""

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        settings: PersistenceSettings,
        configured: Mapping[str, str],
        *,
        files: Files | None = None,
    ) -> None:
        """To be made inside the node's event loop."""
        self._engine = engine
        self._directory = directory
        self._settings = settings
        self.configured = configured
        self._files = files or DiskFiles()
        self._disk = DiskThread()
        self._task: asyncio.Task[None] | None = None
        self._written: tuple[int, frozenset[tuple[str, int]]] | None = None
        self._busy_seconds = 0.0
        self._failing = False

    def take(self, settings: PersistenceSettings) -> None:
        """Hold to these from now on."""
        self._settings = settings

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="gossip keeper")

    async def stop(self) -> None:
        """Write what has changed since, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.keep()
        await self._disk.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(max(self._settings.interval, self._busy_seconds / MAX_DUTY))
            await self.keep()

    async def keep(self) -> None:
        """Write, unless the disk holds all of it. A disk that refuses is logged, once, and asked again."""
        peers = self._engine.peer_addresses()[: self._settings.max_peers]
        version, now_there = self._engine.own.max_version, frozenset(peers)
        if not self._changed(now_there):
            return
        began = time.monotonic()
        job = self._job(tuple(peers))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def report(_: object, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self._disk.submit(job, report)
        try:
            await done
        except OSError as error:
            self._engine.counters["snapshot_failures"] += 1
            if not self._failing:
                log.error(
                    "the keys of this node cannot be kept on disk; it goes on, and tries again",
                    directory=str(self._directory),
                    problem=error.strerror or str(error),
                )
            self._failing = True
        else:
            self._engine.counters["snapshots_written"] += 1
            if self._failing:
                log.info("the keys of this node are kept on disk again")
            self._failing = False
            self._written = version, now_there
        self._busy_seconds = time.monotonic() - began

    def _changed(self, peers: frozenset[tuple[str, int]]) -> bool:
        if self._written is None:
            return True
        version, there = self._written
        if peers != there:
            return True
        return any(not kv.key.startswith(RESERVED_PREFIX) for kv in self._engine.own.newer_than(version))

    def _job(self, peers: tuple[tuple[str, int], ...]) -> _Job:
        own, now = self._engine.own, time.monotonic()
        return _Job(
            self._files,
            self._directory,
            self._engine.config.cluster_id,
            own.max_version,
            self.configured,
            peers,
            list(own.key_values.values()),
            {key: max(0.0, now - learnt) for key, learnt in (own.expiring or {}).items()},
        )
