"""A gossip node on a UDP socket: the thin asyncio shell around the state machine (gossip spec 3, gossip spec 8).

Everything the protocol decides is in `engine.py` and its parts; here are the socket, the timer, the look-ups and the
callbacks. The keyring stands in `_send` and `_receive_waiting`, which are all that touches datagrams.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from coterie.gossip.anti_entropy.handshake import Datagram
from coterie.gossip.engine import Engine
from coterie.gossip.errors import WireError
from coterie.gossip.events.events import CaughtUp, Event, KeyChanged, LiveSetChanged
from coterie.gossip.events.listeners import KeyListener
from coterie.gossip.shell.node_log import NodeLog
from coterie.gossip.shell.seeds import SeedBook, lookup_of_family
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import Address, NodeId
from coterie.gossip.wire.key_value import KeyValue, Status
from coterie.gossip.wire.keyring import Keyring

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked for in both directions: the system's default holds three large datagrams."""

SEED_REFRESH_SECONDS = 60.0
"""How often host names of seeds are looked up again."""

MAX_DATAGRAMS_PER_TURN = 256
"""After this many the event loop gets its turn, before what still waits is read."""

MAX_TURNS_BEFORE_ROUND = 64
"""How many times that is read before a round at the most: a flood must not keep rounds from happening."""

RECEIVE_BYTES = 65_536

FAREWELL_SECONDS = 0.05
"""How long an answer to a goodbye is waited for before it is said again."""


def open_udp_socket(address: Address) -> socket.socket:
    """A bound, non-blocking UDP socket. Raises OSError where the address cannot be had."""
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if address.is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


class GossipNode:
    """Runs one `Engine`. To be used inside one event loop; nothing here is safe to call from another thread."""

    def __init__(
        self, engine: Engine, sock: socket.socket, seeds: Sequence[str] = (), keyring: Keyring | None = None
    ) -> None:
        """`sock` comes from `open_udp_socket` and is closed by `stop`. Raises ConfigError on a malformed seed.

        With a `keyring`, the engine's `max_datagram_bytes` leaves SEAL_BYTES of room.
        """
        self.engine = engine
        self.keyring = keyring
        self._sock = sock
        self._seeds = SeedBook(
            seeds, engine.own.id.gossip_advertise_addr, lookup_of_family(socket.AddressFamily(sock.family))
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._lookups: asyncio.Task[None] | None = None
        self._log = NodeLog(engine, time.monotonic)
        self._live: Mapping[NodeId, NodeState] = {}
        self._live_changed = asyncio.Event()
        self._stopped = False
        self.on_catch_up: Callable[[], None] | None = None
        """Called once for each message that made this node drop and retake a peer's state."""
        self._observers: list[Callable[[Event], None]] = []

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to gossip; the first round starts at once, and no look-up is waited for."""
        self.engine.seeds = self._seeds.addresses()
        asyncio.get_running_loop().add_reader(self._sock, self._receive_waiting)
        self._tasks.append(asyncio.create_task(self._run_rounds(), name="gossip rounds"))
        self._begin_lookups()

    async def stop(self) -> None:
        """End all tasks, close the socket and let every watcher go. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        tasks = [*self._tasks, *([self._lookups] if self._lookups is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        self._live_changed.set()

    async def _run_rounds(self) -> None:
        interval = self.engine.config.gossip_interval
        due = time.monotonic()
        while True:
            await asyncio.sleep(due - time.monotonic())
            # What waits in the socket is news that a late round must not judge without (gossip spec 3).
            turns = 1
            while self._receive_waiting() == MAX_DATAGRAMS_PER_TURN and turns < MAX_TURNS_BEFORE_ROUND:
                turns += 1
            now = time.monotonic()
            try:
                self._send(self.engine.round(now, backlog=turns > 1))
            except Exception:  # noqa: BLE001 - a fault in one round must not end gossip; it is counted and logged
                self._log.fault("round")
            self._dispatch_events()
            self._log.digest_size()
            self._log.being_alone()
            due = due + interval if due + interval > now else now + interval

    async def _run_lookups(self) -> None:
        while True:
            failed = await self._seeds.refresh()
            self._log.lookups_failed(failed, SEED_REFRESH_SECONDS)
            self.engine.seeds = self._seeds.addresses()
            await asyncio.sleep(SEED_REFRESH_SECONDS)

    def _begin_lookups(self) -> None:
        if self._lookups is not None:
            self._lookups.cancel()
            self._lookups = None
        if self._seeds.has_names:
            self._lookups = asyncio.create_task(self._run_lookups(), name="seed look-ups")

    def replace_seeds(self, seeds: Sequence[str]) -> None:
        """Use other seeds from now on. Raises ConfigError, and then nothing is changed."""
        self._seeds = self._seeds.replaced(seeds)
        self.engine.seeds = self._seeds.addresses()
        self._begin_lookups()

    async def leave(self, peers: int, seconds: float) -> int:
        """Say goodbye, and go on for at most so many seconds until so many live nodes know it, or all if they are
        fewer; returns how many do. Raises TooManyKeysError."""
        deadline = time.monotonic() + seconds
        self.engine.leave(time.time(), time.monotonic())
        while (now := time.monotonic()) < deadline and (sent := self.engine.farewell(peers, now)):
            self._send(sent)
            await asyncio.sleep(FAREWELL_SECONDS)
        return self.engine.told_farewell

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Drop what is known of a dead node, up to a generation; see `Engine.forget`."""
        gone = self.engine.forget(node_id, generation)
        self._dispatch_events()
        return gone

    # -- datagrams ---------------------------------------------------------------------------------------------------

    def _receive_waiting(self) -> int:
        """Handle what waits in the socket, within bounds; returns how many datagrams that was."""
        handled = 0
        while handled < MAX_DATAGRAMS_PER_TURN:
            try:
                datagram, source = self._sock.recvfrom(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._log.noise("receiving failed", "receive_errors", error=str(error))
                break
            handled += 1
            self.engine.counters["received_bytes"] += len(datagram)
            address = Address(*source[:2])
            try:
                if self.keyring is not None:
                    datagram = self.keyring.open(datagram, time.time())
                answers = self.engine.receive(datagram, address, time.monotonic())
            except WireError as error:  # not sealed, or not for this node
                self.engine.counters["rejected_" + error.reason] += 1
                self._log.noise(
                    "datagram rejected", "rejected", source=str(address), reason=error.reason, detail=str(error)
                )
                continue
            except Exception:  # noqa: BLE001 - whatever a datagram holds, the node goes on; it is counted and logged
                self._log.fault("datagram")
                continue
            self._send(answers)
        self._dispatch_events()
        return handled

    def _send(self, datagrams: Iterable[Datagram]) -> None:
        for address, message in datagrams:
            datagram = message if self.keyring is None else self.keyring.seal(message, time.time())
            try:
                self._sock.sendto(datagram, address)
            except (BlockingIOError, InterruptedError):
                self._log.noise("send buffer full", "send_buffer_full")
            except OSError as error:
                self._log.noise("sending failed", "send_errors", peer=str(address), error=str(error))
            else:
                self.engine.counters["sent_bytes"] += len(datagram)

    # -- events ------------------------------------------------------------------------------------------------------

    def _dispatch_events(self) -> None:
        for event in self.engine.take_events():
            match event:
                case KeyChanged():
                    for call in self.engine.listeners.calls(event):
                        self._call("key listener", call)
                case CaughtUp():
                    self._log.event(event)
                    if self.on_catch_up is not None:
                        self._call("catch-up callback", self.on_catch_up)
                case LiveSetChanged(live):
                    self._live = live
                    self._live_changed.set()
                    self._live_changed = asyncio.Event()
                case _:
                    self._log.event(event)
            for observer in list(self._observers):
                self._call("event observer", partial(observer, event))

    def _call(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - whoever is called must not end gossip; it is logged
            self._log.callback_failed(what)

    # -- the face ----------------------------------------------------------------------------------------------------

    @property
    def node(self) -> NodeId:
        return self.engine.own.id

    @property
    def running(self) -> bool:
        """Whether rounds are being held."""
        return bool(self._tasks) and not self._stopped and not self._tasks[0].done()

    @property
    def seed_addresses(self) -> tuple[Address, ...]:
        return tuple(self.engine.seeds)

    def set(self, key: str, value: str, *, internal: bool = False) -> KeyValue | None:
        """Write a key of this node. None where nothing changes. Raises KeyRefusedError.

        `internal`: on the node's own behalf, which alone may write under RESERVED_PREFIX; never for a client.
        """
        return self._after(self.engine.set(key, value, time.monotonic(), internal=internal))

    def set_with_ttl(self, key: str, value: str, *, internal: bool = False) -> KeyValue | None:
        """Write a key that expires after `marked_for_deletion_grace_period`. Raises KeyRefusedError."""
        return self._after(self.engine.set_with_ttl(key, value, time.monotonic(), internal=internal))

    def delete(self, key: str, *, internal: bool = False) -> KeyValue | None:
        """Turn a key of this node into a tombstone; None where there is none. Raises KeyRefusedError."""
        kv = self._after(self.engine.delete(key, time.monotonic(), internal=internal))
        if kv is None:
            self._log.noise("nothing to delete", "deletions_of_nothing", key=key)
        return kv

    def delete_after_ttl(self, key: str) -> KeyValue | None:
        """Let a key of this node expire; None where it is not visible. Raises KeyRefusedError."""
        kv = self._after(self.engine.delete_after_ttl(key, time.monotonic()))
        if kv is None:
            self._log.noise("nothing to expire", "deletions_of_nothing", key=key)
        return kv

    def reset_node_state_if_update(
        self,
        node: NodeId,
        key_values: Iterable[tuple[str, str, int, Status]],
        max_version: int,
        last_gc_version: int,
    ) -> bool:
        """Take a node's full state fetched by other means; see `Engine.reset_node_state_if_update`."""
        taken = self.engine.reset_node_state_if_update(node, key_values, max_version, last_gc_version, time.monotonic())
        self._dispatch_events()
        return taken

    def _after(self, kv: KeyValue | None) -> KeyValue | None:
        self._dispatch_events()
        return kv

    def subscribe(self, prefix: str, listener: KeyListener) -> Callable[[], None]:
        """Call `listener` for every visible key written under `prefix`, on any node. Returns what ends it."""
        return self.engine.listeners.subscribe(prefix, listener)

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call `observer` for every event. Returns what ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    async def watch_live_nodes(self) -> AsyncIterator[Mapping[NodeId, NodeState]]:
        """The live nodes now (at first: none), then whenever they or their max_versions change. Ends with the node.

        A slow watcher misses steps in between, never the last. The states are the node's own: read, do not write.
        """
        while not self._stopped:
            changed = self._live_changed
            yield self._live
            await changed.wait()
