"""Puts the HTTP face under `/v1` together."""

from __future__ import annotations

from fastapi import FastAPI

from coterie.app.v1.cluster import add_cluster
from coterie.app.v1.context import Context
from coterie.app.v1.key_routes import add_key_routes
from coterie.app.v1.leases import add_leases
from coterie.app.v1.leaving_routes import add_leaving
from coterie.app.v1.live.openapi import add_message_schemas
from coterie.app.v1.live.socket import Ping, Subscribe, add_socket
from coterie.app.v1.live.sse import add_events
from coterie.app.v1.members import add_members
from coterie.app.v1.queue_routes import add_queues
from coterie.app.v1.raft_routes import add_raft
from coterie.app.v1.tokens import add_tokens
from coterie.app.v1.txn import add_txn
from coterie.app.v1.watching import add_watch


def add_v1(app: FastAPI, context: Context) -> None:
    """Add what is documented, and served where the front does not."""
    app.state.context = context
    for add in (
        add_members,
        add_cluster,
        add_events,
        add_socket,
        add_key_routes,
        add_txn,
        add_watch,
        add_leases,
        add_queues,
        add_raft,
        add_tokens,
        add_leaving,
    ):
        add(app, context)
    add_message_schemas(app, (Subscribe, Ping))
