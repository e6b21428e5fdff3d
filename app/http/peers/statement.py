"""What a node states of itself to others, `GET /v1/raft/statement`, and how it is proved (raft spec 4, proofs).

Whoever asks sends a nonce and the address that it calls, and, with a secret, proves that it knows it. The answer
carries a proof in a header where the question did, and the address is the node's own: so nobody can hand the question
on to the real leader and pass its answer off as an own one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import h11
import msgspec

from coterie.app.http.peers.connection import PeerConnection
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.gossip import Address

PATH = "/v1/raft/statement"

PROOF_HEADER = "Coterie-Proof"

NONCE_CHARS = 32

MAX_BYTES = 8_192
"""Of an answer: two names of 1,024 bytes, escaped, and as many clusters as may be named."""


class Statement(msgspec.Struct, frozen=True):
    """What a node is, now."""

    node_id: str
    generation: int
    cluster_id: str | None = None
    """The Raft cluster that it belongs to."""
    member_id: str | None = None
    leading: bool = False
    term: int = 0
    replaces: tuple[str, ...] = ()


_decode = msgspec.json.Decoder(Statement).decode


class NotProvedError(Exception):
    """Who answers is not whom it should be; the message says why, without a subject."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A statement, and whether it was proved by the secret."""

    statement: Statement | None
    """None: an earlier release, which makes none."""
    proved: bool


async def ask_for_statement(connection: PeerConnection, address: Address, keys: SecretKeys | None) -> Answered:
    """Raises NotProvedError for an answer that is none, and FAILURES."""
    nonce, where = secrets.token_hex(NONCE_CHARS // 2), str(address)
    query = f"nonce={nonce}&address={where}"
    if keys is not None:
        query += f"&proof={keys.question(nonce, where)}"
    head = h11.Request(method=b"GET", target=f"{PATH}?{query}".encode(), headers=[(b"host", where.encode())])
    response, body = await connection.ask(head, MAX_BYTES)
    if response.status_code != 200:
        return Answered(None, proved=False)
    shown = next((value for name, value in response.headers if name == PROOF_HEADER.lower().encode()), b"")
    proved = keys is not None and secrets.compare_digest(shown, keys.answer(nonce, where, body).encode())
    try:
        return Answered(_decode(body), proved)
    except msgspec.MsgspecError:
        raise NotProvedError("does not answer as a node does") from None
