"""The same program in three processes on stock PySyncObj and on ours, under `kill -9` of one and then of all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.consensus.pysyncobj.test_syncobj import free_addresses
from tests.waiting import wait_for, wait_until

PROGRAM = Path(__file__).with_name("program.py")


class Process:
    def __init__(self, engine: str, directory: Path, own: str, partners: list[str]) -> None:
        self.arguments = [sys.executable, "-W", "ignore", str(PROGRAM), engine, str(directory), own, *partners]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def say(self, line: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, line: str) -> Any:
        """The result; asked again where a change of leader leaves open what became of the call."""
        return wait_for(lambda: None if isinstance(answer := self.say(line), dict) else (answer,), line)[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


# Whether stock answers a call that a change of leader cut short is luck: its runs are a campaign.
@pytest.fixture(params=[pytest.param("stock", marks=pytest.mark.campaign), "ours"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Process]]:
    addresses = free_addresses(3)
    with ExitStack() as stack:
        started = []
        for own in addresses:
            started.append(Process(request.param, tmp_path, own, [each for each in addresses if each != own]))
            stack.callback(started[-1].kill)
        wait_until(lambda: all(each.say("ready") for each in started))
        yield started


@pytest.mark.cluster
def test_a_program_goes_on_without_its_leader(processes: list[Process]) -> None:
    counted = [each.ask("count") for each in processes]
    assert processes[0].ask("lock a") is True
    assert processes[1].ask("lock a") is False
    processes[2].ask("put key value")
    leader = processes[0].say("leader")
    [killed] = [each for each in processes if each.arguments[6] == leader]
    killed.kill()
    rest = [each for each in processes if each is not killed]
    wait_until(lambda: rest[0].say("leader") not in {leader, "None"})
    counted.append(rest[0].ask("count"))
    wait_until(lambda: rest[1].say("get key") == "value")
    killed.start()
    wait_until(lambda: killed.say("ready"))
    counted.append(killed.ask("count"))
    assert counted == sorted(set(counted))  # none of them is lost, whatever else was counted


@pytest.mark.cluster
def test_ours_keeps_all_that_was_acknowledged_when_all_are_killed(tmp_path: Path) -> None:
    addresses = free_addresses(3)
    with ExitStack() as stack:
        started = [Process("ours", tmp_path, own, [each for each in addresses if each != own]) for own in addresses]
        for each in started:
            stack.callback(each.kill)
        wait_until(lambda: all(each.say("ready") for each in started))
        counted = [started[at % 3].ask("count") for at in range(30)]
        for each in started:
            each.kill()
        for each in started:
            each.start()
        wait_until(lambda: all(each.say("ready") for each in started))
        counted.append(started[0].ask("count"))
        assert counted == sorted(set(counted))
