"""What the Raft node asks of its surroundings: journal, snapshot store, state machine, disk thread, transport, clock.

The rules behind these shapes are in raft spec 2b (durability, flow control, the loop).
Anything that keeps them can stand behind a port: files and sockets in a process, memory with faults in a simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, overload

from coterie.consensus.raft.messages import Message

Entry = tuple[bytes, int, int]
"""A log entry, always a tuple: (command, index, term). The first byte of the command is its type."""

Shortage = Literal["disk_full", "log_full"]
"""Why a log takes no more: there is no space on the disk; or it holds as much as it may until a snapshot cuts it."""


class Journal(Protocol):
    """The log, the term and the vote: in memory at once, on disk by syncs.

    `add`, `clear`, `truncate_from` and `drop_before` change memory at once and only buffer for the disk: they cannot
    raise. Positions are those of a list (0 is the oldest entry kept), not log indexes. Reading gives back what was
    added, synced or not.
    """

    def add(self, command: bytes, index: int, term: int) -> None: ...

    def clear(self) -> None: ...

    def truncate_from(self, position: int) -> None:
        """Drop the entries from list position `position` on."""

    def drop_before(self, position: int) -> None:
        """Drop the entries before list position `position`."""

    @overload
    def __getitem__(self, item: int) -> Entry: ...
    @overload
    def __getitem__(self, item: slice) -> list[Entry]: ...

    def __len__(self) -> int: ...

    def sync(self) -> None:
        """Make everything buffered so far durable. Raises OSError; then the node stops, and never tries again."""

    def begin_sync(self) -> Callable[[], None]:
        """Take what is buffered now; the returned job makes it durable and may run in the disk thread.

        `sync()` is `begin_sync()()`. One job is in flight at most; buffering goes on meanwhile.
        """

    def begin_upkeep(self) -> Callable[[], None] | None:
        """Once a second: a job for the disk thread that does what is due beside syncs; None where nothing is. An error
        of it is final, as that of a sync."""

    def shortage(self, size: int, entries: int = 1, *, following: bool = False) -> Shortage | None:
        """What `entries` more, of `size` bytes of commands, lack: None where their space on the disk is preallocated
        and the log may grow so far. Never raises.

        `following`: a leader has them in its log already. Then more is taken than of clients, or what leaders accepted
        up to the bound would leave no room for the entry that begins the next leader's term, without which nothing
        before it can be committed, applied, and cut off.
        """

    @property
    def disk_full(self) -> bool:
        """The disk has no space beyond what is preallocated, which may still take entries. Never raises."""

    def store_vote(self, term: int, voted_for: str | None) -> None:
        """Store term and vote; returns after their sync. In the disk thread, but for the start. Raises OSError."""

    @property
    def term(self) -> int: ...

    @property
    def voted_for(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """What a snapshot covers: the last entry in it, the one before that, and the voters as of the last entry."""

    prev: Entry
    last: Entry
    voters: tuple[str, ...]

    @property
    def index(self) -> int:
        return self.last[1]

    @property
    def term(self) -> int:
        return self.last[2]


class SnapshotReader(Protocol):
    """An installed snapshot's bytes as they are sent to another node; readable until closed, whatever replaces it. Its
    methods are called in the disk thread."""

    info: SnapshotInfo
    size: int

    def read(self, offset: int, size: int) -> bytes: ...

    def close(self) -> None: ...


class SnapshotWriter(Protocol):
    """A snapshot in the making, its methods called in the disk thread. Nothing of it can be seen by `latest` before
    `install` returns. An OSError of errno ENOSPC or EDQUOT says that the disk is full, one of EMFILE or ENFILE that no
    file descriptor is left: the draft is dropped, and no harm is done. After any other the node stops.
    """

    def write(self, data: bytes) -> None:
        """Append bytes (state chunks from `create`, raw bytes from `receive`). Raises OSError, CorruptSnapshotError."""

    def seal(self) -> SnapshotInfo:
        """Verify checksums and sync the bytes. Raises CorruptSnapshotError or OSError."""

    def state(self) -> Iterator[bytes]:
        """The state chunks of a sealed snapshot."""

    def install(self) -> None:
        """Rename into place, over a former one of the same entry, and sync the directory; nothing where a newer one is
        there. Raises OSError, and then the
        node stops whatever its errno: the name may be there after a crash or not."""

    def abort(self) -> None: ...


class SnapshotStore(Protocol):
    def latest(self) -> SnapshotInfo | None:
        """The installed snapshot, its checksums verified. Raises CorruptSnapshotError."""

    def state(self) -> Iterator[bytes]:
        """The state chunks of the installed snapshot, read and verified while they are taken: in the disk thread, but
        for the start. Raises CorruptSnapshotError, OSError."""

    def open(self) -> SnapshotReader:
        """In the disk thread. Raises CorruptSnapshotError, OSError."""

    def create(self, info: SnapshotInfo) -> SnapshotWriter:
        """An own snapshot, to be written from state chunks. Touches no disk."""

    def receive(self) -> SnapshotWriter:
        """A snapshot that arrives as another store's `SnapshotReader` gives it out. Touches no disk."""


class StateLoader(Protocol):
    """A snapshot on its way into the state machine, beside the state as it is."""

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk of state. Raises where it makes no sense."""

    def finish(self) -> None:
        """Become the state, all at once. Raises, with the former state intact, where the snapshot is not whole."""


class StateMachine(Protocol):
    """The replicated state: total and deterministic. An error is a result; an exception stops the node."""

    def stamp(self) -> bytes | None:
        """An operation that this leader puts before the others of each entry, such as the time; None for none."""

    def apply(self, op: bytes, index: int) -> Any: ...

    def configure(self, voters: tuple[str, ...], index: int) -> None:
        """The entry at `index` made these the voters."""

    def skip(self, index: int) -> None:
        """The entry at `index` holds nothing for the state."""

    def snapshot(self) -> Iterator[bytes]:
        """The state as of now, in chunks; later `apply` calls do not change what the iterator gives."""

    def restore(self, chunks: Iterator[bytes]) -> None:
        """Replace the state, at the start. Raises, with the former state intact, where the chunks make no sense."""

    def loader(self) -> StateLoader:
        """Begin to load another state in slices; what is applied meanwhile goes to the state that is there."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a member says of itself as its link opens. A member of an earlier release says nothing: the defaults."""

    level: int = 1
    """The newest level of operations that it follows."""
    incarnation: int = 0
    """Counts the starts of its directory."""
    term: int = 0
    """Its term as it started."""
    index: int = 0
    """The last index that it held durably as it started; 0: not said."""


SAYS_NOTHING = Greeting()


class Transport(Protocol):
    """Links to the other members: FIFO, no duplicates, loss only by a link that breaks."""

    def bind(
        self,
        received: Callable[[str, Message], None],
        link_up: Callable[[str, Greeting], None],
        link_down: Callable[[str], None],
        rolled_back: Callable[[str, str], None],
    ) -> None:
        """Where to report to: what a member sent, each member whose link came up or broke, and each that is proved to
        have gone back in time, with the proof in words."""

    def send(self, member: str, message: Message) -> None:
        """Only enqueues; never calls back. Without a link the message is lost."""

    def add(self, member: str) -> None:
        """Keep a link to a member."""

    def drop(self, member: str) -> None:
        """The member broke the protocol: close its link. It may come back."""


class Disk(Protocol):
    """The disk thread: runs jobs one after the other, in order, and reports each on the loop."""

    def submit(self, job: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None: ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds; never goes back."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
