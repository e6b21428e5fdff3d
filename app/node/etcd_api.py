"""etcd's API of a node: made with the node's own, served on a socket of its own where one is set."""

from __future__ import annotations

import asyncio
import socket

from starlette.types import ASGIApp

from coterie.app.api.context import Context
from coterie.app.etcd.advertising import advertise, default_url
from coterie.app.etcd.listener import EtcdApi, etcd_server
from coterie.app.http.server import HttpServer
from coterie.app.http.tls.context import Tls
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.settings import Settings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, GossipNode


class EtcdPart:
    def __init__(self, settings: Settings, listening: socket.socket | None, tls: Tls | None) -> None:
        """`listening`: None where it is not served; other nodes' requests are answered nevertheless."""
        self._settings = settings
        self._socket = listening
        self._tls = tls
        self._server: HttpServer | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> Address | None:
        """Where it is served."""
        if self._socket is None or self._settings.etcd.listen_addr is None:
            return None
        return self._settings.etcd.listen_addr._replace(port=self._socket.getsockname()[1])

    def make(self, context: Context, limits: HttpSettings, figures: HttpMetrics) -> ASGIApp:
        """With the node's own API. Returns what answers other nodes' requests."""
        api = EtcdApi(context, self._settings.etcd, tls=self._tls is not None)
        if self._socket is not None:
            tls = None if self._tls is None else self._tls.etcd_server
            self._server = etcd_server(
                api, context.authority, limits, figures, self._settings.live, context.stopping, tls
            )
        return api.forwarded

    def start(self, node: GossipNode) -> None:
        """Begin to serve, and tell the other nodes where."""
        address = self.address
        if self._server is None or self._socket is None or address is None:
            advertise(node, ())
            return
        public = node.node.gossip_advertise_addr
        urls = self._settings.etcd.advertise_urls or (default_url(public, address.port, tls=self._tls is not None),)
        advertise(node, urls)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="etcd API")

    async def stop(self) -> None:
        """Return once all is answered, or cut short; the node is stopping."""
        if self._serving is not None and self._server is not None:
            self._server.stop()
            await asyncio.gather(self._serving, return_exceptions=True)
