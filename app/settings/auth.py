"""Settings of authentication and authorization: the TOML table `[auth]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from coterie.app.settings.types import Count, Seconds, Table
from coterie.app.wire.tokens import ID_FORM, Rule, is_hash


def _hash(value: object) -> object:
    # Its own words: it may be the token itself that was written here.
    if not isinstance(value, str) or not is_hash(value):
        raise ValueError("hash must be sha256: and 64 hexadecimal digits, as `coterie token new` prints it")
    return value


def _id(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(ID_FORM, value):
        raise ValueError("id must be 1 to 64 letters, digits, dots or dashes, and begin with a letter or digit")
    return value


class TokenSetting(Table):
    """A token of the configuration."""

    id: Annotated[str, BeforeValidator(_id)]
    hash: Annotated[str, BeforeValidator(_hash)]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


def _once(value: tuple[TokenSetting, ...]) -> tuple[TokenSetting, ...]:
    ids = [token.id for token in value]
    if len(set(ids)) < len(ids):
        raise ValueError("must hold each id once")
    return value


class AuthSettings(Table):
    """Who may do what over HTTP."""

    anonymous: Literal["auto", "none", "read", "write", "admin"] = "auto"
    """What is allowed without a token: up to reading, writing or everything. "auto" is "admin" where listen_addr is a
    loopback address, which only this machine reaches, and "none" elsewhere."""
    tokens: Annotated[tuple[TokenSetting, ...], AfterValidator(_once)] = ()
    """Tokens that hold on this node: id, hash and rules, as `coterie token new` prints them. With the Raft layer one is
    enough, the same on all nodes: it makes the others (POST /v1/tokens), which hold everywhere."""
    max_tokens: Count = 1_000
    """Most tokens in the metadata."""
    cache_seconds: Seconds = 5.0
    """For how long a node with Raft off relies on what the leader said of a token: so long a revoked one may last."""
    max_tries: Count = 20
    """How many wrong tokens an address (of IPv6 its /64) may show within tries_window; more are answered 429. A node
    that passes requests on may show 50 times as many."""
    tries_window: Seconds = 60.0
    """See max_tries."""
    max_addresses: Count = 10_000
    """How many addresses are remembered for max_tries; the ones that were silent longest are forgotten."""
    audit_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """File that gets a JSON line for each refused and each administrative request; it may be rotated by renaming.
    Unset: they go to the log."""
    audit_refusals_per_second: Count = 10
    """Most lines for refused requests of one token, and of all requests without a good token together, over ten
    seconds; the next line says how many were left out."""
