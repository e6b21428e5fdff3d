"""Runs a node: its sockets, its identity, then gossip and HTTP in one event loop, until a signal stops it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import string
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import structlog

from coterie.app.api.app import create_app
from coterie.app.api.cluster.leave import GracefulLeave, LeaveResult
from coterie.app.api.cluster.purge import follow_purges
from coterie.app.auth.authority import Authority
from coterie.app.http.forwarding import Forwarder
from coterie.app.http.protocol import HEALTH_CONNECTIONS
from coterie.app.http.server import MAX_HANDSHAKES, HttpServer
from coterie.app.http.tls.context import Tls, TlsError
from coterie.app.node import garbage_collection
from coterie.app.node.etcd_api import EtcdPart
from coterie.app.node.gossip_trust import GossipTrust
from coterie.app.node.listening import BindError, Sockets, open_etcd_socket, open_sockets
from coterie.app.node.open_files import allow_open_files
from coterie.app.node.raft_agent import agent_config, open_agent
from coterie.app.node.reloadable import register_node
from coterie.app.node.reloading import Reloader, ReloadError
from coterie.app.node.start_message import is_loopback, report_start
from coterie.app.node.storage.cluster_pin import open_pin
from coterie.app.node.storage.data_dir import DataDir, DataDirError, NodeIdentity
from coterie.app.node.storage.gossip_persistence import GossipPersistence, restore
from coterie.app.observability.health import Health
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.pin import ClusterPin
from coterie.app.settings.settings import Settings
from coterie.app.settings.tables import HttpSettings
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.raft.errors import RaftError
from coterie.gossip import Address, Engine, GossipNode, NodeId

if TYPE_CHECKING:
    from coterie.app.observability.otel import OtelTracer

RANDOM_NAME_CHARACTERS = 6

log = structlog.stdlib.get_logger("coterie")


def run_node(settings: Settings, load: Callable[[], Settings]) -> None:
    """Run a node until SIGINT or SIGTERM, as the last thing that the process does. `load` reads the settings again.

    Raises BindError and DataDirError before anything is started.
    """
    # The data directory first: where a second node is started on it, that is what to say, not that its port is taken.
    data_dir = DataDir(settings.data_dir) if settings.data_dir else None
    beside = HEALTH_CONNECTIONS + (0 if settings.tls.certificate is None else MAX_HANDSHAKES)
    listeners = 1 if settings.etcd.listen_addr is None else 2
    open_files = allow_open_files(listeners * (settings.http.max_connections + beside))
    affordable = max(1, open_files // listeners - beside)
    http = settings.http.model_copy(update={"max_connections": affordable})
    sockets = open_sockets(settings.listen_addr, settings.http.backlog)
    etcd_socket = open_etcd_socket(settings.etcd.listen_addr, settings.http.backlog)
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
    loop.run_until_complete(_serve(settings, http, load, node, sockets, etcd_socket, data_dir))
    loop.run_until_complete(_cancel_other_tasks())
    log.info("node stopped", node_id=identity.node_id)


def _take_up_keys(settings: Settings, engine: Engine, data_dir: DataDir | None) -> None:
    if data_dir is not None:
        restore(engine, data_dir.path, settings.persistence, settings.key_values)
        return
    for key, value in settings.key_values.items():
        engine.set(key, value, time.monotonic())


def _open_persistence(settings: Settings, engine: Engine, data_dir: DataDir | None) -> GossipPersistence | None:
    if data_dir is None or not settings.persistence.enabled:
        return None
    return GossipPersistence(engine, data_dir.path, settings.persistence, settings.key_values)


async def _serve(
    settings: Settings,
    http: HttpSettings,
    load: Callable[[], Settings],
    node: GossipNode,
    sockets: Sockets,
    etcd_socket: socket.socket | None,
    data_dir: DataDir | None,
) -> None:
    """`http`: with as many connections as the system has descriptors for."""
    tls = _open_tls(settings)
    tracer = _open_tracer(settings, node)
    trust = GossipTrust.of(settings, sockets.address)
    agent = _open_agent(settings, node, sockets.address, data_dir, tls, tracer, trust)
    pin = open_pin(data_dir.path) if agent is None and data_dir is not None else ClusterPin()
    part = LocalRaft(node, agent, GossipView(node, trust.keys, believed=trust.believed), pin)
    stopping = asyncio.Event()
    figures, loop_lag = HttpMetrics(), LoopLag()
    health = Health(node, part, stopping, settings.health.max_staleness)
    graceful_leave = GracefulLeave(node, part, settings.leave, stopping, health)
    forwarder = Forwarder(
        node.node.node_id, part, http, stopping, tracer, tls, trust.of_peers(lambda: authority.is_open)
    )
    authority = _authority(settings, node, part, forwarder, sockets.address)
    etcd = EtcdPart(settings, etcd_socket, tls)
    server = HttpServer(
        create_app(
            node,
            http,
            settings.raft,
            part,
            stopping,
            health=health,
            figures=figures,
            loop_lag=loop_lag,
            graceful_leave=graceful_leave,
            forwarder=forwarder,
            authority=authority,
            live_settings=settings.live,
            console=settings.console.enabled,
            tracer=tracer,
            etcd=lambda context: etcd.make(context, http, figures),
        ),
        http,
        figures,
        settings.live,
        lambda: report_start(settings, node, sockets.address, etcd.address),
        stopping,
        None if tls is None else tls.server,
    )
    watching = asyncio.create_task(loop_lag.watch(), name="event loop lag")
    guarding = asyncio.create_task(authority.watch(), name="tokens of open streams")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, server.stop)
    loop.add_signal_handler(signal.SIGTERM, _SigtermHandler(graceful_leave, server.stop).signalled)
    follow_purges(node)
    if agent is not None:
        await _start_agent(agent)
        garbage_collection.tune()
    persistence = _open_persistence(settings, node.engine, data_dir)
    reloader = Reloader(settings, load)
    register_node(reloader, node, graceful_leave, persistence)
    reloader.register(
        ["auth.anonymous", "auth.tokens", "auth.max_tokens", "auth.cache_seconds"],
        lambda settings: lambda: authority.swap(settings.auth),
    )
    if tls is not None:
        reloader.register([], partial(_reload_tls, tls), always=True)
    loop.add_signal_handler(signal.SIGHUP, reloader.reload)
    await node.start()
    etcd.start(node)
    if persistence is not None:
        persistence.start()
    try:
        await server.serve(sockets=[sockets.tcp])
    finally:
        await etcd.stop()
        watching.cancel()
        guarding.cancel()
        authority.audit.close()
        forwarder.close()
        if agent is not None:
            await agent.stop()
        await node.stop()
        await pin.kept()
        if persistence is not None:
            await persistence.stop()
        if tracer is not None:
            tracer.shut_down()


def _open_tracer(settings: Settings, node: GossipNode) -> OtelTracer | None:
    if settings.tracing.endpoint is None:
        return None
    from coterie.app.observability.otel import OtelTracer  # noqa: PLC0415 - an optional extra, and half a second

    return OtelTracer(settings.tracing, node.node.node_id)


def _authority(
    settings: Settings, node: GossipNode, part: LocalRaft, forwarder: Forwarder, listening: Address
) -> Authority:
    def is_known(address: str) -> bool:
        return any(state.id.gossip_advertise_addr.host == address for state in node.engine.states)

    try:
        return Authority(settings.auth, part, is_known, forwarder.ask, on_loopback=_only_here(settings, listening))
    except OSError as error:
        raise DataDirError(f"auth.audit_file {settings.auth.audit_file}: {error.strerror or error}") from None


def _only_here(settings: Settings, listening: Address) -> bool:
    """Whether only this machine reaches the node's APIs."""
    return all(map(is_loopback, filter(None, (listening, settings.etcd.listen_addr))))


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
    settings: Settings,
    node: GossipNode,
    listening: Address,
    data_dir: DataDir | None,
    tls: Tls | None,
    tracer: OtelTracer | None,
    trust: GossipTrust,
) -> Agent | None:
    if not settings.raft.enabled or data_dir is None:
        return None
    config = agent_config(settings, listening, node.node.gossip_advertise_addr, trust, tls, tracer)
    try:
        return open_agent(node, data_dir.path, config)
    except (RaftError, OSError) as error:
        raise DataDirError(str(error)) from None


async def _start_agent(agent: Agent) -> None:
    try:
        await agent.start()
    except OSError as error:
        host, port = agent.config.listen
        raise BindError(
            f"raft.listen_addr {Address(host, port)}: {error.strerror or error}; choose another one"
        ) from None


class _SigtermHandler:
    """What SIGTERM does: at the first time what is set, at the second it just stops the node."""

    def __init__(self, graceful_leave: GracefulLeave, stop: Callable[[], None]) -> None:
        self._graceful_leave = graceful_leave
        self._stop = stop
        self._leaving: asyncio.Task[LeaveResult] | None = None

    def signalled(self) -> None:
        on_sigterm = self._graceful_leave.settings.on_sigterm
        if on_sigterm == "stop" or self._leaving is not None:
            self._stop()
            return
        keep_vote = on_sigterm == "goodbye"
        self._leaving = asyncio.create_task(self._graceful_leave.leave(keep_vote=keep_vote), name="terminating")


async def _cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - it is not to be had everywhere
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _public_address(settings: Settings, listening: Address) -> Address:
    public = settings.public_addr or listening
    return public if public.port else public._replace(port=listening.port)


def _identity(settings: Settings, data_dir: DataDir | None, public: Address) -> NodeIdentity:
    def generate() -> str:
        alphabet = string.ascii_lowercase + string.digits
        return f"server:{public}-{''.join(secrets.choice(alphabet) for _ in range(RANDOM_NAME_CHARACTERS))}"

    if data_dir is not None:
        return data_dir.next_identity(settings.node_id, generate, time.time())
    return NodeIdentity(settings.node_id or generate(), int(time.time()))
