"""Runs a node: its sockets, its identity, then gossip and HTTP in one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import ssl
import string
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING

import structlog
import uvicorn
from starlette.types import ASGIApp

from app.api import create_app
from app.auth.authority import Authority
from app.command_line import shell_command
from app.data_dir import DataDir, DataDirError, Identity
from app.gossip_keeper import GossipKeeper, take_up
from app.health import Health
from app.http_protocol import bounded_protocol, bounded_socket
from app.leaving import Departure, Farewell
from app.listening import ListenError, Sockets, open_sockets
from app.live_settings import LiveSettings
from app.metrics.http import HttpFigures
from app.metrics.loop_lag import LoopLag
from app.open_files import allow_open_files
from app.reloadable import register_node
from app.reloading import Reloader, ReloadError
from app.setting_tables import HttpSettings
from app.settings import Settings
from app.tls import Tls, TlsError
from app.v1.agent_part import AgentPart, agent_config, open_agent
from app.v1.forgetting import obey_forgetting
from app.v1.heard import HeardRaft
from consensus.hybrid.agent import Agent
from consensus.raft.errors import RaftError
from gossip import Address, Engine, GossipNode, NodeId

if TYPE_CHECKING:
    from app.otel import OtelTracer

RANDOM_NAME_CHARACTERS = 6

log = structlog.stdlib.get_logger("coterie")


def run_node(settings: Settings, load: Callable[[], Settings]) -> None:
    """Run a node until SIGINT or SIGTERM, as the last thing that the process does. `load` reads the settings again.

    Raises ListenError and DataDirError before anything is started.
    """
    # The data directory first: where a second node is started on it, that is what to say, not that its port is taken.
    data_dir = DataDir(settings.data_dir) if settings.data_dir else None
    allow_open_files(settings.http.max_connections)
    sockets = open_sockets(settings.listen_addr, settings.http.backlog)
    public = _public_address(settings, sockets.address)
    identity = _identity(settings, data_dir, public)
    engine = Engine(
        settings.gossip_config(),
        NodeId(identity.node_id, identity.generation, public),
        Random(),
        now=time.monotonic(),
    )
    _take_up_keys(settings, engine, data_dir)
    node = GossipNode(engine, sockets.udp, settings.seed, settings.gossip_keyring())
    # Neither asyncio.run nor loop.close: where the system's resolver hangs on a seed's name, both wait for it.
    loop = _new_event_loop()
    loop.run_until_complete(_serve(settings, load, node, sockets, data_dir))
    loop.run_until_complete(_cancel_other_tasks())
    log.info("node stopped", node_id=identity.node_id)


def _take_up_keys(settings: Settings, engine: Engine, data_dir: DataDir | None) -> None:
    if data_dir is not None:
        take_up(engine, data_dir.path, settings.persistence, settings.key_values)
        return
    for key, value in settings.key_values.items():
        engine.set(key, value, time.monotonic())


def _open_keeper(settings: Settings, engine: Engine, data_dir: DataDir | None) -> GossipKeeper | None:
    if data_dir is None or not settings.persistence.enabled:
        return None
    return GossipKeeper(engine, data_dir.path, settings.persistence, settings.key_values)


async def _serve(
    settings: Settings, load: Callable[[], Settings], node: GossipNode, sockets: Sockets, data_dir: DataDir | None
) -> None:
    tls = _open_tls(settings)
    agent = _open_agent(settings, node, sockets.address, data_dir, tls)
    tracer = _open_tracer(settings, node)
    part = HeardRaft(node) if agent is None else AgentPart(agent, tracer)
    stopping = asyncio.Event()
    figures, loop_lag = HttpFigures(), LoopLag()
    health = Health(node, part, stopping, settings.health.max_staleness)
    departure = Departure(node, part, settings.leave, stopping, health)
    authority = _authority(settings, node, part, sockets.address)
    server = _Server(
        create_app(
            node,
            settings.http,
            settings.raft,
            part,
            stopping,
            health=health,
            figures=figures,
            loop_lag=loop_lag,
            departure=departure,
            authority=authority,
            tls=tls,
            live_settings=settings.live,
            console=settings.console.enabled,
            tracer=tracer,
        ),
        settings.http,
        figures,
        settings.live,
        lambda: _tell_start(settings, node, sockets.address),
        stopping,
        None if tls is None else tls.server,
    )
    watching = asyncio.create_task(loop_lag.watch(), name="event loop lag")
    guarding = asyncio.create_task(authority.watch(), name="tokens of open streams")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, server.stop)
    loop.add_signal_handler(signal.SIGTERM, _Terminating(departure, server.stop).signalled)
    obey_forgetting(node)
    if agent is not None:
        await _start_agent(agent)
    keeper = _open_keeper(settings, node.engine, data_dir)
    reloader = Reloader(settings, load)
    register_node(reloader, node, departure, keeper)
    reloader.register(
        ["auth.anonymous", "auth.tokens", "auth.max_tokens", "auth.cache_seconds"],
        lambda settings: lambda: authority.swap(settings.auth),
    )
    if tls is not None:
        reloader.register([], partial(_reload_tls, tls), always=True)
    loop.add_signal_handler(signal.SIGHUP, reloader.reload)
    await node.start()
    if keeper is not None:
        keeper.start()
    try:
        await server.serve(sockets=[sockets.tcp])
    finally:
        watching.cancel()
        guarding.cancel()
        authority.audit.close()
        if agent is not None:
            await agent.stop()
        await node.stop()
        if keeper is not None:
            await keeper.stop()
        if tracer is not None:
            tracer.shut_down()


def _open_tracer(settings: Settings, node: GossipNode) -> OtelTracer | None:
    if settings.tracing.endpoint is None:
        return None
    from app.otel import OtelTracer  # noqa: PLC0415 - an optional extra, and half a second

    return OtelTracer(settings.tracing, node.node.node_id)


def _authority(settings: Settings, node: GossipNode, part: HeardRaft, listening: Address) -> Authority:
    def is_known(address: str) -> bool:
        return any(state.id.gossip_advertise_addr.host == address for state in node.engine.states)

    try:
        return Authority(settings.auth, part, is_known, on_loopback=is_loopback(listening))
    except OSError as error:
        raise DataDirError(f"auth.audit_file {settings.auth.audit_file}: {error.strerror or error}") from None


def is_loopback(address: Address) -> bool:
    """Whether only this machine reaches it."""
    return ip_address(address.host).is_loopback


def _tell_openness(settings: Settings, listening: Address) -> None:
    """Loudly, at every start, where others than this machine's users can reach the node."""
    if is_loopback(listening):
        return
    anonymous = settings.auth.anonymous
    if anonymous in {"read", "write", "admin"}:
        told = (
            f"WITHOUT AUTHENTICATION whoever reaches {listening} may {_MAY[anonymous]} here: auth.anonymous is "
            f"{anonymous!r}; set it to none, and make a token with: {shell_command()} token new"
        )
    elif not settings.auth.tokens:
        told = (
            f"requests to {listening} need a token: auth.anonymous allows nothing there, and auth.tokens holds none; "
            f"make one with: {shell_command()} token new"
        )
    else:
        return
    log.warning(told)
    if sys.stdout.isatty():
        sys.stdout.write(f"\n  *** {told} ***\n")


_MAY = {"read": "read everything", "write": "read and write everything", "admin": "do everything"}


def _open_tls(settings: Settings) -> Tls | None:
    if settings.tls.certificate is None:
        return None
    try:
        return Tls(settings.tls)
    except TlsError as error:
        raise DataDirError(str(error)) from None


def _reload_tls(tls: Tls, _settings: Settings) -> Callable[[], None]:
    """The same files, as they are now."""
    try:
        return tls.prepare()
    except TlsError as error:
        raise ReloadError(str(error)) from None


def _open_agent(
    settings: Settings, node: GossipNode, listening: Address, data_dir: DataDir | None, tls: Tls | None
) -> Agent | None:
    if not settings.raft.enabled or data_dir is None:
        return None
    config = agent_config(settings, listening, node.node.gossip_advertise_addr, tls)
    try:
        return open_agent(node, data_dir.path, config)
    except (RaftError, OSError) as error:
        raise DataDirError(str(error)) from None


async def _start_agent(agent: Agent) -> None:
    try:
        await agent.start()
    except OSError as error:
        host, port = agent.config.listen
        raise ListenError(
            f"raft.listen_addr {Address(host, port)}: {error.strerror or error}; choose another one"
        ) from None


class _Terminating:
    """What SIGTERM does: at the first time what is set, at the second it just stops the node."""

    def __init__(self, departure: Departure, stop: Callable[[], None]) -> None:
        self._departure = departure
        self._stop = stop
        self._leaving: asyncio.Task[Farewell] | None = None

    def signalled(self) -> None:
        on_sigterm = self._departure.settings.on_sigterm
        if on_sigterm == "stop" or self._leaving is not None:
            self._stop()
            return
        keep_vote = on_sigterm == "goodbye"
        self._leaving = asyncio.create_task(self._departure.leave(keep_vote=keep_vote), name="terminating")


async def _cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """uvicorn, but for its handling of signals, which would kill the process with the signal it was stopped by."""

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpSettings,
        figures: HttpFigures,
        live: LiveSettings,
        on_start: Callable[[], None],
        stopping: asyncio.Event,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`stopping` is set by `stop`: what never ends by itself ends then."""
        self._tls = tls
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_protocol(limits, figures),
                ws=bounded_socket(limits, figures),
                ws_max_size=live.max_message_bytes,
                ws_ping_interval=live.heartbeat,
                ws_ping_timeout=live.heartbeat,
                # Events are encoded once for all; deflate would encode them anew for each, and keep memory for it.
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=limits.backlog,
                timeout_keep_alive=limits.keep_alive_seconds,
                timeout_graceful_shutdown=limits.shutdown_seconds,
                h11_max_incomplete_event_size=limits.max_query_bytes + limits.max_header_bytes,
            )
        )
        self._on_start = on_start
        self._stop = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.ssl = self._tls
        await super().startup(sockets)
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Until told to stop. A turn a second, for the `Date` header; uvicorn's own looks ten times a second."""
        while not (self._stop.is_set() or await self.on_tick(0)):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - it is not to be had everywhere
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _public_address(settings: Settings, listening: Address) -> Address:
    public = settings.public_addr or listening
    return public if public.port else public._replace(port=listening.port)


def _identity(settings: Settings, data_dir: DataDir | None, public: Address) -> Identity:
    def generate() -> str:
        alphabet = string.ascii_lowercase + string.digits
        return f"server:{public}-{''.join(secrets.choice(alphabet) for _ in range(RANDOM_NAME_CHARACTERS))}"

    if data_dir is not None:
        return data_dir.next_identity(settings.node_id, generate, time.time())
    return Identity(settings.node_id or generate(), int(time.time()))


def _tell_start(settings: Settings, node: GossipNode, listening: Address) -> None:
    """One line for the log, on whose fields scripts may rely; on a terminal, what to do next."""
    _tell_openness(settings, listening)
    own = node.node
    public = own.gossip_advertise_addr
    scheme = "http" if settings.tls.certificate is None else "https"
    url = f"{scheme}://{listening if any(listening.packed) else public}/"
    log.info(
        "node started",
        url=url,
        node_id=own.node_id,
        generation=own.generation,
        cluster_id=settings.cluster_id,
        listen_addr=str(listening),
        public_addr=str(public),
        seeds=list(settings.seed),
        data_dir=str(settings.data_dir) if settings.data_dir else None,
        version=version("coterie"),
    )
    if sys.stdout.isatty():
        console = f"    open the console  {url}ui/\n" if settings.console.enabled else ""
        sys.stdout.write(
            f"\n  A node of the cluster {settings.cluster_id!r} is up; Ctrl-C stops it. From another terminal:\n\n"
            f"    see the cluster   {shell_command()} status --address {url.removeprefix('http://').rstrip('/')}\n"
            f"{console}"
            f"    set a key         curl '{url}set_kv?key=hello&value=world'\n"
            f"    add a node        {shell_command()} --listen_addr {public._replace(port=0)} --seed {public}\n\n"
        )
        sys.stdout.flush()
