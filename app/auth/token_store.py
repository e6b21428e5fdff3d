"""Tokens in the metadata: a key each, under the system's prefix, which no client reads or writes as a key."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from coterie.app.auth.rules import read_rule
from coterie.app.wire.tokens import Rule, same
from coterie.consensus.store import RESERVED_PREFIX, Record, State, prefix_end

PREFIX = RESERVED_PREFIX + b"tokens/"

MAX_LINEAGE = 8
"""Tokens in a row of which each made the next: so far their makers are followed."""


class StoredHash(msgspec.Struct, frozen=True):
    hash: str
    until: float | None = None
    """Unix seconds, for one that was replaced; None: as long as the token."""


class StoredToken(msgspec.Struct, frozen=True):
    """What is kept of a token."""

    id: str
    hashes: tuple[StoredHash, ...]
    """The newest first."""
    rules: tuple[dict[str, str], ...]
    created: float
    """Unix seconds, by the clock of the node that made it; so are the other times."""
    expires: float | None = None
    description: str = ""
    maker: str = ""
    """The id of the token of the metadata that made it; empty where that was another, or none."""
    maker_created: float = 0.0

    def has(self, token_hash: str, now: float) -> bool:
        """Whether this is one of its hashes, and still good. Compares all of them: the time tells nothing."""
        good = False
        for kept in self.hashes:
            good |= same(kept.hash, token_hash) and (kept.until is None or now < kept.until)
        return good and (self.expires is None or now < self.expires)

    def read_rules(self) -> tuple[Rule, ...]:
        """Rules of a later release, which this one does not know, allow nothing."""
        return tuple(read_rule(rule) for rule in self.rules if _known(rule))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredToken).decode


def key_of(token_id: str) -> bytes:
    return PREFIX + token_id.encode()


def encode(token: StoredToken) -> bytes:
    return _encode(token)


def read(record: Record) -> StoredToken | None:
    """None for what this release cannot read."""
    try:
        return _decode(record.value)
    except msgspec.MsgspecError:
        return None


def find(state: State, token_id: str) -> StoredToken | None:
    record = state.get(key_of(token_id))
    return None if record is None else read(record)


def in_force(state: State, token: StoredToken, now: float) -> bool:
    """Whether it and all the tokens that it comes from are there, and in time."""
    for _ in range(MAX_LINEAGE):
        if token.expires is not None and now >= token.expires:
            return False
        if not token.maker:
            return True
        maker = find(state, token.maker)
        if maker is None or maker.created != token.maker_created:
            return False
        token = maker
    return False


def lineage(state: State, token: StoredToken) -> list[str]:
    """The ids of the tokens that it comes from, its maker first."""
    found: list[str] = []
    while token.maker and len(found) < MAX_LINEAGE:
        found.append(token.maker)
        maker = find(state, token.maker)
        if maker is None or maker.created != token.maker_created:
            break
        token = maker
    return found


def all_tokens(state: State, most: int) -> list[StoredToken]:
    """By id."""
    records = state.range(PREFIX, prefix_end(PREFIX), limit=most).records
    return [token for token in map(read, records) if token is not None]


def is_hidden(key: bytes) -> bool:
    """Of the metadata's keys: whether it is none for clients, not even to be read."""
    return key.startswith(PREFIX)


def rule_to_json(rule: Rule) -> dict[str, str]:
    return {"layer": rule.layer, "action": rule.action, "prefix": rule.prefix}


def _known(rule: dict[str, Any]) -> bool:
    try:
        read_rule(rule)
    except ValueError:
        return False
    return True


def now() -> float:
    return time.time()
