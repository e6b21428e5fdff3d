"""An event loop on a world's virtual time: one for each process, which ends with it.

The product runs on it as it is: tasks, timers, TCP and the disk thread. What it takes from modules of the standard
library, clocks and randomness, it takes from its loop while one of these loops runs, and from the module otherwise.
"""

from __future__ import annotations

import asyncio
import errno
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from functools import partial
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from coterie.consensus.autopilot.shell import agent, bootstrapper, leader_loop, local_member, process_witness
from coterie.consensus.journal import DiskThread, open_member_directory
from coterie.consensus.member import event_loop, member, runtime
from coterie.consensus.member.metadata import calls
from coterie.consensus.raft.net import tcp

if TYPE_CHECKING:
    from tests.verify.autopilot_sim.world import Computer, JointWorld

WIRE_SECONDS = 0.002
"""What bytes take from one computer to another, at least."""

DISK_SECONDS = 0.003
"""What a job of the disk takes, at most."""

UNIX_SECONDS = 1_700_000_000.0
"""At a world's begin."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """What one process does. `dead`: nothing of it runs any more. The options of calls are not all there are."""

    def __init__(self, world: JointWorld, computer: Computer, rng: Random) -> None:
        self.world = world
        self.computer = computer
        self.rng = rng
        self.dead = False
        self.halves: list[Half] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._offset = rng.random() * 1000.0

    def kill(self) -> None:
        """As kill -9: others hear of it where they can be reached."""
        self.dead = True
        self.world.tcp.close(self)
        for half in self.halves:
            half.end()
        # Else the garbage collector would end them, at any time and in any loop. Some wait for others as they end.
        events._set_running_loop(self)
        for task in self._tasks:
            with suppress(RuntimeError):
                task.get_coro().close()
        events._set_running_loop(None)

    # running

    def time(self) -> float:
        return self.world.now + self._offset

    def run_now(self, work: Callable[[], Any]) -> Any:
        """Something happens in this process. What must hold is looked at after it."""
        events._set_running_loop(self)
        try:
            return work()
        finally:
            events._set_running_loop(None)
            self.world.stepped(self.computer)

    def _run(self, handle: asyncio.Handle) -> None:
        if not self.dead and not handle.cancelled():
            self.run_now(handle._run)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.world.after(0.0, partial(self._run, handle))
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.world.at(max(self.world.now, when - self._offset), partial(self._run, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if context.get("exception") is not None:  # else a task that the end of its process, or of the world, cut off
            self.world.internal_error(f"{self.computer.name}: {context.get('message')}", context["exception"])

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller must learn of it
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(DISK_SECONDS * self.rng.random(), work)
        return future

    # TCP

    async def create_server(self, factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        return self.world.tcp.listen(self, factory, port)

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(WIRE_SECONDS * (1 + self.rng.random()))
        return await self.world.tcp.connect(self, factory, port)


class Disk:
    """As `DiskThread`: jobs one after the other, in order."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._free_at = 0.0

    def submit(self, job: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        loop = self._loop
        self._free_at = max(self._free_at, loop.time()) + DISK_SECONDS * loop.rng.random()

        def run() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the node must learn of it
                done(None, error)
            else:
                done(result, None)

        loop.call_at(self._free_at, run)

    async def run(self, job: Callable[[], Any]) -> Any:
        future = self._loop.create_future()
        self.submit(job, lambda done, error: future.set_result(done) if error is None else future.set_exception(error))
        return await future

    async def close(self, last: Callable[[], None] = lambda: None) -> None:
        await self.run(last)


# TCP ------------------------------------------------------------------------------------------------------------------


class Server:
    """What `create_server` gives; its own socket too."""

    def __init__(self, tcp: Tcp, port: int) -> None:
        self.sockets = (self,)
        self._tcp = tcp
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def close(self) -> None:
        self._tcp.listening.pop(self._port, None)


class Tcp:
    """All connections of a world. Where two computers do not reach each other, what was sent waits, and a new
    connection comes about never."""

    def __init__(self, world: JointWorld) -> None:
        self._world = world
        self.listening: dict[int, tuple[VirtualLoop, Callable[[], Any]]] = {}

    def listen(self, loop: VirtualLoop, factory: Callable[[], Any], port: int) -> Server:
        if port in self.listening:
            raise OSError(errno.EADDRINUSE, "address in use")
        self.listening[port] = loop, factory
        return Server(self, port)

    def close(self, loop: VirtualLoop) -> None:
        self.listening = {port: it for port, it in self.listening.items() if it[0] is not loop}

    async def connect(self, loop: VirtualLoop, factory: Callable[[], Any], port: int) -> tuple[Half, Any]:
        other = self._world.at_port(port)
        if other is not None and not self._world.connects(loop.computer, other):
            await asyncio.sleep(1e6)  # whoever calls has a limit
        if port not in self.listening:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")
        there, accept = self.listening[port]
        near, far = Half(loop), Half(there)
        near.peer, far.peer = far, near
        there.call_soon(far.begin, accept)
        near.begin(factory)
        return near, near.protocol

    def flush(self) -> None:
        """Who could not be reached may be again."""
        for computer in self._world.computers.values():
            for half in computer.loop.halves if computer.loop is not None else ():
                half.take_all()


class Half(asyncio.Transport):
    """One end of a connection."""

    peer: Half

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.loop = loop
        self.protocol: Any = None
        self._arriving: deque[bytes | None] = deque()
        self._closing = False
        self._lost = False
        loop.halves.append(self)

    def begin(self, factory: Callable[[], Any]) -> None:
        self.protocol = factory()
        self.protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closing:
            self._send(bytes(data))

    def end(self) -> None:
        """Nothing more comes from here."""
        self._closing = True
        self._send(None)

    def _send(self, data: bytes | None) -> None:
        self.peer._arriving.append(data)
        self.loop.world.after(WIRE_SECONDS, self.peer.take)

    def take(self) -> None:
        world = self.loop.world
        if not self._arriving or not world.connects(self.loop.computer, self.peer.loop.computer):
            return
        data = self._arriving.popleft()
        if data is None:
            self.loop.call_soon(self._lose)
        else:
            self.loop.call_soon(self._receive, data)

    def take_all(self) -> None:
        for _ in range(len(self._arriving)):
            self.take()

    def _receive(self, data: bytes) -> None:
        if not self._closing:
            self.protocol.data_received(data)

    def _lose(self) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self.loop.halves.remove(self)
            self.protocol.connection_lost(None)

    def close(self) -> None:
        if not self._closing:
            self.end()
            self.loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return sum(len(data) for data in self.peer._arriving if data is not None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", self.peer.loop.computer.port) if name == "peername" else default


# in the place of modules ----------------------------------------------------------------------------------------------


def running() -> VirtualLoop | None:
    loop = events._get_running_loop()
    return loop if isinstance(loop, VirtualLoop) else None


class _InPlaceOf:
    """A module, but for some functions, which get the virtual loop where one runs."""

    def __init__(self, module: ModuleType, **functions: Callable[..., Any]) -> None:
        self._module = module
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        loop = running()
        if loop is not None and name in self._functions:
            return partial(self._functions[name], loop)
        return getattr(self._module, name)


def _disk_thread() -> DiskThread:
    loop = running()
    return DiskThread() if loop is None else cast(DiskThread, Disk(loop))


def _open_directory(*given: Any, **options: Any) -> Any:
    loop = running()
    if loop is not None:
        options["entropy"] = loop.rng.randbytes
    return _really_open(*given, **options)


def _uuid4() -> UUID:
    loop = running()
    return _really_uuid4() if loop is None else UUID(int=loop.rng.getrandbits(128), version=4)


_really_open = open_member_directory
_really_uuid4 = uuid4


def _install() -> None:
    def put(module: Any, name: str, **functions: Callable[..., Any]) -> None:
        setattr(module, name, _InPlaceOf(getattr(module, name), **functions))

    for module in (agent, bootstrapper, leader_loop, local_member, process_witness, event_loop):
        put(module, "time", monotonic=VirtualLoop.time, time=lambda loop: UNIX_SECONDS + loop.world.now)
    for module in (event_loop, calls):
        put(
            module,
            "random",
            random=lambda loop: loop.rng.random(),
            uniform=lambda loop, low, high: loop.rng.uniform(low, high),
        )
    for module in (member, calls, tcp):
        put(
            module,
            "secrets",
            token_bytes=lambda loop, size: loop.rng.randbytes(size),
            randbelow=lambda loop, most: loop.rng.randrange(most),
            SystemRandom=lambda loop: loop.rng,
        )
    for owner, name, ours in (
        (local_member, "open_member_directory", _open_directory),
        (bootstrapper, "uuid4", _uuid4),
        (runtime, "DiskThread", _disk_thread),
    ):
        setattr(owner, name, ours)


_install()
