"""One link's protocol, without a socket: handshake with mutual authentication, then numbered and authenticated frames.

Four messages open a link: both hellos, then the caller's proof of the shared secret, then the called side's. A
stranger that calls gets no proof, on which it could try guesses. A proof is over both hellos, nonces included, so
nothing of a former link can be replayed into this one; after that every frame carries a keyed checksum over its number
in its direction, so that no frame can be forged, repeated, dropped, reordered or sent back. Confidentiality is mutual
TLS's, where configured. The hellos also name the kinds of messages that each side understands, so that a later release
never says to an earlier one what that does not know.

A hello that does not say that callers prove first is of an earlier release. The called side then proves the secret with
its own hello, and the keys are of the secret itself. The owner's check refuses such hellos once all members do better.

Layout of a frame: length (4 bytes, big-endian) of the rest, kind (1 byte), body, and once open a checksum (16 bytes).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

import msgspec

from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import FIRST_KINDS, KINDS
from coterie.consensus.raft.net.stretching import stretched

VERSION = 1
NONCE_BYTES = 32
PROOF_BYTES = 32
CHECK_BYTES = 16
HEAD_BYTES = 4
MAX_HANDSHAKE_BYTES = 1024
"""No stranger makes a node buffer more than this."""

HELLO, WELCOME, PROOF, REFUSAL, DATA, IDLE, GREETING = range(7)
"""WELCOME: hello and proof at once, to an earlier release. GREETING: the called side's hello alone."""

_SALT = b"coterie: raft's links"

Kind = Annotated[str, msgspec.Meta(max_length=32)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The sender. `incarnation` counts a data directory's starts; `process` is drawn anew at each.

    What a later release adds stands at the end, where this one passes it over.
    """

    version: int
    cluster: str
    member: str
    incarnation: int
    process: bytes
    nonce: bytes
    kinds: tuple[Kind, ...] = ()
    """Of messages, that it understands; none: the first release's."""
    level: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1
    """Of operations: the newest that it follows."""
    term: Number = 0
    index: Number = 0
    """Its term and the last index that it held durably as it started."""
    proves_first: bool = False
    """As a caller it proves the secret first; False: an earlier release."""

    @property
    def understood(self) -> frozenset[str]:
        return frozenset(self.kinds) or FIRST_KINDS


_encode = msgspec.msgpack.Encoder().encode
_decode_hello = msgspec.msgpack.Decoder(Hello).decode


class HandshakeError(ProtocolError):
    """The other side may not talk to us. `reason` is a word of a small fixed set."""

    def __init__(self, reason: str, detail: str = "", *, told: str = "") -> None:
        """`told`: what the other side reads; "" for the reason alone."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.told = told or reason


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node says of itself."""

    cluster: str
    member: str
    incarnation: int
    process: bytes
    secret: bytes
    level: int = 1
    """The newest level of operations that it follows."""
    term: int = 0
    index: int = 0
    """Its term and its last durable index, both as it started."""


class LinkSession:
    """`feed` bytes, take `outgoing` ones. `peer` is set once the other side has proved the secret."""

    def __init__(
        self,
        own: Identity,
        nonce: bytes,
        *,
        dialled: str | None,
        max_frame: int,
        check: Callable[[Hello], None] = lambda _: None,
    ) -> None:
        """`dialled`: the member that this side called, or None where it was called. `check`: raises HandshakeError for
        one that is to get no link, while it can still be told why: a called side has no proof of it yet."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        self._own = own
        self._dialled = dialled
        self._secret = stretched(own.secret, _SALT)
        self._max_frame = max_frame
        self._check_hello = check
        hello = Hello(
            VERSION,
            own.cluster,
            own.member,
            own.incarnation,
            own.process,
            nonce,
            tuple(sorted(KINDS)),
            own.level,
            own.term,
            own.index,
            proves_first=True,
        )
        self._mine = _encode(hello)
        self._theirs = b""
        self._hello: Hello | None = None
        self._buffer = bytearray()
        self._sent = self._received = 0
        self._keys: tuple[bytes, bytes] | None = None  # sending, receiving
        self.outgoing: list[bytes] = []
        self.peer: Hello | None = None
        if dialled is not None:
            self._plain(HELLO, self._mine)

    # out

    def send(self, body: bytes) -> bytes:
        """The frame of one message."""
        return self._sealed(DATA, body)

    def idle(self) -> bytes:
        """The frame that says only that this side is alive."""
        return self._sealed(IDLE, b"")

    def refuse(self, reason: str) -> None:
        """Tell the other side why the link ends, for people to read. Once the link is open there, it reads only frames
        with a checksum, and an earlier release no refusal. After a message, which says more, nothing follows."""
        said = reason.encode()[:100]
        if self._keys is not None and not self.outgoing:
            if self.peer is not None and self.peer.proves_first and not self._sent:
                self.outgoing.append(self._sealed(REFUSAL, said))
            return
        self.outgoing.clear()  # the proof, by which it would open
        self._plain(REFUSAL, said)

    def _plain(self, kind: int, body: bytes) -> None:
        self.outgoing.append((len(body) + 1).to_bytes(HEAD_BYTES, "big") + bytes([kind]) + body)

    def _sealed(self, kind: int, body: bytes) -> bytes:
        if self._keys is None:
            raise ProtocolError("the link is not open")
        size = len(body) + 1 + CHECK_BYTES
        if size > self._max_frame:
            raise ProtocolError(f"a frame of {size} bytes is too large to be sent")
        frame = size.to_bytes(HEAD_BYTES, "big") + bytes([kind]) + body
        check = _check(self._keys[0], self._sent, frame)
        self._sent += 1
        return frame + check

    # in

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the bodies of complete messages. Raises ProtocolError: then the link must be closed."""
        self._buffer += data
        bodies = []
        at = 0
        while len(self._buffer) - at >= HEAD_BYTES:
            size = int.from_bytes(self._buffer[at : at + HEAD_BYTES], "big")
            limit = self._max_frame if self._keys is not None else MAX_HANDSHAKE_BYTES
            if not 1 <= size <= limit:
                raise ProtocolError(f"a frame claims {size} bytes, at most {limit} are taken")
            end = at + HEAD_BYTES + size
            if len(self._buffer) < end:
                break
            frame = bytes(self._buffer[at:end])
            at = end
            body = self._frame(frame)
            if body is not None:
                bodies.append(body)
        del self._buffer[:at]
        return bodies

    def _frame(self, frame: bytes) -> bytes | None:
        kind = frame[HEAD_BYTES]
        if self._keys is None:
            self._handshake(kind, frame[HEAD_BYTES + 1 :])
            return None
        if len(frame) < HEAD_BYTES + 1 + CHECK_BYTES:
            raise ProtocolError("a frame without its checksum")
        content, check = frame[:-CHECK_BYTES], frame[-CHECK_BYTES:]
        if not hmac.compare_digest(check, _check(self._keys[1], self._received, content)):
            raise ProtocolError("a frame's checksum is wrong: forged, repeated or damaged")
        self._received += 1
        if kind == DATA:
            return content[HEAD_BYTES + 1 :]
        if kind == REFUSAL:
            raise _refused(content[HEAD_BYTES + 1 :])
        if kind != IDLE:
            raise ProtocolError(f"a frame of kind {kind} on an open link")
        return None

    # the handshake

    def _handshake(self, kind: int, body: bytes) -> None:
        if kind == REFUSAL:
            raise _refused(body)
        if self._hello is None and kind in ((HELLO,) if self._dialled is None else (GREETING, WELCOME)):
            self._greeted(kind, body)
        elif self._hello is not None and kind == PROOF:
            called = self._dialled is None
            self._verify(body, b"calling" if called else b"called")
            if called and self._hello.proves_first:
                self._plain(PROOF, self._proof(b"called"))
            self._open()
        else:
            raise ProtocolError(f"a frame of kind {kind} out of turn")

    def _greeted(self, kind: int, body: bytes) -> None:
        """The other side's hello is there: answer it, or prove the secret."""
        hello = self._take_hello(body[:-PROOF_BYTES] if kind == WELCOME else body)
        if kind == WELCOME or (kind == HELLO and not hello.proves_first):
            self._secret = self._own.secret
        if kind == WELCOME:
            self._verify(body[-PROOF_BYTES:], b"called")
        self._check_hello(hello)
        if kind == HELLO and hello.proves_first:
            self._plain(GREETING, self._mine)
        elif kind == HELLO:
            self._plain(WELCOME, self._mine + self._proof(b"called"))
        else:
            self._plain(PROOF, self._proof(b"calling"))
        if kind == WELCOME:
            self._open()

    def _take_hello(self, body: bytes) -> Hello:
        try:
            hello = _decode_hello(body)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ProtocolError(f"not a hello: {error}") from None
        if hello.version != VERSION:
            raise HandshakeError(
                "wrong_version", f"it speaks version {hello.version} of the links' protocol, this release {VERSION}"
            )
        if hello.cluster != self._own.cluster:
            raise HandshakeError("wrong_cluster", hello.cluster[:64])
        if hello.member == self._own.member:
            raise HandshakeError("own_member_id", hello.member[:64])
        if self._dialled is not None and hello.member != self._dialled:
            raise HandshakeError("wrong_member", f"{hello.member[:64]} answers for {self._dialled}")
        if len(hello.nonce) != NONCE_BYTES:
            raise ProtocolError("a nonce of another length")
        self._hello = hello
        self._theirs = body
        return hello

    def _transcript(self) -> bytes:
        first, second = (self._theirs, self._mine) if self._dialled is None else (self._mine, self._theirs)
        return len(first).to_bytes(4, "big") + first + second

    def _proof(self, role: bytes) -> bytes:
        return hmac.digest(self._secret, b"coterie raft proof " + role + b"\0" + self._transcript(), "sha256")

    def _verify(self, proof: bytes, role: bytes) -> None:
        if not hmac.compare_digest(proof, self._proof(role)):
            raise HandshakeError("wrong_secret")

    def _open(self) -> None:
        calling, called = (
            hmac.digest(self._secret, b"coterie raft frames " + role + b"\0" + self._transcript(), "sha256")
            for role in (b"calling", b"called")
        )
        self._keys = (called, calling) if self._dialled is None else (calling, called)
        self.peer = self._hello


def _refused(reason: bytes) -> HandshakeError:
    return HandshakeError("refused_by_peer", reason.decode("utf-8", "replace"))


def _check(key: bytes, number: int, frame: bytes) -> bytes:
    return blake2b(number.to_bytes(8, "big") + frame, digest_size=CHECK_BYTES, key=key).digest()
