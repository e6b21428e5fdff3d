"""`GET /v1/raft/statement`: what this node is, for other nodes, proved where the question was (raft spec 4, proofs)."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from fastapi import FastAPI, Query
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.http.peers.statement import PATH, PROOF_HEADER, Statement
from coterie.app.wire.cluster import RaftStatement

_encode = msgspec.json.Encoder().encode

_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def state(context: Context) -> Statement:
    own, raft = context.node.node, context.raft
    status, clusters = raft.status(), raft.clusters
    if status is None or not clusters:
        return Statement(own.node_id, own.generation)
    return Statement(
        own.node_id,
        own.generation,
        cluster_id=clusters[0],
        member_id=status.member,
        leading=status.role == "leader",
        term=status.term,
        replaces=tuple(clusters[1:]),
    )


def add_statement(app: FastAPI, context: Context) -> None:
    @app.get(
        PATH,
        summary="What this node is",
        operation_id="get_raft_statement",
        response_model=RaftStatement,
        response_description="Its identity, and its place in the Raft layer",
        tags=["raft"],
    )
    async def get_raft_statement(
        nonce: Annotated[
            str, Query(max_length=128, description="Drawn anew for each question.", examples=["5f2b8c01"])
        ] = "",
        address: Annotated[
            str, Query(max_length=128, description="The address that is called.", examples=["10.0.0.7:8080"])
        ] = "",
        proof: Annotated[
            str, Query(max_length=128, description="That the caller has this node's secret.", examples=["9d1c77ab"])
        ] = "",
    ) -> Response:
        """For other nodes, before they send requests on; it takes no token. Where the question proves `raft.secret`,
        and was sent to this node's own address, so does the header `Coterie-Proof` of the answer."""
        body, headers = _encode(state(context)), dict(_JSON)
        keys = context.forwarder.keys
        if keys is not None and address == str(context.node.node.gossip_advertise_addr):
            asked = keys.question(nonce, address)
            if secrets.compare_digest(proof.encode(errors="replace"), asked.encode()):
                headers[PROOF_HEADER] = keys.answer(nonce, address, body)
        return Response(body, headers=headers)
