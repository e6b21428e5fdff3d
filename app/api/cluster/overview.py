"""`/v1/cluster`: both layers in one picture."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request
from msgspec import to_builtins
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.parameters.declared import answer
from coterie.app.http.forwarding import MARK
from coterie.app.raft.view import RaftPicture
from coterie.app.wire.cluster import Cluster
from coterie.app.wire.names import PROGRAM
from coterie.consensus.autopilot.decision_log import DecisionRecord
from coterie.gossip import NodeId

MARK_HEADER = MARK.decode()

MEMBERS = b"/v1/raft/members"

ASK_SECONDS = 1.0
"""For how long the leader is asked what only it knows."""


def show_decision(decision: DecisionRecord) -> dict[str, Any]:
    return {
        "time": decision.at,
        "action": decision.kind,
        "member_id": decision.member,
        "node_id": decision.node or None,
        "reason": decision.reason,
        "outcome": decision.outcome,
    }


async def show_raft_members(context: Context, picture: RaftPicture, request: Request) -> list[dict[str, Any]]:
    """All members. Why one does not vote the leader knows best: it is asked, unless this is such a question."""
    forwarded = MARK_HEADER in request.headers
    shown_token = request.headers.get("authorization")
    authorization = None if shown_token is None else shown_token.encode("latin-1")
    shown: list[dict[str, Any]] = [to_builtins(each) for each in picture.members]
    votes = all(each.role in {"leader", "voter"} for each in picture.members)
    if forwarded or votes:
        return shown
    told = await context.forwarder.ask_leader(MEMBERS, ASK_SECONDS, authorization)
    if told is None:
        return shown
    reasons = {each["member_id"]: each["reason"] for each in orjson.loads(told)["members"]}
    for each in shown:
        if each["role"] not in {"leader", "voter"}:
            each["reason"] = reasons.get(each["member_id"]) or each["reason"]
    return shown


async def show_cluster(context: Context, request: Request) -> dict[str, Any]:
    engine, picture = context.node.engine, context.raft.picture()

    def named(*roles: str, dead: bool = False) -> list[str]:
        found = (each for each in picture.members if each.role in roles and (dead or each.live))
        return [each.node_id or each.member_id for each in found]

    return {
        "node_id": context.node.node.node_id,
        "version": version(PROGRAM),
        "gossip": {
            "cluster_id": engine.config.cluster_id,
            "live": [_show_node(node) for node in engine.live_nodes],
            "dead": [_show_node(node) for node in engine.dead_nodes],
            "twins": [_show_node(node) for twins in engine.twins.values() for node in twins],
        },
        "raft": {
            "enabled": context.raft.enabled,
            "cluster_id": picture.cluster_id,
            "leader": picture.leader,
            "term": picture.term,
            "quorum": picture.quorum,
            "membership_epoch": picture.membership_epoch,
            "voters": named("leader", "voter", dead=True),
            "observers": named("observer"),
            "candidates": named("candidate"),
            "members": await show_raft_members(context, picture, request),
            "decisions": [show_decision(each) for each in context.raft.decisions()],
        },
    }


def _show_node(node: NodeId) -> dict[str, Any]:
    return {
        "node_id": node.node_id,
        "generation": node.generation,
        "gossip_advertise_addr": str(node.gossip_advertise_addr),
    }


def add_cluster(app: FastAPI, context: Context) -> None:
    @app.get(
        "/v1/cluster",
        summary="Both layers in one picture",
        operation_id="get_cluster",
        response_model=Cluster,
        response_description="The cluster as this node sees it",
        tags=["cluster"],
    )
    async def get_cluster(request: Request) -> Response:
        """Who is alive, who votes, who leads, whether there is a majority, why each non-voter does not vote, and the
        last decisions with their reasons."""
        return answer(await show_cluster(context, request))
