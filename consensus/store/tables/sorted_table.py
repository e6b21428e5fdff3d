"""The current records in key order, as blocks that a snapshot shares until they change (copy on write).

A view costs one list of block references, whatever the size of the table; afterwards the first change of each block
copies that block, about a hundred references. A key is found by two bisections, and costs 16 bytes beside its record.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from coterie.consensus.store.schema.records import Record

MAX_BLOCK = 128
"""Records in a block; a fuller one is split in halves."""

MIN_BLOCK = 16
"""A block that shrinks below this is joined with a neighbour, if that has room."""


class Block:
    """Records in key order, and their keys. Each list is as old as its epoch: two blocks may share an older one."""

    __slots__ = ("epoch", "keys", "keys_epoch", "records")

    def __init__(self, keys: list[bytes], records: list[Record], keys_epoch: int, epoch: int) -> None:
        self.keys = keys
        self.records = records
        self.keys_epoch = keys_epoch
        self.epoch = epoch


class SortedTable:
    def __init__(self) -> None:
        self._epoch = 0  # a block of an older epoch may be part of a view
        self._blocks = [Block([], [], 0, 0)]
        self._first = [b""]  # where each block begins: not above its first key, above every key before it
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: bytes) -> Record | None:
        block = self._blocks[bisect_right(self._first, key) - 1]
        keys = block.keys
        at = bisect_left(keys, key)
        return block.records[at] if at < len(keys) and keys[at] == key else None

    def locate(self, key: bytes) -> tuple[int, int, Record | None]:
        """Where `key` is or belongs (block, place), and its record. Good until the next change."""
        number = bisect_right(self._first, key) - 1
        block = self._blocks[number]
        keys = block.keys
        at = bisect_left(keys, key)
        return number, at, block.records[at] if at < len(keys) and keys[at] == key else None

    def replace(self, number: int, at: int, record: Record) -> None:
        """Put `record` in the place of one with the same key."""
        block = self._blocks[number]
        if block.epoch != self._epoch:
            block = self._own(number)
        block.records[at] = record

    def insert(self, number: int, at: int, record: Record) -> None:
        """Add the record of a new key at its place."""
        block = self._own_with_keys(number)
        block.keys.insert(at, record.key)
        block.records.insert(at, record)
        self._count += 1
        if len(block.keys) > MAX_BLOCK:
            self._split(number)

    def remove(self, number: int, at: int) -> None:
        block = self._own_with_keys(number)
        del block.keys[at]
        del block.records[at]
        self._count -= 1
        if len(block.keys) < MIN_BLOCK and len(self._blocks) > 1:
            self._join(number)

    def append(self, records: Sequence[Record]) -> None:
        """Add records above every key so far, in order: how a snapshot is loaded."""
        for begin in range(0, len(records), MAX_BLOCK // 2):
            part = list(records[begin : begin + MAX_BLOCK // 2])
            block = Block([record.key for record in part], part, self._epoch, self._epoch)
            if self._count:
                self._blocks.append(block)
                self._first.append(part[0].key)
            else:
                self._blocks[0] = block
            self._count += len(part)

    def last_key(self) -> bytes:
        """The largest key; empty where there is none."""
        return self._blocks[-1].keys[-1] if self._count else b""

    def scan(self, start: bytes, end: bytes | None, limit: int) -> list[Record]:
        """The first `limit` records from `start` to below `end` (None: without bound)."""
        found: list[Record] = []
        number = bisect_right(self._first, start) - 1
        at = bisect_left(self._blocks[number].keys, start)
        while len(found) < limit and number < len(self._blocks):
            block = self._blocks[number]
            stop = min(len(block.keys), at + limit - len(found))
            if end is not None and stop and block.keys[stop - 1] >= end:
                found += block.records[at : bisect_left(block.keys, end, at, stop)]
                break
            found += block.records[at:stop]
            number, at = number + 1, 0
        return found

    def count(self, start: bytes, end: bytes | None) -> int:
        """How many records there are from `start` to below `end` (None: without bound)."""
        first, at = self._place(start)
        last, stop = (len(self._blocks) - 1, len(self._blocks[-1].keys)) if end is None else self._place(end)
        if (last, stop) <= (first, at):
            return 0
        return sum(len(block.keys) for block in self._blocks[first:last]) + stop - at

    def _place(self, key: bytes) -> tuple[int, int]:
        """Block and place where `key` is or belongs."""
        number = bisect_right(self._first, key) - 1
        return number, bisect_left(self._blocks[number].keys, key)

    def view(self) -> Iterator[Record]:
        """All records as of now, in key order."""
        self._epoch += 1
        return _drain(self._blocks[::-1])

    def _own(self, number: int) -> Block:
        """Make the records of a block, which may be part of a view, safe to change."""
        shared = self._blocks[number]
        block = Block(shared.keys, shared.records.copy(), shared.keys_epoch, self._epoch)
        self._blocks[number] = block
        return block

    def _own_with_keys(self, number: int) -> Block:
        block = self._blocks[number]
        if block.epoch != self._epoch:
            block = self._own(number)
        if block.keys_epoch != self._epoch:
            block.keys = block.keys.copy()
            block.keys_epoch = self._epoch
        return block

    def _split(self, number: int) -> None:
        block = self._blocks[number]
        half = len(block.keys) // 2
        upper = Block(block.keys[half:], block.records[half:], self._epoch, self._epoch)
        del block.keys[half:]
        del block.records[half:]
        self._blocks.insert(number + 1, upper)
        self._first.insert(number + 1, upper.keys[0])

    def _join(self, number: int) -> None:
        """Move a small block's records to its left neighbour (the first block: take in its right one), if they fit."""
        left = max(number - 1, 0)
        right = left + 1
        together = len(self._blocks[left].keys) + len(self._blocks[right].keys)
        if together > MAX_BLOCK // 2 and self._blocks[number].keys:  # an empty block goes in any case
            return
        block = self._own_with_keys(left)
        block.keys += self._blocks[right].keys
        block.records += self._blocks[right].records
        del self._blocks[right]
        del self._first[right]


def _drain(blocks: list[Block]) -> Iterator[Record]:
    """The records of blocks, the last block first. A block is let go once it is done, not all of them at the end."""
    while blocks:
        yield from blocks.pop().records
