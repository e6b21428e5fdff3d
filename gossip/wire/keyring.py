"""Seals datagrams with shared keys, in clusters without chitchat nodes (gossip spec 10).

Sealed datagram: magic `CTS1`, key id (4 bytes), cluster tag (4), session (16), u32 Unix time in seconds, u64 counter,
little-endian; then the message under ChaCha20-Poly1305. The head and the cluster id are authenticated too.

Nonces. A process draws a random session. Each sealed datagram takes the next counter as its nonce. The key that a
session seals with is derived from the shared key, the session and the cluster id. So no pair of key and nonce repeats
over any number of nodes and restarts.

Replays. A receiver takes each counter of a session once, and nothing whose time is more than `replay_window` from its
own clock. So a captured datagram is useless against a node that received it. Against other and restarted nodes it works
for `replay_window` at the most, and gossip orders what it says by version and heartbeat.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from coterie.gossip.errors import ConfigError, WireError

KEY_BYTES = 32
SESSION_BYTES = 16

REPLAY_WINDOW = 60.0
"""Seconds that a sealed datagram's time may differ from this node's clock, by default."""

MAX_KEYS = 16
"""The most keys of a keyring: a rotation needs two or three."""

MAX_SESSIONS = 20_000
"""Sessions of other nodes that are remembered; the one silent for longest is dropped."""

REMEMBERED_COUNTERS = 4_096
"""How many later datagrams of its session may arrive before a datagram."""

_MAGIC = b"CTS1"
_HEAD = struct.Struct("<4s4s4s16sIQ")
_NONCE = struct.Struct("<4xQ")
_TAG_BYTES = 16
_PERSON = b"coterie-gossip-1"

SEAL_BYTES = _HEAD.size + _TAG_BYTES
"""The bytes that sealing adds to a datagram."""


class Plain(Enum):
    """How a node treats unsealed datagrams: the steps by which a running cluster turns sealing on."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    """Seal what is sent, and accept both."""
    SEND = "send"
    """Seal nothing, and accept both."""


class _Session:
    """One sender's process under one key: the derived key, and the counters that were received."""

    __slots__ = ("aead", "highest", "last_time", "seen")

    def __init__(self, aead: ChaCha20Poly1305) -> None:
        self.aead = aead
        self.highest = 0
        self.seen = 0  # bit n: counter highest - n was received
        self.last_time = 0.0

    def is_new(self, counter: int) -> bool:
        behind = self.highest - counter
        return behind < 0 or (behind < REMEMBERED_COUNTERS and not self.seen >> behind & 1)

    def note(self, counter: int) -> None:
        ahead = counter - self.highest
        if ahead > 0:
            kept = self.seen << ahead if ahead < REMEMBERED_COUNTERS else 0
            self.seen = (kept | 1) & ((1 << REMEMBERED_COUNTERS) - 1)
            self.highest = counter
        else:
            self.seen |= 1 << -ahead


class _Key:
    def __init__(self, secret: bytes, cluster_id: bytes) -> None:
        self.id = _derive(secret, b"key id", 4)
        self.cluster_tag = _derive(secret, b"cluster" + cluster_id, 4)
        self._secret = secret
        self._cluster_id = cluster_id

    def session(self, session: bytes) -> ChaCha20Poly1305:
        derived = hashlib.blake2b(
            b"session" + self._cluster_id, digest_size=KEY_BYTES, key=self._secret, salt=session, person=_PERSON
        )
        return ChaCha20Poly1305(derived.digest())


def _derive(secret: bytes, purpose: bytes, size: int) -> bytes:
    return hashlib.blake2b(purpose, digest_size=size, key=secret, person=_PERSON).digest()


class Keyring:
    """The first key seals; any key opens."""

    def __init__(
        self,
        keys: Sequence[bytes],
        cluster_id: str,
        new_session: Callable[[], bytes],
        *,
        plain: Plain = Plain.REFUSE,
        replay_window: float = REPLAY_WINDOW,
    ) -> None:
        """`new_session` returns 16 new random bytes at each call. Raises ConfigError."""
        self.plain = plain
        self.replay_window = replay_window
        self._cluster_id = cluster_id.encode()
        self._new_session = new_session
        self._sessions: OrderedDict[tuple[bytes, bytes], _Session] = OrderedDict()
        self._keys: dict[bytes, _Key] = {}
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """Use other keys from now on. Raises ConfigError, and then changes nothing."""
        if not 1 <= len(keys) <= MAX_KEYS:
            raise ConfigError("keys", f"must be 1 to {MAX_KEYS} keys, not {len(keys)}")
        if any(len(key) != KEY_BYTES for key in keys):
            raise ConfigError("keys", f"must be {KEY_BYTES} bytes each")
        made = [_Key(key, self._cluster_id) for key in keys]
        by_id = {key.id: key for key in made}
        if len(by_id) < len(made):
            raise ConfigError("keys", "must be different ones")
        self._keys = by_id
        for known in [key for key in self._sessions if key[0] not in by_id]:
            del self._sessions[known]
        self._sealing = made[0]
        self._session = self._new_session()
        self._aead = made[0].session(self._session)
        self._counter = 0

    def seal(self, message: bytes, unix_now: float) -> bytes:
        """The datagram that carries a message."""
        if self.plain is Plain.SEND:
            return message
        self._counter += 1
        key = self._sealing
        head = _HEAD.pack(_MAGIC, key.id, key.cluster_tag, self._session, int(unix_now) & 0xFFFFFFFF, self._counter)
        return head + self._aead.encrypt(_NONCE.pack(self._counter), message, head + self._cluster_id)

    def open(self, datagram: bytes, unix_now: float) -> bytes:
        """The message in a datagram. Raises WireError."""
        if datagram[:4] != _MAGIC:
            if self.plain is Plain.REFUSE:
                raise WireError(
                    "not-sealed", "unsealed datagrams are refused: seal them, or set keyring.plain to accept"
                )
            return datagram
        if len(datagram) < SEAL_BYTES:
            raise WireError("seal-truncated", f"a sealed datagram has at least {SEAL_BYTES} bytes")
        _, key_id, cluster_tag, session_id, sent, counter = _HEAD.unpack_from(datagram)
        key = self._keys.get(key_id)
        if key is None:
            raise WireError("seal-wrong-key", "it is sealed with a key that is not in this node's keyring")
        if cluster_tag != key.cluster_tag:
            raise WireError("seal-other-cluster", "it is sealed for another cluster id")
        if abs(unix_now - sent) > self.replay_window:
            raise WireError("seal-stale", f"its time is {unix_now - sent:+.0f} s from here: a replay, or clocks differ")
        known = self._sessions.get((key_id, session_id))
        session = known or _Session(key.session(session_id))
        if not session.is_new(counter):
            raise WireError("seal-replayed", "it was received before")
        head = datagram[: _HEAD.size]
        try:
            message = session.aead.decrypt(_NONCE.pack(counter), datagram[_HEAD.size :], head + self._cluster_id)
        except InvalidTag:
            raise WireError("seal-forged", "it was changed on its way, or sealed without the key") from None
        session.note(counter)
        session.last_time = unix_now
        self._remember((key_id, session_id), session, unix_now)
        return message

    def _remember(self, of: tuple[bytes, bytes], session: _Session, unix_now: float) -> None:
        self._sessions[of] = session
        self._sessions.move_to_end(of)
        # A sender's clock may be ahead by a whole window: only after two windows is all of a session refused.
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if len(self._sessions) <= MAX_SESSIONS and unix_now - oldest.last_time <= 2 * self.replay_window:
                break
            self._sessions.popitem(last=False)
