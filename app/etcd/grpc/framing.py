"""What gRPC puts around messages: their lengths, deadlines, and the status in the end."""

from __future__ import annotations

import re
import struct

from coterie.app.etcd.rpcs import EtcdCode, EtcdError

_HEAD = struct.Struct(">BI")
"""Before each message: whether it is compressed, and its length."""

_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}


def frame(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return _HEAD.pack(0, len(message)) + message


class MessageReader:
    """Takes a body in pieces; gives each message in it once it is whole."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of one message."""
        self._limit = limit
        self._data = bytearray()
        self._length: int | None = None
        """Of the message that is coming; None where its head is still to come."""

    @property
    def held(self) -> int:
        """Bytes of messages that are not whole yet, or not taken."""
        return len(self._data)

    def feed(self, piece: bytes) -> None:
        self._data += piece

    def take(self) -> bytes | None:
        """The next message; None where it is not whole. Raises EtcdError."""
        if self._length is None:
            if len(self._data) < _HEAD.size:
                return None
            compressed, self._length = _HEAD.unpack_from(self._data)
            if compressed:
                raise EtcdError(EtcdCode.UNIMPLEMENTED, "compressed messages are not served; send them as they are")
            if self._length > self._limit:
                raise EtcdError(
                    EtcdCode.RESOURCE_EXHAUSTED,
                    f"a message takes {self._length} bytes, more than http.max_body_bytes = {self._limit}",
                )
        end = _HEAD.size + self._length
        if len(self._data) < end:
            return None
        message = bytes(self._data[_HEAD.size : end])
        del self._data[:end]
        self._length = None
        return message


def read_timeout(value: bytes | None) -> float | None:
    """Seconds in a `grpc-timeout`; None where there is none. Raises EtcdError."""
    if value is None:
        return None
    found = _TIMEOUT.fullmatch(value)
    if found is None:
        raise EtcdError(EtcdCode.INVALID_ARGUMENT, "grpc-timeout must be up to 8 digits and one of H, M, S, m, u, n")
    return int(found[1]) * _UNITS[found[2]]


def status_trailers(error: EtcdError | None) -> list[tuple[bytes, bytes]]:
    """The end of a call, by what it failed with."""
    if error is None:
        return [(b"grpc-status", b"%d" % EtcdCode.OK)]
    return [(b"grpc-status", b"%d" % error.code), (b"grpc-message", _percent_encoded(error.message))]


def _percent_encoded(text: str) -> bytes:
    return b"".join(b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte for byte in text.encode("utf-8", "replace"))
