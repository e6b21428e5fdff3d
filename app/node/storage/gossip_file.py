"""The file of a node's own gossip keys and its peers' addresses: its format, reading, writing.

`CTRYGSIP`, u16 format version, u64 length of the body, the body in msgpack, u32 CRC-32 of all before: little-endian,
and in the same places in every version to come. It is replaced as a whole, so after a power cut the old one or the new
one is there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, msgpack

from coterie.consensus.journal import Files
from coterie.consensus.journal.files.filesystem import create_durably
from coterie.gossip import Address, KeyStatus

FILE_NAME = "gossip.snapshot"
FORMAT_VERSION = 1

KEYS_PER_CHUNK = 1_000
"""Encoded at a time: so long (about a millisecond) the event loop waits for the thread that writes, not longer."""

_MAGIC = b"CTRYGSIP"
_HEAD = struct.Struct("<8sHQ")
_CRC = struct.Struct("<I")

MAX_VERSION = 2**62
"""No node counts this far."""

Version = Annotated[int, Meta(ge=1, le=MAX_VERSION)]


class SavedKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A visible key of this node."""

    key: str
    value: str
    version: Version
    expires: bool = False
    """It was set with time to live."""
    age: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds since its time to live began, when this was written."""


class SavedGossip(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Fields that a later release adds are ignored."""

    written_at: float
    """Unix seconds."""
    cluster_id: str
    max_version: Annotated[int, Meta(ge=0, le=MAX_VERSION)] = 0
    configured: tuple[str, ...] = ()
    """Keys that had the value of the table `key_values`: one that is taken out of there is not kept."""
    peers: tuple[tuple[str, Annotated[int, Meta(ge=1, le=65_535)]], ...] = ()
    """Where other nodes were, the live ones first."""
    keys: tuple[SavedKey, ...] = ()
    """By ascending version."""

    @property
    def addresses(self) -> Sequence[Address]:
        return [Address(host, port) for host, port in self.peers]


class DamagedError(Exception):
    """The file is not what was written; the message says in what."""


class NewerFormatError(Exception):
    """A later release wrote the file."""


class _FileBody(msgspec.Struct):
    """`SavedGossip`, its keys encoded in chunks."""

    head: msgspec.Raw
    chunks: list[msgspec.Raw]


_encode = msgpack.Encoder().encode
_body = msgpack.Decoder(_FileBody)
_head = msgpack.Decoder(SavedGossip)
_chunk = msgpack.Decoder(tuple[SavedKey, ...])


def encode(kept: SavedGossip) -> bytes:
    """The file's bytes. Takes a second for a million keys, in steps between which other threads get their turn."""
    chunks = [
        msgspec.Raw(_encode(kept.keys[at : at + KEYS_PER_CHUNK])) for at in range(0, len(kept.keys), KEYS_PER_CHUNK)
    ]
    head = msgspec.Raw(_encode(msgspec.structs.replace(kept, keys=())))
    body = _encode(_FileBody(head, chunks))
    start = _HEAD.pack(_MAGIC, FORMAT_VERSION, len(body))
    return b"".join((start, body, _CRC.pack(zlib.crc32(body, zlib.crc32(start)))))


def decode(content: bytes) -> SavedGossip:
    """Raises DamagedError and NewerFormatError."""
    if len(content) < _HEAD.size + _CRC.size:
        raise DamagedError(f"it ends after {len(content)} bytes")
    magic, version, length = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise DamagedError("it does not begin as such a file does")
    if zlib.crc32(content[: -_CRC.size]) != _CRC.unpack_from(content, len(content) - _CRC.size)[0]:
        raise DamagedError("its checksum does not fit its content")
    if version != FORMAT_VERSION:
        raise NewerFormatError(f"its format is {version}, and this release reads format {FORMAT_VERSION}")
    if len(content) != _HEAD.size + length + _CRC.size:
        raise DamagedError("its length is not the one that it names")
    try:
        body = _body.decode(content[_HEAD.size : -_CRC.size])
        kept = _head.decode(body.head)
        keys = tuple(key for chunk in body.chunks for key in _chunk.decode(chunk))
        for host, _ in kept.peers:
            if str(ip_address(host)) != host:
                raise DamagedError(f"{host!r} is no address")
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedError(str(error)) from None
    versions = [key.version for key in keys]
    if any(low >= high for low, high in pairwise(versions)):
        raise DamagedError("its versions do not ascend")
    if len({key.key for key in keys}) < len(keys):
        raise DamagedError("it holds a key twice")
    return msgspec.structs.replace(kept, keys=keys)


def write(files: Files, directory: Path, kept: SavedGossip) -> None:
    """Replace the file; durable on return. Raises OSError, and then the old one is there."""
    remove_draft(files, directory)
    create_durably(files, directory / FILE_NAME, encode(kept)).close()


def read(files: Files, directory: Path) -> SavedGossip | None:
    """What was kept; None where nothing was. Raises DamagedError, NewerFormatError and OSError."""
    try:
        file = files.open(directory / FILE_NAME)
    except FileNotFoundError:
        return None
    try:
        return decode(file.read(file.size(), 0))
    finally:
        file.close()


def set_aside(files: Files, directory: Path) -> Path:
    """Rename a damaged file, for somebody to look at; its new path. Raises OSError."""
    names = set(files.names(directory))
    number = 1
    while f"{FILE_NAME}.damaged-{number}" in names:
        number += 1
    aside = directory / f"{FILE_NAME}.damaged-{number}"
    files.rename(directory / FILE_NAME, aside)
    files.sync_directory(directory)
    return aside


def remove_draft(files: Files, directory: Path) -> None:
    """A write that was cut short leaves one."""
    with suppress(FileNotFoundError):
        files.remove(directory / f"{FILE_NAME}.tmp")


def status_of(key: SavedKey) -> KeyStatus:
    return KeyStatus.DELETE_AFTER_TTL if key.expires else KeyStatus.SET
