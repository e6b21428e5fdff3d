"""Small values that must never be lost or half written: two copies in one file, each with a checksum.

Written one after the other, each synced before the next: whenever the power goes, one copy is whole, and a value whose
`store` has returned stands in both. So one bad copy is an unfinished write or one flipped bit, and the other copy is
right either way; two bad copies stop the node. The file never grows, so it can be written on a full disk.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from coterie.consensus.journal.errors import CorruptFileError, DiskFailedError, MissingFileError, UnknownFormatError
from coterie.consensus.journal.files.filesystem import File, Files, create_durably, disk_call

COPY_BYTES = 4_096
"""Each copy has a page of its own, so that writing one cannot damage the other."""

FORMAT_VERSION = 1

_STARTS = (0, COPY_BYTES)  # of the copies

_MAGIC = b"CTRYTWIN"
_HEAD = struct.Struct("<8sHHQH")  # magic, version, kind, sequence, bytes of the value
_CRC = struct.Struct("<I")

MAX_VALUE_BYTES = COPY_BYTES - _HEAD.size - _CRC.size


class DoubleBufferedFile:
    """One value of at most `MAX_VALUE_BYTES`. `kind` is a number that keeps one file from being taken for another."""

    def __init__(self, file: File, path: Path, kind: int, sequence: int, value: bytes) -> None:
        self._file = file
        self._path = path
        self._kind = kind
        self._sequence = sequence
        self._failed = False
        self.value = value

    @classmethod
    def create(cls, files: Files, path: Path, kind: int, value: bytes) -> DoubleBufferedFile:
        with disk_call(f"create {path}"):
            file = create_durably(files, path, _copy(kind, 1, value) * 2)
        return cls(file, path, kind, 1, value)

    @classmethod
    def open(cls, files: Files, path: Path, kind: int) -> DoubleBufferedFile:
        """Read the newest whole copy and write it anew: what an earlier process could not sync becomes durable now."""
        with disk_call(f"open {path}"):
            try:
                file = files.open(path)
            except FileNotFoundError:
                raise MissingFileError(path, "is missing") from None
        try:
            with disk_call(f"read {path}"):
                data = file.read(2 * COPY_BYTES, 0)
            copies = {start: _parse(data[start : start + COPY_BYTES], path, kind) for start in _STARTS}
            whole = {start: copy for start, copy in copies.items() if copy is not None}
            if not whole:
                raise CorruptFileError(path, "both copies fail their checksums")
            opened = cls(file, path, kind, *max(whole.values()))
            with disk_call(f"sync {path}"):
                file.sync()
            # First the copy that may not be on the disk: the one that is not whole, else the newer one. The other is.
            bad = next((start for start in _STARTS if start not in whole), None)
            first = max(whole, key=lambda start: whole[start][0]) if bad is None else bad
            opened._store(opened.value, (first, COPY_BYTES - first))
        except BaseException:
            file.close()
            raise
        return opened

    def store(self, value: bytes) -> None:
        """Durable on return. After an error the file is not written again."""
        self._store(value, _STARTS)

    def _store(self, value: bytes, starts: tuple[int, int]) -> None:
        if self._failed:
            raise DiskFailedError(
                f"{self._path} could not be written before: this member takes no further part in Raft"
            )
        self._failed = True
        with disk_call(f"write {self._path}"):
            copy = _copy(self._kind, self._sequence + 1, value)
            for start in starts:
                self._file.write(copy, start)
                self._file.sync()
        self._failed = False
        self._sequence += 1
        self.value = value

    def close(self) -> None:
        self._file.close()


def _copy(kind: int, sequence: int, value: bytes) -> bytes:
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"a value takes at most {MAX_VALUE_BYTES} bytes, not {len(value)}")
    body = _HEAD.pack(_MAGIC, FORMAT_VERSION, kind, sequence, len(value)) + value
    return (body + _CRC.pack(zlib.crc32(body))).ljust(COPY_BYTES, b"\0")


def _parse(copy: bytes, path: Path, kind: int) -> tuple[int, bytes] | None:
    """(sequence, value), or None where the copy is not whole."""
    if len(copy) < COPY_BYTES:
        return None
    magic, version, its_kind, sequence, length = _HEAD.unpack_from(copy)
    end = _HEAD.size + length
    if magic != _MAGIC or length > MAX_VALUE_BYTES or zlib.crc32(copy[:end]) != _CRC.unpack_from(copy, end)[0]:
        return None
    if version != FORMAT_VERSION:
        raise UnknownFormatError(path, version)
    if its_kind != kind:
        raise CorruptFileError(path, f"holds a value of kind {its_kind}, not {kind}: the file was exchanged")
    return sequence, copy[_HEAD.size : end]
