"""`/v1/cluster`: both layers in one picture."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.parameters import answer
from coterie.app.cli.framework.command_line import PROGRAM
from coterie.app.http.forwarding import MARK
from coterie.app.raft.view import MemberPlace, RaftPicture
from coterie.app.wire.keys import Role
from coterie.app.wire.models import Answer, Node
from coterie.consensus.autopilot.decision_log import DecisionRecord
from coterie.gossip import NodeId

MARK_HEADER = MARK.decode()

MEMBERS = b"/v1/raft/members"

ASK_SECONDS = 1.0
"""For how long the leader is asked what only it knows."""


class DecisionModel(Answer):
    """What was decided of the voters, and why."""

    time: float
    """Unix seconds, by the clock of the leader that decided."""
    action: Annotated[str, Field(examples=["promote"])]
    member_id: str | None
    node_id: Annotated[str | None, Field(examples=["node4"])]
    reason: Annotated[str, Field(examples=["alive and caught up for 10 s"])]
    outcome: Annotated[str, Field(examples=["done"])]


class RaftMemberModel(Answer):
    """A node's place in the Raft layer."""

    node_id: Annotated[str | None, Field(examples=["node4"])]
    """Null for a member whose node gossip does not know."""
    member_id: Annotated[str, Field(examples=["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    """Made once for a data directory."""
    role: Role
    raft_addr: Annotated[str | None, Field(examples=["127.0.0.1:11004"])]
    zone: str
    reason: Annotated[str | None, Field(examples=["stabilizing, 4 s left"])]
    """Why it does not vote; null for a voter."""
    live: bool
    """By gossip."""


class RaftModel(Answer):
    """The Raft layer as this node sees it."""

    enabled: bool
    """Whether this node takes part in it."""
    cluster_id: str | None
    """Made when the cluster was founded; null before."""
    leader: Annotated[str | None, Field(examples=["node1"])]
    """Node id; null while no leader is known."""
    term: int
    quorum: bool | None
    """Whether a majority of the voters is there; null where this node cannot know."""
    membership_epoch: int
    """Counts the changes of the voters."""
    voters: Annotated[list[str], Field(examples=[["node1", "node2", "node3"]])]
    """Node ids, the leader's among them; the member id where the node is not known."""
    observers: Annotated[list[str], Field(examples=[["node4"]])]
    """Live nodes that follow the log without a vote."""
    candidates: list[str]
    """Nodes that wait for a cluster."""
    members: list[RaftMemberModel]
    decisions: list[DecisionModel]
    """The latest, oldest first, as the metadata holds them; empty where this node takes no part."""


class GossipModel(Answer):
    """The gossip layer as this node sees it."""

    cluster_id: Annotated[str, Field(examples=["testing"])]
    live: list[Node]
    dead: list[Node]
    """Those that died, and newcomers that are yet to be heard of a few times."""


class ClusterAnswer(Answer):
    """The cluster as this node sees it."""

    node_id: str
    """The node that answers."""
    version: Annotated[str, Field(examples=["0.1.0"])]
    """Of the program that it runs."""
    gossip: GossipModel
    raft: RaftModel


def show_decision(decision: DecisionRecord) -> dict[str, Any]:
    return {
        "time": decision.at,
        "action": decision.kind,
        "member_id": decision.member,
        "node_id": decision.node or None,
        "reason": decision.reason,
        "outcome": decision.outcome,
    }


def show_raft_member(member: MemberPlace) -> dict[str, Any]:
    return {
        "node_id": member.node_id,
        "member_id": member.member_id,
        "role": member.role,
        "raft_addr": member.raft_addr,
        "zone": member.zone,
        "reason": member.reason,
        "live": member.live,
    }


async def show_raft_members(context: Context, picture: RaftPicture, request: Request) -> list[dict[str, Any]]:
    """All members. Why one does not vote the leader knows best: it is asked, unless this is such a question."""
    forwarded = MARK_HEADER in request.headers
    shown_token = request.headers.get("authorization")
    authorization = None if shown_token is None else shown_token.encode("latin-1")
    shown = [show_raft_member(each) for each in picture.members]
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
        response_model=ClusterAnswer,
        response_description="The cluster as this node sees it",
        tags=["cluster"],
    )
    async def get_cluster(request: Request) -> Response:
        """Who is alive, who votes, who leads, whether there is a majority, why each non-voter does not vote, and the
        last decisions with their reasons."""
        return answer(await show_cluster(context, request))
