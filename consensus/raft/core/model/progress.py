"""What a leader keeps for one member: how far its log is, and how much may be sent to it now (raft spec 2b, flow
control). One record a member id, whatever its role (fault 24)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from coterie.consensus.raft.ports import SnapshotReader

PROBE, STREAM, SNAPSHOT = "probe", "stream", "snapshot"


class Progress:
    """`PROBE`: one append at a time until one is acknowledged. `STREAM`: appends in a window. `SNAPSHOT`: chunks
    only."""

    __slots__ = (
        "asked",
        "awaited",
        "clock",
        "commit_sent",
        "in_flight",
        "in_flight_bytes",
        "last_contact",
        "match",
        "mode",
        "next",
        "notice_due",
        "probe_due",
        "probe_seq",
        "progress_at",
        "room",
        "transfer",
    )

    def __init__(self, next_index: int, now: float) -> None:
        self.match = 0
        self.next = next_index
        self.last_contact = now  # when it last answered this leader
        self.asked = -inf  # when the latest ping that it answered was sent
        self.clock: float | None = None  # its clock when it answered, on the present link
        self.mode = PROBE
        self.in_flight: deque[tuple[int, int]] = deque()  # (last index, bytes) of appends not yet acknowledged
        self.in_flight_bytes = 0
        self.commit_sent = 0  # the commit index that the member was last sent
        self.awaited = 0  # the highest index that a forwarded call of the member waits for
        self.notice_due: float | None = None  # when it is sent the commit index at the latest
        self.probe_due = now  # a probe may be (re)sent from here on
        self.probe_seq = 0
        self.progress_at = now  # when something was last acknowledged, or sent while nothing was in flight
        self.room = False  # it says that its disk has space for more of its log
        self.transfer: SnapshotTransfer | None = None

    def sent(self, last_index: int, size: int, now: float) -> None:
        if not self.in_flight:
            self.progress_at = now
        self.in_flight.append((last_index, size))
        self.in_flight_bytes += size

    def acknowledged(self, match: int, now: float) -> None:
        """The member's log is as the leader's up to `match`, and durable."""
        self.match = max(self.match, match)
        while self.in_flight and self.in_flight[0][0] <= match:
            self.in_flight_bytes -= self.in_flight.popleft()[1]
            self.progress_at = now
        self.next = max(self.next, match + 1)
        if self.mode == PROBE:
            self.mode = STREAM
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

    def restart(self) -> None:
        """Go on from what is known to be there; everybody's log begins with the same first entry."""
        self.next = max(self.match, 1) + 1

    def link_up(self, last_index: int, now: float) -> None:
        self.probe(now)
        self.next = max(self.match + 1, min(self.next, last_index + 1))

    def link_down(self, now: float) -> None:
        """It may come back as another process, with another clock."""
        self.probe(now)
        self.clock = None
        self.room = False

    def forget(self, now: float) -> None:
        """Nothing that it acknowledged is there for certain."""
        self.probe(now)
        self.match = 0
        self.asked = -inf

    def drop_transfer(self) -> None:
        if self.transfer is not None:
            self.transfer.end()
            self.transfer = None


class SnapshotTransfer:
    """A snapshot on its way to one member: `sent` bytes went out, `held` arrived. Disk jobs open it and read it."""

    __slots__ = ("_close", "answered", "ended", "final_sent", "held", "number", "reader", "reading", "sent", "since")

    def __init__(self, number: int, now: float, close: Callable[[SnapshotReader], None]) -> None:
        """`close`: closes a reader once the jobs that read it are done."""
        self.number = number
        self._close = close
        self.reader: SnapshotReader | None = None  # once it is open
        self.reading = False  # a job is under way
        self.ended = False
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
        self.final_sent = self.final_sent or (self.reader is not None and self.sent >= self.reader.size)

    def opened(self, reader: SnapshotReader) -> None:
        if self.ended:
            self._close(reader)
        else:
            self.reader = reader

    def end(self) -> None:
        """What a job still reads is not sent."""
        self.ended = True
        if self.reader is not None:
            self._close(self.reader)
