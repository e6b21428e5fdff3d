"""Live updates in the OpenAPI document: the texts of both transports, an example, the schemas of the messages."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from coterie.app.wire.live.events import AnyEvent
from coterie.app.wire.live.messages import live_message
from coterie.app.wire.live.samples import LiveModel

_COMMON = """
First comes `hello`, then a snapshot in parts (`members`, `raft`, `gossip`, `metadata`, `queues`), then `ready`, then \
events as things happen, samples of what moves all the time (`phi`, `leases`), and a `heartbeat`. Three kinds of \
samples come only to clients that name them in `kinds`, once a second (`live.figures_interval`): `gossip_links` (this \
node's handshakes with its peers), `convergence` (who holds which versions) and `figures` (rates and latencies of this \
node). Every event brings \
the whole new state of its subject, and may repeat what the snapshot shows: take each for what holds now.

Events have ids. A client that comes back with the last one misses nothing, as long as `live.buffer_events` reaches \
back so far; otherwise `hello` says `resumed: false` and why, and a new snapshot follows. Ids are this node's own. \
What a client holds of the metadata carries over to any node by its `revision`.

A client is told what its token may read, and has to be able to read something: `hello` names the kinds that are \
withheld, and what keys and names of locks are told where these are not all. `members`, `phi`, `raft`, `decisions`, \
`gossip_links`, `convergence` and `figures` take read in the layer cluster, `gossip` and `metadata` in the layer of \
that name, `queues` and `leases` in locks; prefixes of rules hold as they do for requests. To name a withheld kind is \
refused (`forbidden`). Where the token comes to allow less, the connection ends, and a new one tells what is left.

A client that takes events too slowly is told so (`end` with the code `too_slow`) and dropped; nobody waits for it. At \
a node that takes no part in Raft `raft` is what gossip tells of it, and `metadata`, `queues`, `leases` and \
`decisions` are empty (`hello.metadata` is false): `GET /v1/watch` serves those at every node."""

EVENTS_TEXT = (
    "What a page needs to draw the cluster and keep the drawing true. The name of each server-sent event is the `type` "
    "of its message, or the `kind` of an event; the data is one JSON object, as the schema `LiveMessage` (and "
    "`AnyEvent` for single events) describes it.\n" + _COMMON
)

SOCKET_TEXT = (
    "The same as `GET /v1/events`, over a WebSocket: each message is one JSON object, as the schema `LiveMessage` "
    "describes it. A client may send `Subscribe`, which replaces what was asked for before, and `Ping`. Closed with "
    "1013 where a client was too slow, with 1001 where the node stops, with 1008 where its token is no longer good, or "
    "(with the reason `rights_changed`) good for less than it was: then connect again. "
    "A page, which cannot set `Authorization` here, shows its token as a subprotocol: "
    '`new WebSocket(url, ["coterie.live.v1", token])`.\n' + _COMMON
)

EVENTS_EXAMPLE = """retry: 1000

event: hello
data: {"type":"hello","node_id":"node1","epoch":"5f0c1d2e","resumed":false,"reason":"first","kinds":["members"],\
"prefix":"","withheld":[],"within":{},"heartbeat_seconds":10.0,"metadata":true}

event: snapshot
data: {"type":"snapshot","part":"members","cluster_id":"testing","node_id":"node1","members":[]}

id: 5f0c1d2e-16
event: ready
data: {"type":"ready","id":"5f0c1d2e-16","revision":17,"left_out":[]}

id: 5f0c1d2e-17
event: members
data: {"id":"5f0c1d2e-17","kind":"members","time":1769000000.125,"change":"dead","member":{"node_id":"node2",\
"generation":1673612345,"gossip_advertise_addr":"127.0.0.1:10002","status":"dead"}}

"""


def add_message_schemas(app: FastAPI, said_by_clients: tuple[type[LiveModel], ...]) -> None:
    """Put the messages' schemas into the OpenAPI document: no operation's answer refers to them by itself."""
    make = app.openapi
    template = "#/components/schemas/{model}"

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = make()
        schemas = document["components"]["schemas"]
        models: list[tuple[str, str | None, TypeAdapter[Any]]] = [
            ("LiveMessage", "Everything that a client of live updates may be told.", live_message),
            ("AnyEvent", "Any event of live updates.", TypeAdapter[AnyEvent](AnyEvent)),
            *((model.__name__, model.__doc__, TypeAdapter(model)) for model in said_by_clients),
        ]
        for name, about, adapter in models:
            schema = adapter.json_schema(ref_template=template)
            for each, definition in schema.pop("$defs", {}).items():
                schemas.setdefault(each, definition)
            schemas.setdefault(name, {"description": about, **schema})
        return document

    app.openapi = openapi  # type: ignore[method-assign]
