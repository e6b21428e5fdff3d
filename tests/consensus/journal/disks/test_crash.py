"""Power is lost at every call that a run makes to the disk: nothing acknowledged may be gone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles, PowerCut
from tests.consensus.journal.member import Member, act

STEPS = 60
STEPS_BEFORE_SECOND_CUT = 12
FATES = (None, Fate.KEEP, Fate.DROP, Fate.TEAR, Fate.TEAR, Fate.TEAR, Fate.MIXED, Fate.MIXED)


def run(seed: int, cut_at: int | None, steps: int = STEPS) -> Member:
    """The run of a seed, up to its end or to the power cut."""
    files = MemoryFiles()
    files.cut_at = cut_at
    member = Member(files, seed)
    rng = Random(seed)
    try:
        member.open()
        for _ in range(steps):
            act(member, rng)
        member.close()
    except PowerCut:
        pass
    return member


def recover(crashed: Member, rng: Random, second_cut: int | None = None) -> int:
    """Open and go on; optionally with another power cut while opening. Returns the calls that opening took."""
    member = crashed
    member.files.cut_at = second_cut
    try:
        member.open()
    except PowerCut:
        member = member.crashed(rng.choice((None, Fate.DROP, Fate.TEAR, Fate.MIXED)), rng)
        member.open()
    calls = member.files.calls
    for _ in range(3):
        act(member, rng)
    member.sync()
    member.crashed(Fate.DROP, rng).open()
    return calls


def cut_everywhere(seed: int, steps: int) -> Iterator[tuple[int, Member]]:
    calls = run(seed, None, steps).files.calls
    assert calls > 2 * steps
    return ((cut_at, run(seed, cut_at, steps)) for cut_at in range(1, calls + 1))


def check_all_fates(seed: int) -> None:
    for cut_at, member in cut_everywhere(seed, STEPS):
        for number, fate in enumerate(FATES):
            rng = Random(f"{seed} {cut_at} {number}")
            try:
                recover(member.crashed(fate, rng), rng)
            except Exception as error:
                raise AssertionError(f"seed {seed}, cut at call {cut_at}, fate {number}") from error


def check_second_cuts(seed: int) -> None:
    for cut_at, member in cut_everywhere(seed, STEPS_BEFORE_SECOND_CUT):
        rng = Random(f"{seed} {cut_at}")
        crashed = member.crashed(rng.choice(FATES), rng)
        calls = recover(crashed.crashed(None, rng), rng)
        for second_cut in range(1, calls + 1):
            rng = Random(f"{seed} {cut_at} {second_cut}")
            try:
                recover(crashed.crashed(None, rng), rng, second_cut)
            except Exception as error:
                raise AssertionError(f"seed {seed}, cut at calls {cut_at} and {second_cut}") from error


@pytest.mark.parametrize("seed", range(3))
def test_nothing_acknowledged_is_lost_wherever_the_power_goes(seed: int) -> None:
    check_all_fates(seed)


@pytest.mark.parametrize("seed", [4, pytest.param(109, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_when_the_power_goes_again_while_recovering(seed: int) -> None:
    check_second_cuts(seed)


@pytest.mark.campaign
def test_nothing_acknowledged_is_lost_in_many_runs() -> None:
    for seed in range(100, 160):
        check_all_fates(seed)
        check_second_cuts(seed)


def test_the_runs_make_every_kind_of_call() -> None:
    words = {
        call.split()[0] + " " + call.split()[1].split("-")[0]
        for seed in range(8)
        for call in run(seed, None).files.trace
    }
    assert {
        "sync journal",
        "remove journal",
        "rename spare.tmp",
        "rename snapshot",
        "remove snapshot",
        "write vote",
    } <= words
