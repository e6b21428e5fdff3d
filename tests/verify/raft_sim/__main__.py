"""A campaign of storms: every seed of a range, in several processes, with counts and the seeds that failed.

    python -m tests.verify.raft_sim --start 301000 --seeds 20000 --processes 2

A failure ends nothing: it is printed at once, and again at the end. The exit status is 1 where there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

from tests.verify.raft_sim.storm import LATEST_SEEDS, Verdict, run_storm
from tests.verify.raft_sim.world import SimulationError

SHOWN_EVERY = 500
"""Seeds between two lines of progress."""

SEEDS_A_PROCESS = 500
"""After so many a new process goes on."""


class Outcome(NamedTuple):
    seed: int
    verdict: Verdict | None
    """None: it failed."""
    failure: str
    seconds: float
    """Of processor time."""


def run_seed(seed: int) -> Outcome:
    began = time.process_time()
    verdict, failure = None, ""
    try:
        verdict = run_storm(seed)
    except SimulationError as error:
        failure = str(error).split("\n")[0]
    except Exception as error:  # noqa: BLE001 - whatever shows that something is wrong
        failure = f"seed {seed}: {error!r}"
    return Outcome(seed, verdict, failure, time.process_time() - began)


def outcomes(seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """As they come, in no order. One process: in this one."""
    if processes == 1:
        yield from map(run_seed, seeds)
        return
    # Each new process is a copy of the first as it was: it imports nothing anew.
    with get_context("fork").Pool(processes, maxtasksperchild=SEEDS_A_PROCESS) as pool:
        yield from pool.imap_unordered(run_seed, seeds)


def campaign(seeds: Iterable[int], processes: int = 1) -> list[Outcome]:
    """Run them all, print how it goes, and return those that failed."""
    say = partial(print, flush=True)
    total, seconds, done = [0] * len(fields(Verdict)), 0.0, 0
    failed: list[Outcome] = []
    for outcome in outcomes(seeds, processes):
        done += 1
        seconds += outcome.seconds
        if outcome.verdict is None:
            failed.append(outcome)
            say(f"FAILED: {outcome.failure}")
        else:
            total = [before + more for before, more in zip(total, astuple(outcome.verdict), strict=True)]
        if done % SHOWN_EVERY == 0:
            say(f"{done} seeds, {len(failed)} failed, {seconds:.0f} s of processor time")
    counts = ", ".join(f"{count} {field.name}" for field, count in zip(fields(Verdict), total, strict=True))
    say(f"{done} seeds, {len(failed)} failed, {seconds / max(1, done):.2f} s of processor time each; {counts}")
    for outcome in sorted(failed):
        say(f"FAILED: {outcome.failure}")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=LATEST_SEEDS + 1_000, help="the first seed (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=20_000, help="how many (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="how many at a time (default: %(default)s)")
    given = parser.parse_args()
    print(f"storms of the seeds {given.start} to {given.start + given.seeds - 1}", flush=True)
    return 1 if campaign(range(given.start, given.start + given.seeds), given.processes) else 0


if __name__ == "__main__":
    sys.exit(main())
