"""Members compare their states: one that differs from a majority stops, and loses nothing."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.consensus.member.metadata.digests import Digests, DivergedError
from coterie.consensus.store import DigestTold, Put, State, apply, encode, state_digest
from tests.consensus.api.groups import CONFIG, running
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

OFTEN = replace(CONFIG, digest_interval=0.1)


async def test_members_that_are_alike_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, config=OFTEN) as group:
        metadata = group.members[0].metadata
        for number in range(30):
            await metadata.put(b"k%d" % (number % 7), b"v")
        compared = [member.consumer.machine.digests for member in group.members.values()]
        await metadata.put(b"last", b"v")
        await eventually(lambda: all(len(it.agreed) >= 1 for it in compared))
        assert all(member.node.failure is None for member in group.members.values())


async def test_a_member_that_differs_stops_and_says_which_entry(tmp_path: Path) -> None:
    async with running(tmp_path, config=OFTEN) as group:
        led = await group.led()
        odd = next(member for member in group.members.values() if member is not led)
        await led.metadata.put(b"k", b"acknowledged")
        await eventually(lambda: odd.state.get(b"k") is not None)
        odd.state.keyspace.history.compact(odd.state.keyspace.revision)  # as a release with other limits would
        await led.metadata.put(b"k", b"acknowledged later")
        await eventually(lambda: odd.node.failure is not None)
        assert isinstance(odd.node.failure, DivergedError)
        assert "Set the raft directory" in str(odd.node.failure)
        record = (await led.metadata.get(b"k")).value
        assert record is not None
        assert record.value == b"acknowledged later"


async def test_a_leader_that_differs_stops_too_and_another_leads(tmp_path: Path) -> None:
    async with running(tmp_path, config=OFTEN) as group:
        led = await group.led()
        await led.metadata.put(b"k", b"acknowledged")
        led.state.keyspace.history.compact(led.state.keyspace.revision)
        other = next(member for member in group.members.values() if member is not led)
        await other.metadata.put(b"k", b"acknowledged later")
        await eventually(lambda: led.node.failure is not None)
        assert isinstance(led.node.failure, DivergedError)
        await eventually(lambda: any(member.leading for member in group.members.values() if member is not led))
        await other.metadata.put(b"k", b"goes on")


def made(state: State) -> tuple[Digests, int, bytes]:
    digests = Digests()
    digests.voters = ("a", "b", "c")
    digests.begin(state)
    while digests.pending:
        report = digests.step()
    assert report is not None
    return digests, *report


def test_a_digest_is_that_of_the_state_where_it_was_begun() -> None:
    state = State()
    apply(state, encode(Put(b"a", b"1")), 1)
    digests = Digests()
    digests.begin(state)
    as_of = state_digest(state)
    apply(state, encode(Put(b"a", b"2")), 2)
    while (report := digests.step()) is None:
        pass
    assert report == (1, bytes.fromhex(as_of))


@pytest.mark.parametrize(
    ("told", "stops"),
    [
        ({"a": 1, "b": 1}, True),
        ({"a": 1, "b": 0, "c": 1}, True),
        ({"a": 1}, False),
        ({"a": 1, "d": 1, "e": 1}, False),
        ({"a": 1, "b": 2, "c": 0}, False),
        ({"a": 0, "b": 0, "c": 1}, False),
    ],
    ids=["two of three", "two of three, late", "one of three", "observers", "all differ", "another differs"],
)
def test_a_majority_of_the_voters_decides(told: dict[str, int], *, stops: bool) -> None:
    digests, index, own = made(State())
    reports = [DigestTold(index, member, own if kind == 0 else bytes([kind])) for member, kind in told.items()]
    with pytest.raises(DivergedError, match=f"entry {index}") if stops else nullcontext():
        for report in reports:
            digests.told(report)
