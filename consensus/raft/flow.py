"""What a leader keeps for one member beside its match and next index: how much may be sent to it now (section 2b, flow
control). One record a member id, whatever its role (fault 24)."""

from __future__ import annotations

from collections import deque

from coterie.consensus.raft.ports import SnapshotReader

PROBE, STREAM, SNAPSHOT = "probe", "stream", "snapshot"


class Flow:
    """`PROBE`: one append at a time until one is acknowledged. `STREAM`: appends in a window. `SNAPSHOT`: chunks
    only."""

    __slots__ = (
        "awaited",
        "commit_sent",
        "in_flight",
        "in_flight_bytes",
        "mode",
        "notice_due",
        "probe_due",
        "probe_seq",
        "progress_at",
        "transfer",
    )

    def __init__(self, now: float) -> None:
        self.mode = PROBE
        self.in_flight: deque[tuple[int, int]] = deque()  # (last index, bytes) of appends not yet acknowledged
        self.in_flight_bytes = 0
        self.commit_sent = 0  # the commit index that the member was last told
        self.awaited = 0  # the highest index that a forwarded call of the member waits for
        self.notice_due: float | None = None  # when it is told the commit index at the latest
        self.probe_due = now  # a probe may be (re)sent from here on
        self.probe_seq = 0
        self.progress_at = now  # when something was last acknowledged, or sent while nothing was in flight
        self.transfer: Transfer | None = None

    def sent(self, last_index: int, size: int, now: float) -> None:
        if not self.in_flight:
            self.progress_at = now
        self.in_flight.append((last_index, size))
        self.in_flight_bytes += size

    def acknowledged(self, match: int, now: float) -> None:
        while self.in_flight and self.in_flight[0][0] <= match:
            self.in_flight_bytes -= self.in_flight.popleft()[1]
            self.progress_at = now

    def probe(self, now: float) -> None:
        """Back to one append at a time."""
        self.mode = PROBE
        self.in_flight.clear()
        self.in_flight_bytes = 0
        self.probe_due = now
        self.probe_seq = 0
        self.commit_sent = 0
        self.notice_due = None
        self.drop_transfer()

    def drop_transfer(self) -> None:
        if self.transfer is not None:
            self.transfer.reader.close()
            self.transfer = None


class Transfer:
    """A snapshot on its way to one member: `sent` bytes went out, `held` arrived."""

    __slots__ = ("answered", "final_sent", "held", "number", "reader", "sent", "since")

    def __init__(self, number: int, reader: SnapshotReader, now: float) -> None:
        self.number = number
        self.reader = reader
        self.sent = 0
        self.held = 0
        self.answered = False
        self.final_sent = False
        self.since = now  # of the last progress

    def holds(self, offset: int) -> None:
        """The member has the bytes up to `offset`: from this transfer, or from one before that a broken link ended."""
        self.answered = True
        self.held = max(self.held, offset)
        self.sent = max(self.sent, offset)
        self.final_sent = self.final_sent or self.sent >= self.reader.size
