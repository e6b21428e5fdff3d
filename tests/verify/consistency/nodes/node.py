"""One node of a run: its process, its disk, its place in the network, over all its lives."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.verify.consistency.contract import Life, Recording
from tests.verify.consistency.network import NodeNetwork
from tests.verify.consistency.network.namespaces import mount_tmpfs
from tests.verify.consistency.nodes.asking import AskError, ask
from tests.verify.consistency.nodes.disks import Control

PORT = 10_000
RAFT_PORT = 11_000
START_SECONDS = 180.0
POLL_SECONDS = 0.05

DISK_BYTES = 32 << 20
"""Of each node's disk, which is in memory."""

FILLER = "filler"

CRASH = "ended by itself"
"""How a life ended that should not have."""


class NodeError(Exception):
    """A node did what the driver did not tell it to, or not what it did."""


@dataclass
class Node:
    """See `contract.NodeHandle`."""

    name: str
    network: NodeNetwork
    home: Path
    """The run's folder."""
    recording: Recording
    environment: Mapping[str, str]
    power: bool
    """Kills are power cuts."""
    sync_seconds: float
    """What a sync takes where nothing is wrong."""
    sabotage: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """Its own, besides everybody's."""
    lives: list[Life] = field(default_factory=list)
    pauses: list[tuple[float, float | None]] = field(default_factory=list)
    gone: bool = False
    starting: bool = False
    disk_failed: bool = False
    """Its disk was full or hung since it was last started: then it may stop by itself."""
    control: Control = field(default_factory=Control)
    _process: asyncio.subprocess.Process | None = None
    _reaper: asyncio.Task[None] | None = None
    _ready: bool = False
    _ending: str = ""

    def __post_init__(self) -> None:
        self.control = self.fine
        self.disk.mkdir(parents=True)
        mount_tmpfs(str(self.disk), DISK_BYTES)

    @property
    def number(self) -> int:
        return self.network.number

    @property
    def url(self) -> str:
        return f"http://{self.network.client_address}:{PORT}"

    @property
    def disk(self) -> Path:
        return self.home / "disks" / self.name

    @property
    def data(self) -> Path:
        return self.disk / "data"

    @property
    def told(self) -> Path:
        """Where its process reads how its disk and clock misbehave."""
        return self.home / f"{self.name}.control"

    @property
    def log(self) -> Path:
        return self.home / "logs" / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    @property
    def up(self) -> bool:
        return self.running and self._ready and not self.paused

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self, seeds: Sequence[str]) -> None:
        """Start the process, and wait until it answers. Raises NodeError."""
        assert not self.running
        assert not self.starting
        self.starting = True
        self.tell(replace(self.control, hung=False))
        self.disk_failed = (self.disk / FILLER).exists()
        command = [sys.executable, "-m", "tests.verify.consistency.nodes.launcher"]
        command += ["--namespace", str(self.network.namespace), "--control", str(self.told)]
        command += ["--power"] if self.power else []
        command += ["--sabotage", self.sabotage] if self.sabotage else []
        command += ["--", "--listen_addr", f"0.0.0.0:{PORT}", "--public_addr", f"{self.network.address}:{PORT}"]
        command += ["--node_id", self.name]
        for seed in seeds:
            command += ["--seed", f"{seed}:{PORT}"]
        self.log.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:  # noqa: ASYNC230 - it takes no time
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**self.environment, **self.settings, "COTERIE_DATA_DIR": str(self.data)},
                pass_fds=[self.network.namespace],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        self._process, self._ready, self._ending = process, False, ""
        self.starting = False
        life = Life(time.monotonic())
        self.lives.append(life)
        self._tell("started", "")
        self._reaper = asyncio.create_task(self._reap(process, life))
        await self._answers(process, life)

    async def _answers(self, process: asyncio.subprocess.Process, life: Life) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._process is process:
            try:
                await ask(self.url, "/v1/raft/status")
            except AskError as error:
                if time.monotonic() > deadline and not self.paused:
                    raise NodeError(f"{self.name} did not answer within {START_SECONDS:g} s: {error}") from None
                await asyncio.sleep(POLL_SECONDS)
            else:
                self._ready = True
                return
        if life.how.startswith(CRASH):  # of this process: another fault may have ended it, and a third started the next
            raise NodeError(f"{self.name} ended as it started: see {self.log.name}")

    async def _reap(self, process: asyncio.subprocess.Process, life: Life) -> None:
        code = await process.wait()
        life.ended = time.monotonic()
        by_itself = "disk" if self.disk_failed else f"{CRASH} with exit code {code}"
        life.how = self._ending or by_itself
        self._process, self._ready = None, False
        if self.paused:
            self.pauses[-1] = (self.pauses[-1][0], life.ended)
        self._tell("ended", life.how)

    async def _end(self, number: int, how: str) -> None:
        """Send a signal that ends it, and wait for that."""
        process, reaper = self._process, self._reaper
        if process is None or reaper is None:
            return
        self._ending, self._ready = how, False
        _send(process, number)
        if self.paused and number != signal.SIGKILL:
            self.go_on()
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(reaper)
        except TimeoutError:
            _send(process, signal.SIGKILL)
            await reaper
            raise NodeError(f"{self.name} did not stop within {START_SECONDS:g} s") from None

    async def kill(self, how: str = "") -> None:
        """kill -9; a power cut, where it is made to hold what is not synced."""
        await self._end(signal.SIGKILL, how or ("power_cut" if self.power else "kill"))

    async def stop(self) -> None:
        """As a service manager does: SIGTERM, then wait. Raises NodeError where it hangs."""
        await self._end(signal.SIGTERM, "stop")

    def pause(self) -> None:
        if self._process is not None and not self.paused:
            _send(self._process, signal.SIGSTOP)
            self.pauses.append((time.monotonic(), None))
            self._tell("paused", "")

    def go_on(self) -> None:
        if self.paused:
            if self._process is not None:
                _send(self._process, signal.SIGCONT)
            self.pauses[-1] = (self.pauses[-1][0], time.monotonic())
            self._tell("continued", "")

    def _tell(self, what: str, how: str) -> None:
        self.recording.write("node", {"node": self.name, "at": time.monotonic(), "what": what, "how": how})

    # -- disk and clock ------------------------------------------------------------------------------------------------

    @property
    def fine(self) -> Control:
        """A disk and a clock that do what they should."""
        return Control(sync_seconds=self.sync_seconds)

    def tell(self, control: Control) -> None:
        """How its disk and clock misbehave, from now on."""
        self.control = control
        control.store(self.told)

    def fill_disk(self) -> None:
        """Take what is left of its disk."""
        self.disk_failed = True
        with open(self.disk / FILLER, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def free_disk(self) -> None:
        (self.disk / FILLER).unlink(missing_ok=True)

    def wipe(self) -> None:
        """Lose everything on its disk; it must not run."""
        assert self._process is None
        if self.data.exists():
            shutil.rmtree(self.data)

    # -- what it says --------------------------------------------------------------------------------------------------

    async def status(self) -> dict[str, Any] | None:
        """Its own part in Raft, None where it does not answer."""
        if not self.up:
            return None
        try:
            status: dict[str, Any] = await ask(self.url, "/v1/raft/status")
        except AskError:
            return None
        return status


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    """Another fault may have ended it a moment ago."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
