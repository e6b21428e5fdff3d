"""A key of a shared secret, derived at a cost.

Whoever sees what the key made can guess at the secret, and each guess costs as much. A random one is not guessed.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import scrypt
from typing import Final

COST: Final = 2**14
"""With blocks of 8: 16 MiB, and about 40 ms, for each guess."""


@lru_cache(maxsize=16)
def stretched(secret: bytes, salt: bytes) -> bytes:
    """64 bytes. `salt`: for what the key is; another salt gives another key."""
    return scrypt(secret, salt=salt, n=COST, r=8, p=1)
