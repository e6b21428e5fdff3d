"""All that a node knows: Figure 2 of the paper, and what its parts keep from one event to the next.

A part's function takes this state, changes it, and leaves in `ready` what is to be stored, sent and completed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import inf

from coterie.consensus.raft.core.events import Ready
from coterie.consensus.raft.core.model.drafts import Incoming, Saving
from coterie.consensus.raft.core.model.log import Log
from coterie.consensus.raft.core.model.outbox import Outbox
from coterie.consensus.raft.core.model.pending import Pending, Read, Round, Transfer
from coterie.consensus.raft.core.model.progress import Progress
from coterie.consensus.raft.core.model.staleness import Freshness
from coterie.consensus.raft.metrics import RaftMetrics
from coterie.consensus.raft.ports import Greeting, SnapshotStore, StateMachine
from coterie.consensus.raft.settings import RaftConfig
from coterie.consensus.raft.traces import Began


class Role(Enum):
    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


_LEADER = Role.LEADER  # looked up in every event, and an enum's members are looked up slowly


class Campaign:
    """Votes of one campaign, by member."""

    __slots__ = ("granted", "pre", "term")

    def __init__(self, term: int, own: str, *, pre: bool) -> None:
        self.term = term
        self.pre = pre
        self.granted = {own}


class RaftState:
    def __init__(
        self,
        own: str,
        log: Log,
        *,
        machine: StateMachine,
        snapshots: SnapshotStore,
        settings: RaftConfig,
        random: Callable[[], float],
    ) -> None:
        self.own = own
        self.settings = settings
        self.machine = machine
        self.snapshots = snapshots
        self.random = random
        """Uniform in [0, 1)."""
        self.metrics = RaftMetrics()
        self.on_forwarded: Began | None = None
        """Records spans of what other members ask this one as the leader."""
        self.now = 0.0
        """Of the event, in seconds of the node's monotonic clock."""
        self.ready = Ready()
        self.outbox = Outbox()
        self.started = False
        self.stopped = False

        # Figure 2
        self.term = log.journal.term
        self.voted_for = log.journal.voted_for
        self.log = log
        self.commit = log.found_committed
        self.applied = 1
        self.role = Role.FOLLOWER
        self.leader: str | None = None

        # members
        self.links: dict[str, int] = {}
        """Members with a link that is up, and the link's number: one that comes up again has another."""
        self.links_seen = 0
        self.greetings: dict[str, Greeting] = {}
        """What each member with a link said of itself as it came up."""
        self.incarnations: dict[str, int] = {}
        """The newest of each member that had a link to this process."""
        self.acknowledged: dict[str, tuple[int, int]] = {}
        """Of each member: the term that this process led last, and the last index that it acknowledged in it."""
        self.went_back: dict[str, str] = {}
        """Members that have lost what they acknowledged, and the proof: counted for nothing."""
        self.progress: dict[str, Progress] = {}
        """As the leader: one for every voter, and for everybody connected."""

        # elections
        self.election_deadline = 0.0
        self.leader_contact = -inf
        """When the current leader was last heard."""
        self.last_leader: str | None = None
        self.campaign: Campaign | None = None

        # the follower
        self.verified = 0
        """Up to here this log is as the current term's leader's: what a follower may acknowledge once it is durable."""
        self.ack_owed: str | None = None
        """The leader that waits for an acknowledgement of what is being synced."""
        self.freshness = Freshness()

        # the leader
        self.noop_index: int | None = None
        """Of the entry that began its term."""
        self.led_term = 0
        """That it leads, or led last."""
        self.ping_due = 0.0
        self.round = 0
        """Number of this leader's latest ping; never starts over."""
        self.append_seq = 0
        self.sync_began = 0.0
        self.transfer: Transfer | None = None
        self.yield_not_before = 0.0
        """A leader with a full disk tries to hand over from here on."""

        # snapshots
        self.snapshot_index = 0
        """Index of the last entry in the installed snapshot; 0 without one."""
        self.state_ahead = False
        """The state is already that of a snapshot whose installing the disk has not reported: apply nothing."""
        self.saving: Saving | None = None
        self.save_not_before = 0.0
        self.save_forced = False
        self.unsaved_bytes = 0
        """Of the commands applied since the installed snapshot."""
        self.incoming: Incoming | None = None
        self.snapshot_damaged = False
        """The installed snapshot's file cannot be read: it is not sent, and a new one is due."""
        self.verifying = False
        """It is read back."""
        self.transfers = 0
        """The number of the latest snapshot that this node began to send."""

        # calls
        self.pending = Pending()
        self.reads_arrived: list[Read] = []
        self.read_round: Round | None = None
        self.reads_confirmed: list[tuple[int, Read]] = []
        """They wait until this index is applied."""

    @property
    def leading(self) -> bool:
        return self.role is _LEADER

    @property
    def voters(self) -> tuple[str, ...]:
        """The latest configuration, committed or not."""
        return self.log.configurations.latest

    @property
    def others(self) -> list[str]:
        """The voters of the latest configuration without this node, sorted."""
        return [voter for voter in self.voters if voter != self.own]

    @property
    def votes(self) -> bool:
        """Is this node a voter of the latest configuration?"""
        return self.own in self.voters

    @property
    def committed_voters(self) -> tuple[str, ...]:
        """The configuration as of the last applied entry."""
        return self.log.configurations.as_of(self.applied)

    @property
    def may_campaign(self) -> bool:
        """Does this node vote in the latest configuration, or in one that the latest has not replaced for certain?"""
        return self.log.configurations.may_hold(self.own, self.commit)

    @property
    def founding(self) -> bool:
        """Has this node not heard yet that the cluster was founded? Until then an election takes every voter.

        A node that has a leader's entry knows that all founders voted for one.
        """
        return self.log.configurations.founding and self.log.last_index == 1

    @property
    def noop_applied(self) -> bool:
        """As the leader: is everything that was committed before its term known, and applied?"""
        return self.noop_index is not None and self.applied >= self.noop_index

    def disk_hangs(self) -> bool:
        """A sync of the log, or a term or vote, has been on its way to the disk for too long."""
        since = self.sync_began if self.log.durability.in_flight else self.now
        if self.outbox.storing:
            since = min(since, self.outbox.since)
        return self.now > since + self.settings.disk_patience

    @property
    def change_pending(self) -> bool:
        """Is the latest configuration not committed yet?"""
        return self.log.configurations.latest_index > self.commit
