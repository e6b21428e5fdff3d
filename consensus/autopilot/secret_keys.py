"""What nodes of one Raft secret prove to each other outside Raft's own links (raft spec 4, proofs).

Gossip that is not sealed can be forged by anybody, so each node seals what it announces of Raft: a keyed checksum over
its whole identity, address included, the gossip key and the value. And whoever is asked over HTTP proves the secret
anew over a fresh nonce and the address that was called, so that nothing of it is of use at another address. Whoever
asks proves it first.

The keys are derived at a cost, for a stranger can see checksums and guess. A secret that is drawn at random cannot be.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

from coterie.consensus.raft.net.stretching import stretched

CHECK_BYTES = 18
"""Of a sealed value: 24 characters."""

_MARK = ',"mac":"'
_CHECK_CHARS = CHECK_BYTES * 4 // 3


class SecretKeys:
    def __init__(self, secret: bytes) -> None:
        base = stretched(secret, b"coterie: proofs outside raft's links")
        self._sealing, self._asking, self._answering = (
            hmac.digest(base, label, "sha256") for label in (b"announcements", b"questions", b"answers")
        )

    def seal(self, node: bytes, key: str, text: str) -> str:
        """The JSON object `text` with the checksum as its last field. `node`: the speaker's identity, encoded."""
        return f'{text[:-1]}{_MARK}{self._check(node, key, text)}"}}'

    def is_sealed(self, node: bytes, key: str, value: str) -> bool:
        """Whether `value` was sealed by this identity, for this key."""
        start, _, rest = value.rpartition(_MARK)
        return hmac.compare_digest(
            rest.encode(errors="replace"), (self._check(node, key, start + "}") + '"}').encode()
        ) and bool(start)

    def _check(self, node: bytes, key: str, text: str) -> str:
        said = b"".join(len(part).to_bytes(4, "big") + part for part in (node, key.encode(), text.encode()))
        return urlsafe_b64encode(hmac.digest(self._sealing, said, "sha256")[:CHECK_BYTES]).decode()[:_CHECK_CHARS]

    def question(self, nonce: str, address: str) -> str:
        """Proof of whoever asks; `address`: that is called."""
        return _digest(self._asking, nonce, address, b"")

    def answer(self, nonce: str, address: str, body: bytes) -> str:
        """Proof of whoever answers with `body` at `address`."""
        return _digest(self._answering, nonce, address, body)


def _digest(key: bytes, nonce: str, address: str, body: bytes) -> str:
    return hmac.digest(key, f"{nonce}\0{address}\0".encode() + body, "sha256").hex()
