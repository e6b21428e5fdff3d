"""Puts the HTTP face under `/v1` together."""

from __future__ import annotations

from fastapi import FastAPI

from coterie.app.api.cluster.cluster import add_cluster
from coterie.app.api.cluster.leave_routes import add_leaving
from coterie.app.api.cluster.members import add_members
from coterie.app.api.cluster.raft_routes import add_raft
from coterie.app.api.context import Context
from coterie.app.api.keys.routes import add_key_routes
from coterie.app.api.keys.txn import add_txn
from coterie.app.api.keys.watch import add_watch
from coterie.app.api.live.openapi import add_message_schemas
from coterie.app.api.live.socket import Ping, Subscribe, add_socket
from coterie.app.api.live.sse import add_events
from coterie.app.api.locks.leases import add_leases
from coterie.app.api.locks.routes import add_queues
from coterie.app.api.tokens import add_tokens


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
