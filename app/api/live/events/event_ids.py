"""Event ids for clients that may read only a part: encrypted positions in the ring.

A plain number would reveal how much happens of what they may not read. Encrypted (AES-GCM, with a key that is made with
the ring and never leaves it) the same position looks different each time, and decrypts for the same rights alone: a
client that comes back with other rights begins with a snapshot.
"""

from __future__ import annotations

import binascii
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_NUMBER_BYTES = 8
_SEALED_CHARACTERS = (_NONCE_BYTES + _NUMBER_BYTES + 16) // 3 * 4


class EventIdCipher:
    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(128))

    def close(self, number: int, rights: bytes) -> str:
        """`rights`: the same bytes for the same rights."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, number.to_bytes(_NUMBER_BYTES), rights)
        return urlsafe_b64encode(nonce + sealed).decode()

    def open(self, text: str, rights: bytes) -> int | None:
        """The number; None for what was not sealed here for these rights."""
        if len(text) != _SEALED_CHARACTERS:
            return None
        try:
            sealed = urlsafe_b64decode(text)
            return int.from_bytes(self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], rights))
        except (binascii.Error, ValueError, InvalidTag):
            return None
