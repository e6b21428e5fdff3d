"""A decision is carried out only while it still holds: between its ban and the removal a voter may die."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from coterie.consensus.api.errors import UnavailableError
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell.leader_loop import LeaderLoop
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RemovalCause, ban_text
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision
from coterie.consensus.autopilot.voters.tracker import RaftFacts

pytestmark = pytest.mark.anyio

NOBODY = Observations(())


class Fake:
    """A leader `a` of the voters a, b, c; `c` is to go. `meanwhile` happens while the ban is replicated."""

    def __init__(self) -> None:
        self.silent: dict[str, float] = {}
        self.state = SimpleNamespace(bans={})
        self.changes: list[tuple[str, bool]] = []
        self.meanwhile: Any = lambda: None
        self.metadata = SimpleNamespace(administer=self.ban)

    async def ban(self, op: Any) -> None:
        self.meanwhile()
        self.state.bans[op.member_id] = SimpleNamespace(reason=op.reason)

    async def change_voters(self, member: str, *, add: bool) -> None:
        self.changes.append((member, add))

    def facts(self) -> RaftFacts:
        now = time.monotonic()
        return RaftFacts(
            own="a",
            cluster_id="x",
            term=1,
            leading=True,
            settled=True,
            change_pending=False,
            transferring=False,
            voters=("a", "b", "c"),
            last_index=10,
            match={"b": 10, "c": 10},
            heard_at={member: now - self.silent.get(member, 0.05) for member in ("b", "c")},
            bans={member: ban.reason for member, ban in self.state.bans.items()},
        )


@pytest.fixture
def member() -> Fake:
    return Fake()


@pytest.fixture
def loop(member: Fake, monkeypatch: pytest.MonkeyPatch) -> LeaderLoop:
    loop = LeaderLoop(member, Policy())  # type: ignore[arg-type]
    monkeypatch.setattr(loop, "_facts", member.facts)
    started = time.monotonic() - 60
    loop.view = loop._tracker.observe(NOBODY, replace(member.facts(), heard_at={}), started)
    return loop


REMOVAL = VoterDecision(DecisionKind.REMOVE, "c", "an operator removes it", RemovalCause.FORCED)


async def test_a_removal_that_still_holds_after_its_ban_is_carried_out(member: Fake, loop: LeaderLoop) -> None:
    await loop._do(REMOVAL)
    assert member.state.bans["c"].reason == ban_text(RemovalCause.FORCED, "an operator removes it")
    assert member.changes == [("c", False)]


async def test_a_voter_that_dies_meanwhile_holds_the_removal_back(member: Fake, loop: LeaderLoop) -> None:
    member.meanwhile = lambda: member.silent.update(b=5.0)
    with pytest.raises(UnavailableError, match="has changed since"):
        await loop._do(REMOVAL)
    assert "c" in member.state.bans
    assert member.changes == []  # {a, b} without b could never decide anything again


async def test_it_is_taken_up_once_the_voter_is_back(member: Fake, loop: LeaderLoop) -> None:
    await test_a_voter_that_dies_meanwhile_holds_the_removal_back(member, loop)
    member.silent.clear()
    loop._reap_leases = lambda *_: None  # type: ignore[method-assign]
    loop._name_cluster = lambda: None  # type: ignore[method-assign]
    loop._record = lambda _: _nothing()  # type: ignore[method-assign,assignment]
    loop.turn(NOBODY, time.monotonic())
    assert loop._acting is not None
    await loop._acting
    assert member.changes == [("c", False)]


async def _nothing() -> None: ...
