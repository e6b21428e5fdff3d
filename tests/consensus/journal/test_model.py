"""The journal against a plain list, in any order of calls, with reopening and crashes at any point (Hypothesis)."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import Member


class JournalAgainstList(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.member = Member(MemoryFiles(), seed)
        self.member.open()

    @rule(commands=st.lists(st.binary(max_size=60), min_size=1, max_size=6))
    def add(self, commands: list[bytes]) -> None:
        for command in commands:
            self.member.add(command)

    @rule(size=st.integers(1_000, 9_000))
    def add_large(self, size: int) -> None:
        self.member.add(bytes(size))

    @rule(keep=st.integers(0, 8))
    def truncate(self, keep: int) -> None:
        self.member.truncate(keep)

    @rule()
    def sync(self) -> None:
        self.member.sync()

    @rule(commands=st.lists(st.binary(max_size=60), max_size=6), during=st.lists(st.binary(max_size=60), max_size=6))
    def sync_in_two_steps(self, commands: list[bytes], during: list[bytes]) -> None:
        for command in commands:
            self.member.add(command)
        log = list(self.member.log)
        job = self.member.store.journal.begin_sync()
        for command in during:
            self.member.add(command)
        job()
        self.member.logs = [log]

    @rule(later=st.integers(1, 3), voted_for=st.sampled_from([None, "a", "ä" * 100]))
    def vote(self, later: int, voted_for: str | None) -> None:
        self.member.vote(self.member.votes[-1][0] + later, voted_for)

    @rule(behind=st.integers(0, 5), state=st.binary(max_size=300))
    def snapshot(self, behind: int, state: bytes) -> None:
        self.member.snapshot(behind, state)

    @rule(ahead=st.integers(0, 5), state=st.binary(max_size=300))
    def receive(self, ahead: int, state: bytes) -> None:
        self.member.receive(ahead, state)

    @rule()
    def tick(self) -> None:
        if self.member.log != self.member.logs[-1]:
            self.member.sync()
        self.member.tick()

    @rule()
    def reopen(self) -> None:
        self.member.reopen()

    @rule(fate=st.sampled_from([None, *Fate]), seed=st.integers(0, 2**32))
    def crash(self, fate: Fate | None, seed: int) -> None:
        self.member = self.member.crashed(fate, Random(seed))
        self.member.open()

    @precondition(lambda self: hasattr(self, "member"))
    @invariant()
    def reads_like_a_list(self) -> None:
        journal, log = self.member.store.journal, self.member.log
        assert len(journal) == len(log)
        assert journal[:] == log
        assert journal[1:3] == log[1:3]
        if log:
            assert journal[0] == log[0]
            assert journal[-1] == log[-1]


JournalAgainstList.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestJournalAgainstList = JournalAgainstList.TestCase
