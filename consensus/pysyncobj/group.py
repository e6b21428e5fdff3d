"""A program's member of its group: the event loop that Raft runs in, and the bridge to it from the program's threads.

With `autoTick` the loop has a thread of its own; without, it runs inside `doTick`, in the thread that calls it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import secrets
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from coterie.consensus.api.errors import MetadataError
from coterie.consensus.member.event_loop import SystemClock, call_node
from coterie.consensus.member.metadata.consumer import MetadataConsumer
from coterie.consensus.member.runtime import LinkOptions, RaftRuntime
from coterie.consensus.pysyncobj.admin import HERE, Command, change_at, serve
from coterie.consensus.pysyncobj.engine import FAIL_REASON, SyncObjConf
from coterie.consensus.pysyncobj.machine import ConsumersStateMachine
from coterie.consensus.pysyncobj.queue import Callback, CallQueue, Done
from coterie.consensus.pysyncobj.settings import (
    CLUSTER,
    READ_ONLY,
    address_of,
    open_directory,
    raft_settings,
    secret_of,
)
from coterie.consensus.raft.errors import StoppedError
from coterie.consensus.raft.net.session import Identity
from coterie.consensus.raft.net.tcp import NetSettings
from coterie.consensus.store.schema.levels import CALLERS_PROVE_FIRST_SINCE

logger = logging.getLogger(__name__)

CALL_SECONDS: Final = 60.0
"""A call ends after this, whatever has become of it."""

FAREWELL_SECONDS: Final = 5.0
"""A link to a removed voter is kept for so long, so that it may hear of its removal."""


Tls = tuple[ssl.SSLContext, ssl.SSLContext]

T = TypeVar("T")


class Group:
    def __init__(
        self,
        own: str | None,
        partners: Iterable[str],
        conf: SyncObjConf,
        machine: ConsumersStateMachine,
        metadata: MetadataConsumer | None,
        tls: Tls | None,
    ) -> None:
        """`own` None: a read-only node. `tls`: contexts of the side that is called and of the one that calls.

        Opens the directory. Raises OSError and StorageError, where the node must not start.
        """
        self._directory, self._temporary = open_directory(own, conf)
        self.read_only = own is None
        self.own = f"{READ_ONLY}{self._directory.identity.member_id.hex}" if own is None else own
        self.members = tuple(sorted({*partners} if own is None else {own, *partners}))
        """As the program names them."""
        self.conf = conf
        self.machine = machine
        self._metadata = metadata
        self._tls = tls
        self._answer: Callable[[Command, Callable[[Any], None]], None] | None = None
        self.runtime: RaftRuntime | None = None
        self.began = self.ready = self.destroyed = False
        self.failure: BaseException | None = None
        self.bind_error: OSError | None = None
        self.bound = threading.Event()
        """Listens, or has given up (`bind_error`)."""
        self.state = 0
        self.tick_callbacks: list[Callable[[], None]] = []
        self.thread: threading.Thread | None = None
        self._starter = threading.current_thread()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._lock = threading.Lock()
        self._calls = CallQueue(self._loop, conf)
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: asyncio.Task[tuple[str, int]] | None = None
        self._ended = asyncio.Event()

    # life

    def begin(self) -> None:
        """Load the state and take part, in a thread of its own where `conf.autoTick`. Raises what forbids it."""
        if self.began:
            return
        self.began = True
        if self.conf.autoTick:
            self.thread = threading.Thread(target=self._run_thread, name=f"coterie-raft-{self.own}", daemon=True)
            self.thread.start()
            self._up.wait()
            if self.failure is not None:
                self.thread.join()
                raise self.failure

    def _run_thread(self) -> None:
        with contextlib.closing(self._loop) as loop:
            try:
                loop.run_until_complete(self._start())
                loop.run_until_complete(self._ended.wait())
            except Exception as error:  # noqa: BLE001 - raised to the program by `begin`
                self.failure = self.failure or error
            finally:
                self._up.set()
                loop.run_until_complete(self._stop())

    def tick(self, seconds: float) -> None:
        """Run the loop for so long, in this thread."""
        if self.destroyed:
            return
        if self.runtime is None:
            self._loop.run_until_complete(self._start())
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def destroy(self) -> None:
        """End this node's part; return once its thread has ended, unless called in that thread (by a callback)."""
        with self._lock:
            if self.destroyed:
                return
            self.destroyed = True
        if self.thread is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            if threading.current_thread() is not self.thread:
                self.thread.join()
        else:
            with contextlib.closing(self._loop):
                self._loop.run_until_complete(self._stop())

    def _level(self) -> int:
        return 1 if self._metadata is None else self._metadata.machine.state.feature_level

    async def _start(self) -> None:
        runtime = RaftRuntime(
            self._directory,
            Identity(
                CLUSTER,
                self.own,
                self._directory.identity.incarnation,
                secrets.token_bytes(8),
                self.secret,
                level=1 if self._metadata is None else self._metadata.machine.state.known_level,
            ),
            () if self.read_only else self.members,
            address_of,
            self.machine,
            raft_settings(self.conf),
            LinkOptions(
                net=NetSettings(),
                server_tls=None if self._tls is None else self._tls[0],
                client_tls=None if self._tls is None else self._tls[1],
                needed_level=self._level,
                all_prove_first=lambda: self._level() >= CALLERS_PROVE_FIRST_SINCE,
                on_guest=None if self._answer is None else serve(self._answer),
            ),
            clock=SystemClock(),
            before_tick=self._before_tick,
            on_stop=self._stopped,
        )
        try:
            node = await runtime.load()
        except BaseException:
            await runtime.close()
            raise
        if self._metadata is not None:
            self._metadata.bind(node)
        self.runtime = runtime
        runtime.begin()
        self.machine.on_voters = self._voters_changed
        if self._metadata is not None:
            self._metadata.begin()
        jobs = [self._listen(runtime), self._await_ready(), self._every_tick()]
        self._tasks = [asyncio.create_task(job) for job in jobs]
        self._calls.open()
        self._up.set()

    async def _stop(self) -> None:
        self.destroyed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            await asyncio.wait([self._listening])  # cancelled halfway it would leave its socket open
        if self.runtime is not None:
            self.runtime.halt()
            if self._metadata is not None:
                await self._metadata.end()
            try:
                await self.runtime.close()
            except RuntimeError:  # the interpreter is exiting, and has ended the disk thread: close the rest
                self._directory.close()
        else:
            self._directory.close()
        self._calls.close()
        self.bound.set()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def _listen(self, runtime: RaftRuntime) -> None:
        if self.read_only:
            runtime.take_part(self.members)
            self.bound.set()
            return
        where = address_of(self.conf.bindAddress or self.own)
        tries = 0
        while True:
            try:
                self._listening = asyncio.create_task(runtime.listen(*where))
                await asyncio.shield(self._listening)
                break
            except OSError as error:
                tries += 1
                logger.warning("%s cannot listen on %s:%d: %s", self.own, *where, error)
                if tries == self.conf.maxBindRetries:
                    self.bind_error = error
                    self.bound.set()
                    self._ended.set()
                    return
                await asyncio.sleep(self.conf.bindRetryTime)
        self.bound.set()

    async def _await_ready(self) -> None:
        """Ready once all that anyone was told of before this start has been applied here."""
        node = self._node
        while not node.stopped:
            try:
                await call_node(lambda done: node.read(done, 5.0))
            except MetadataError:
                await asyncio.sleep(0.05)
                continue
            self.ready = True
            if self.conf.onReady is not None:
                self.conf.onReady()
            return

    async def _every_tick(self) -> None:
        while True:
            await asyncio.sleep(self.conf.autoTickPeriod)
            for callback in list(self.tick_callbacks):
                try:
                    callback()
                except Exception:
                    logger.exception("a tick callback failed")
            self._look()
            if self.thread is not None and not self._starter.is_alive():
                self._ended.set()  # as PySyncObj: the program's thread is gone

    # what happens

    @property
    def _node(self) -> Any:
        if self.runtime is None:
            raise RuntimeError("the group has not begun")
        return self.runtime.node

    def _before_tick(self) -> None:
        if self._metadata is not None:
            self._metadata.before_tick()
        self._look()

    def _look(self) -> None:
        """Report a change of role, in PySyncObj's numbers: follower, candidate, leader."""
        if self.runtime is None:
            return
        state = self.runtime.node.state
        now = 2 if state.leading else 1 if state.campaign is not None else 0
        before, self.state = self.state, now
        if before != now and self.conf.onStateChanged is not None:
            self._loop.call_soon(self.conf.onStateChanged, before, now)

    def _stopped(self, failure: BaseException | None) -> None:
        self.failure = self.failure or failure

    def _voters_changed(self) -> None:
        self._loop.call_later(FAREWELL_SECONDS, self._keep_links)

    def _keep_links(self) -> None:
        if self.runtime is not None and (self.read_only or self.own in self.runtime.node.voters):
            self.runtime.transport.keep({*self.runtime.node.voters} - {self.own})

    # calls, from any thread

    def propose(self, operation: bytes, callback: Callback | None) -> None:
        """`callback(result, fail reason)` in the loop; within `CALL_SECONDS`."""
        if not self.conf.commandsWaitLeader and self.leader is None:
            if callback is not None:
                callback(None, FAIL_REASON.MISSING_LEADER)
            return
        self._calls.add(lambda done: self._node.propose(operation, done, CALL_SECONDS), callback, len(operation))

    def change(self, member: str, callback: Callback | None, *, add: bool, here: bool = False) -> None:
        """Add or remove a voter; where this node does not lead, and not `here` alone, at the leader, by an
        administrator's call."""
        address_of(member)

        def start(done: Done) -> None:
            leader = self.leader
            if here or leader is None or leader == self.own:
                self._node.change_voters(member, done, CALL_SECONDS, add=add)
            else:
                tls = None if self._tls is None else self._tls[1]
                command = ["add" if add else "remove", member, HERE]
                task = self._loop.create_task(change_at(leader, self.secret, command, done, tls))
                self._tasks.append(task)
                task.add_done_callback(self._tasks.remove)

        self._calls.add(start, None if callback is None else lambda _, reason: callback(None, reason))

    def transfer(self, member: str | None, callback: Callback | None) -> None:
        """Hand leadership over."""
        self._calls.add(
            lambda done: self._node.transfer(done, member),
            None if callback is None else lambda _, reason: callback(None, reason),
        )

    def compact(self) -> None:
        """Take a snapshot soon, and cut the log."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._compact)

    def _compact(self) -> None:
        if self.runtime is not None:
            self.runtime.compact()

    def ask(self, question: Callable[[], Any]) -> Any:
        """Evaluate in the loop's thread, so that nothing changes meanwhile."""
        if self.thread is None or not self.thread.is_alive() or threading.current_thread() is self.thread:
            return question()

        async def answer() -> Any:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(CALL_SECONDS)

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await it in the loop; from any other thread. Raises StoppedError where this node ends meanwhile."""

        async def tracked() -> T:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a coroutine that runs
            self._tasks.append(task)
            try:
                return await call
            finally:
                self._tasks.remove(task)

        if self.destroyed or threading.current_thread() is self.thread:
            call.close()
            raise StoppedError("stopped" if self.destroyed else "called in the group's own thread, which it would stop")
        if self.thread is None:
            return self._loop.run_until_complete(tracked())
        try:
            return asyncio.run_coroutine_threadsafe(tracked(), self._loop).result()
        except concurrent.futures.CancelledError:
            raise StoppedError("stopped") from None

    def answer_commands(self, answer: Callable[[Command, Callable[[Any], None]], None]) -> None:
        """Before `begin`: what answers administrators' commands, in the loop."""
        self._answer = answer

    # views

    @property
    def secret(self) -> bytes:
        return secret_of(self.conf.password)

    @property
    def voters(self) -> tuple[str, ...]:
        return (() if self.runtime is None else self.runtime.node.voters) or self.members

    @property
    def leader(self) -> str | None:
        return None if self.runtime is None or self.runtime.node.stopped else self.runtime.node.leader

    @property
    def linked(self) -> tuple[str, ...]:
        return () if self.runtime is None else tuple(self.runtime.transport.links)
