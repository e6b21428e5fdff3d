"""Tokens: `coterie_<id>_<64 hexadecimal digits>`. Only their hashes are kept, in TOML and in the metadata.

A plain hash is enough: the secret part has 256 random bits, which nobody finds by trying. Slow password hashes are for
what people make up, and would cost every request milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

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
