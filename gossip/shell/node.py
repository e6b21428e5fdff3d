"""A gossip node on a UDP socket: the asyncio shell around the engine (gossip spec 3, 8).

The engine makes every decision of the protocol. This module has the socket, the timer and the callbacks. Only `_send`
and `_receive` touch the socket's datagrams; the keyring seals and opens them.
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
from coterie.gossip.events.events import Event, KeyChanged, LiveSetChanged
from coterie.gossip.events.listeners import KeyListener
from coterie.gossip.shell.node_log import NodeLog
from coterie.gossip.shell.seeds import SeedList, lookup_of_family
from coterie.gossip.shell.work_budget import WorkBudget
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import Address, NodeId
from coterie.gossip.wire.key_value import KeyStatus, KeyValue
from coterie.gossip.wire.keyring import Keyring

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""Requested in both directions: the default of Linux holds three large datagrams."""

SEED_REFRESH_SECONDS = 60.0
"""How often the host names of seeds are looked up."""

SEED_RETRY_SECONDS = 1.0
"""A look-up that failed is tried again after this time, then after twice as long each time, up to the former."""

MAX_DATAGRAMS_PER_TURN = 256
"""After this many the event loop gets its turn, before the rest is read."""

MAX_TURN_SECONDS = 0.01
"""A turn ends after this time too. The next one waits for as long as it took, so that a flood leaves the loop half of
its time."""

MAX_TURNS_BEFORE_ROUND = 64
"""The most turns of reading before a round: a flood must not prevent rounds."""

RECEIVE_BYTES = 65_536

LEAVE_RESEND_SECONDS = 0.05
"""How long a node that leaves waits for answers before it sends again."""


def open_udp_socket(address: Address) -> socket.socket:
    """Open a bound, non-blocking UDP socket. Raises OSError where the address cannot be bound."""
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
    """Runs one `Engine`. Use it inside one event loop; no method may be called from another thread."""

    def __init__(
        self, engine: Engine, sock: socket.socket, seeds: Sequence[str] = (), keyring: Keyring | None = None
    ) -> None:
        """`sock` comes from `open_udp_socket` and is closed by `stop`. Raises ConfigError on a malformed seed.

        With a `keyring`, the engine's `max_datagram_bytes` leaves SEAL_BYTES of room.
        """
        self.engine = engine
        self.keyring = keyring
        self._sock = sock
        self._seeds = SeedList(
            seeds, engine.own.id.gossip_advertise_addr, lookup_of_family(socket.AddressFamily(sock.family))
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._lookups: asyncio.Task[None] | None = None
        self._log = NodeLog(engine, time.monotonic)
        self._work = WorkBudget(engine.is_stranger)
        self._live: Mapping[NodeId, NodeState] = {}
        self._live_changed = asyncio.Event()
        self._stopped = False
        self._observers: list[Callable[[Event], None]] = []

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to gossip. The first round starts at once and waits for no look-up."""
        self.engine.seeds = self._seeds.addresses()
        self._watch_socket()
        self._tasks.append(asyncio.create_task(self._run_rounds(), name="gossip rounds"))
        self._begin_lookups()

    async def stop(self) -> None:
        """Cancel all tasks, close the socket and end every watcher. Safe to call twice."""
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
            # A late round must not judge nodes before it has read what waits in the socket (gossip spec 3).
            turns = 1
            while self._receive_waiting() and turns < MAX_TURNS_BEFORE_ROUND:
                turns += 1
                await asyncio.sleep(0)
            now = time.monotonic()
            try:
                self._send(self.engine.round(now, backlog=turns > 1))
            except Exception:  # noqa: BLE001 - an error in one round must not end gossip; it is counted and logged
                self._log.internal_error("round")
            self._dispatch_events()
            self._log.warn_digest_size()
            self._log.warn_when_alone()
            due = due + interval if due + interval > now else now + interval

    async def _run_lookups(self) -> None:
        retry = SEED_RETRY_SECONDS
        while True:
            failed = await self._seeds.refresh()
            self._log.lookups_failed(failed, retry)
            self.engine.seeds = self._seeds.addresses()
            await asyncio.sleep(retry if failed else SEED_REFRESH_SECONDS)
            retry = min(2 * retry, SEED_REFRESH_SECONDS) if failed else SEED_RETRY_SECONDS

    @property
    def found_nobody(self) -> bool:
        """Whether there are seeds, this node is not one of them, and no other node has ever been heard of."""
        return self._seeds.lead_elsewhere and len(self.engine.by_identity) == 1

    def _begin_lookups(self) -> None:
        if self._lookups is not None:
            self._lookups.cancel()
            self._lookups = None
        if self._seeds.has_names:
            self._lookups = asyncio.create_task(self._run_lookups(), name="seed look-ups")

    def replace_seeds(self, seeds: Sequence[str]) -> None:
        """Use other seeds from now on. Raises ConfigError, and then changes nothing."""
        self._seeds = self._seeds.replaced(seeds)
        self.engine.seeds = self._seeds.addresses()
        self._begin_lookups()

    async def leave(self, peers: int, seconds: float) -> int:
        """Leave the cluster: send LEFT_KEY until `peers` live nodes hold it, or all if they are fewer, for at most
        `seconds`. Returns how many hold it. Raises TooManyKeysError."""
        deadline = time.monotonic() + seconds
        self.engine.leave(time.time(), time.monotonic())
        while (now := time.monotonic()) < deadline and (sent := self.engine.announce_leave(peers, now)):
            self._send(sent)
            await asyncio.sleep(LEAVE_RESEND_SECONDS)
        return self.engine.leave_acknowledged

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Remove the dead identities of a node up to a generation; see `Engine.forget`."""
        removed = self.engine.forget(node_id, generation)
        self._dispatch_events()
        return removed

    # -- datagrams ---------------------------------------------------------------------------------------------------

    def _watch_socket(self) -> None:
        if not self._stopped:
            asyncio.get_running_loop().add_reader(self._sock, self._on_readable)

    def _on_readable(self) -> None:
        began = time.monotonic()
        if self._receive_waiting():
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._sock)
            loop.call_later(time.monotonic() - began, self._watch_socket)

    def _receive_waiting(self) -> bool:
        """Handle waiting datagrams for one turn; returns whether more may wait.

        A datagram of a source that used up its share of the time is read and dropped.
        """
        began = now = time.monotonic()
        handled = 0
        try:
            while handled < MAX_DATAGRAMS_PER_TURN and now - began < MAX_TURN_SECONDS:
                received = self._receive()
                if received is None:
                    return False
                handled += 1
                datagram, source = received
                if self._work.admits(source, now):
                    self._handle(datagram, source)
                    before, now = now, time.monotonic()
                    self._work.spend(source, now - before, now)
                else:
                    self._log.warn_limited("a source sends too much", "over_budget", source=str(source))
            return True
        finally:
            self._dispatch_events()

    def _receive(self) -> tuple[bytes, Address] | None:
        """The next waiting datagram."""
        try:
            datagram, source = self._sock.recvfrom(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self._log.warn_limited("receiving failed", "receive_errors", error=str(error))
            return None
        self.engine.counters["received_bytes"] += len(datagram)
        return datagram, Address(*source[:2])

    def _handle(self, datagram: bytes, source: Address) -> None:
        try:
            if self.keyring is not None:
                datagram = self.keyring.open(datagram, time.time())
            answers = self.engine.receive(datagram, source, time.monotonic())
        except WireError as error:  # unsealed, or not for this node
            self.engine.counters["rejected_" + error.reason] += 1
            self._log.warn_limited(
                "datagram rejected", "rejected", source=str(source), reason=error.reason, detail=str(error)
            )
        except Exception:  # noqa: BLE001 - no datagram may end gossip; the error is counted and logged
            self._log.internal_error("datagram")
        else:
            self._send(answers)

    def _send(self, datagrams: Iterable[Datagram]) -> None:
        for address, message in datagrams:
            datagram = message if self.keyring is None else self.keyring.seal(message, time.time())
            try:
                self._sock.sendto(datagram, address)
            except (BlockingIOError, InterruptedError):
                self._log.warn_limited("send buffer full", "send_buffer_full")
            except OSError as error:
                self._log.warn_limited("sending failed", "send_errors", peer=str(address), error=str(error))
            else:
                self.engine.counters["sent_bytes"] += len(datagram)

    # -- events ------------------------------------------------------------------------------------------------------

    def _dispatch_events(self) -> None:
        for event in self.engine.take_events():
            match event:
                case KeyChanged():
                    for call in self.engine.listeners.calls(event):
                        self._call("key listener", call)
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
        except Exception:  # noqa: BLE001 - a callback must not end gossip; its error is logged
            self._log.callback_failed(what)

    # -- the public API ----------------------------------------------------------------------------------------------

    @property
    def node(self) -> NodeId:
        return self.engine.own.id

    @property
    def running(self) -> bool:
        """Whether rounds are running."""
        return bool(self._tasks) and not self._stopped and not self._tasks[0].done()

    def set(self, key: str, value: str, *, internal: bool = False) -> KeyValue | None:
        """Write a key of this node. None where nothing changes. Raises KeyRefusedError.

        `internal`: the node's own write, which may use RESERVED_PREFIX. Never set it for a client's write.
        """
        return self._after(self.engine.set(key, value, time.monotonic(), internal=internal))

    def set_with_ttl(self, key: str, value: str, *, internal: bool = False) -> KeyValue | None:
        """Write a key that expires after `marked_for_deletion_grace_period`. Raises KeyRefusedError."""
        return self._after(self.engine.set_with_ttl(key, value, time.monotonic(), internal=internal))

    def delete(self, key: str, *, internal: bool = False) -> KeyValue | None:
        """Turn a key of this node into a tombstone; None where there is none. Raises KeyRefusedError."""
        kv = self._after(self.engine.delete(key, time.monotonic(), internal=internal))
        if kv is None:
            self._log.warn_limited("nothing to delete", "deletions_of_nothing", key=key)
        return kv

    def delete_after_ttl(self, key: str) -> KeyValue | None:
        """Let a key of this node expire; None where it is not visible. Raises KeyRefusedError."""
        kv = self._after(self.engine.delete_after_ttl(key, time.monotonic()))
        if kv is None:
            self._log.warn_limited("nothing to expire", "deletions_of_nothing", key=key)
        return kv

    def reset_node_state_if_update(
        self,
        node: NodeId,
        key_values: Iterable[tuple[str, str, int, KeyStatus]],
        max_version: int,
        last_gc_version: int,
    ) -> bool:
        """Import a node's full state; see `Engine.reset_node_state_if_update`."""
        taken = self.engine.reset_node_state_if_update(node, key_values, max_version, last_gc_version, time.monotonic())
        self._dispatch_events()
        return taken

    def _after(self, kv: KeyValue | None) -> KeyValue | None:
        self._dispatch_events()
        return kv

    def subscribe(self, prefix: str, listener: KeyListener) -> Callable[[], None]:
        """Call `listener` for every visible key written under `prefix`, on any node. Returns what ends that."""
        return self.engine.listeners.subscribe(prefix, listener)

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call `observer` for every event. Returns the function that ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    async def watch_live_nodes(self) -> AsyncIterator[Mapping[NodeId, NodeState]]:
        """Yield the live nodes (none before the first round), then again whenever they or their max_versions change.

        Ends when the node stops. A slow watcher may miss steps, never the last. Do not change the states.
        """
        while not self._stopped:
            changed = self._live_changed
            yield self._live
            await changed.wait()
