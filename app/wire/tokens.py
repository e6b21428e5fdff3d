"""Tokens: their text and hashes, their rules, and the bodies and answers of `/v1/tokens`.

A token is `coterie_<id>_<64 hexadecimal digits>`. Only its hash is kept, in TOML and in the metadata. A plain hash is
enough: the secret part has 256 random bits, which nobody finds by trying. Slow password hashes are for what people make
up, and would cost every request milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Literal

from coterie.app.wire.base import Answer, Body, Doc

SECRET_BYTES = 32

ID_FORM = r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}"
_TOKEN = re.compile(rf"coterie_({ID_FORM})_[0-9a-f]{{64}}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def new_id() -> str:
    return secrets.token_hex(8)


def new_token(token_id: str) -> str:
    return f"coterie_{token_id}_{secrets.token_hex(SECRET_BYTES)}"


def hash_of(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def id_of(token: str) -> str | None:
    """The id that a token names; None for what is no token."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else found[1]


def is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Whether two hashes are equal, in a time that tells nothing."""
    return hmac.compare_digest(one, other)


# -- rules, bodies and answers -----------------------------------------------------------------------------------------

MAX_SECONDS = 10**9

Layer = Literal["gossip", "metadata", "locks", "cluster", "tokens", "*"]
Action = Literal["read", "write", "admin"]

_ORDER: dict[str, int] = {"read": 0, "write": 1, "admin": 2}

ANY_LAYER = "any"
"""Of a right: one rule, whatever it allows, is enough."""

TokenId = Annotated[str, Doc(examples=["deploy"])]


class Rule(Answer, frozen=True):
    """What a token allows."""

    layer: Annotated[str, Doc(Layer, examples=["metadata"])]
    """`gossip`: nodes' keys. `metadata`: keys, transactions, watches. `locks`: locks, elections, semaphores, leases.
    `cluster`: members, Raft, metrics. `tokens`: tokens. `*`: all of them."""
    action: Annotated[str, Doc(Action, examples=["write"])]
    """Each includes the ones before it: `read`, `write`, `admin`."""
    prefix: Annotated[str, Doc(max_length=1_024, examples=["jobs/"])] = ""
    """What keys, or names of locks, must start with; empty for all."""

    def grants(self, layer: str, action: str) -> bool:
        """Whether it allows this of what starts with its prefix."""
        return (self.layer in {layer, "*"} or layer == ANY_LAYER) and _ORDER[self.action] >= _ORDER[action]

    def covers(self, other: Rule) -> bool:
        """Whether this allows all that the other does."""
        return self.grants(other.layer, other.action) and other.prefix.startswith(self.prefix)


class TokenBody(Body, frozen=True, kw_only=True):
    """A token to be made."""

    id: Annotated[str | None, Doc(pattern=f"^{ID_FORM}$", examples=["deploy"])] = None
    """Its name, in lists and in the audit log; made up where it is left out."""
    rules: Annotated[tuple[Rule, ...], Doc(min_length=1, max_length=100)]
    """What it allows: what any of them allows."""
    expires_in_seconds: Annotated[float | None, Doc(gt=0, le=MAX_SECONDS, examples=[86_400])] = None
    """Left out: it lasts until it is revoked."""
    description: Annotated[str, Doc(max_length=1_024, examples=["for the deployment job"])] = ""


class RotateBody(Body, frozen=True):
    """How to replace a token."""

    keep_seconds: Annotated[float, Doc(ge=0, le=MAX_SECONDS, examples=[300])] = 0
    """For how long the former secret goes on working beside the new one."""


class Token(Answer, frozen=True):
    """A token, without its secret."""

    id: TokenId
    rules: tuple[Rule, ...]
    description: str
    created: float
    """Unix seconds, by the clock of the node that made it."""
    expires: float | None
    """Unix seconds; null: never."""
    maker: TokenId | None = None
    """The token of the metadata that made it, with which it ends; null where that was another, or none."""


class NewToken(Token, frozen=True, kw_only=True):
    """A token with its secret, which is shown this once."""

    token: Annotated[str, Doc(examples=["coterie_deploy_" + "0" * 64])]
    """For `Authorization: Bearer <token>`."""

    def __repr__(self) -> str:
        return f"NewToken(id={self.id!r}, token=<secret>)"


class TokenList(Answer, frozen=True):
    """All tokens of the metadata, by id."""

    tokens: tuple[Token, ...]


class OwnToken(Answer, frozen=True):
    """Who asks."""

    id: TokenId
    """The token's, or `anonymous`."""
    rules: tuple[Rule, ...]
    """All that is allowed, what is allowed without a token included."""


class RevokedToken(Answer, frozen=True):
    """It holds nowhere any more, as soon as each node applies this."""

    revoked: str
