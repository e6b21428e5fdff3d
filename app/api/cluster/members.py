"""`/v1/members`: the nodes of the cluster, as this node sees them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import FastAPI, Path
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.keys.gossip import find_node
from coterie.app.api.parameters.declared import answer
from coterie.app.api.parameters.documenting import errors
from coterie.app.wire.cluster import ClusterMember, Members
from coterie.app.wire.errors import Code
from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.gossip import GossipNode, NodeState


def status_of(node: GossipNode, state: NodeState, said: Announcement | None) -> str:
    """What a node is taken for."""
    if state.left:
        return "left"
    if state is node.engine.own or state.liveness.alive:
        return "live"
    if said is not None and said.role == "left":
        return "left"
    return "dead" if state.liveness.ever_alive else "joining"


def show_member(context: Context, state: NodeState, now: float, said: Announcement | None, role: str) -> dict[str, Any]:
    """One incarnation of a node; `said`: what it announces of its part in Raft, `role`: what that part is."""
    node, liveness = context.node, state.liveness
    own = state is node.engine.own
    status = status_of(node, state, said)
    phi = None if own else node.engine.phi(state, now)
    silent = 0.0 if own else None if liveness.last_arrival is None else now - liveness.last_arrival
    return {
        "node_id": state.id.node_id,
        "generation": state.id.generation,
        "gossip_advertise_addr": str(state.id.gossip_advertise_addr),
        "status": status,
        "phi": None if phi is None else round(phi, 3),
        "last_heartbeat_seconds": None if silent is None else round(silent, 3),
        "heartbeat": state.heartbeat,
        "max_version": state.max_version,
        "last_gc_version": state.last_gc_version,
        "keys": sum(1 for kv in state.key_values.values() if kv.visible),
        "role": role if status == "live" else None,
    }


def add_members(app: FastAPI, context: Context) -> None:
    view = GossipView(context.node)

    def show(states: list[NodeState]) -> list[dict[str, Any]]:
        now = time.monotonic()
        said = {(each.node, each.generation): each.announcement for each in view.observations(now).all}
        roles = {each.node_id: each.role for each in context.raft.picture().members}
        return [
            show_member(
                context,
                state,
                now,
                said.get((state.id.node_id, state.id.generation)),
                roles.get(state.id.node_id, "client"),
            )
            for state in states
        ]

    @app.get(
        "/v1/members",
        summary="The nodes of the cluster",
        operation_id="list_members",
        response_model=Members,
        response_description="All known nodes",
        tags=["members"],
    )
    async def list_members() -> Response:
        """All nodes that this node knows, the dead ones included for as long as they are remembered."""
        engine = context.node.engine
        return answer(
            {
                "cluster_id": engine.config.cluster_id,
                "node_id": context.node.node.node_id,
                "members": show(list(engine.states)),
            }
        )

    @app.get(
        "/v1/members/{node_id:path}",
        summary="One node",
        operation_id="get_member",
        response_model=ClusterMember,
        response_description="The node",
        responses=errors(Code.INVALID_ENCODING, Code.NODE_NOT_FOUND),
        tags=["members"],
    )
    async def get_member(node_id: Annotated[str, Path(description="Its name.", examples=["node1"])]) -> Response:
        """The node of this name: of several incarnations a live one, or else the latest."""
        return answer(show([find_node(context.node, node_id)])[0])
