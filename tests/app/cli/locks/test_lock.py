"""`coterie lock` with real commands: who runs when, what each is told, and how all of it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from coterie.app.cli.process.child_process import Signals
from coterie.app.cli.terminal.exits import Exit
from coterie.consensus import GrantEndedError
from coterie.consensus.api.locks import Lock
from tests import ROOT
from tests.app.cli.conftest import Say
from tests.app.cli.shapes import check_json
from tests.app.cli.started import started, until_there
from tests.app.processes import COMMAND, environment
from tests.cluster.processes import Node, nodes
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster


def holding(begun: Path, told: Path) -> str:
    """A command that says its process id, and what it is told; it ends only then."""
    return (
        f"trap 'echo TERM > {told}; exit 9' TERM; trap 'echo INT > {told}; exit 8' INT; "
        f"echo $$ > {begun}; while :; do sleep 0.05; done"
    )


def is_running(pid: int) -> bool:
    """Not so for what has ended and is yet to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def holders(say: Say, node: Node, name: str) -> list[str]:
    queues = check_json("locks", say("locks", name, "--json", at=node).out)["queues"]
    return [each["value"] for queue in queues for each in queue["holders"]]


def waiters(say: Say, node: Node, name: str) -> list[str] | None:
    """None where the node did not answer in time: on a busy machine, the caller asks again."""
    said = say("locks", name, "--json", at=node)
    if said.code != Exit.DONE:
        return None
    queues = check_json("locks", said.out)["queues"]
    return [each["value"] for queue in queues for each in queue["waiters"]]


def test_the_command_is_told_what_is_held_and_its_exit_code_passes_through(
    node: Node, say: Say, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    said = say("lock", "told", "--", "sh", "-c", f"env > {told}; exit 3", at=node)
    assert (said.code, said.out, said.err) == (3, "", "")
    variables = dict(line.partition("=")[::2] for line in told.read_text().splitlines())
    assert variables["COTERIE_LOCK_NAME"] == "told"
    token = int(variables["COTERIE_LOCK_TOKEN"])
    assert variables["COTERIE_LOCK_KEY"] == f"coterie/locks/told@{token:020}"
    assert variables["COTERIE_CLIENT_ADDRESS"] == f"http://{node.address}"
    assert holders(say, node, "told") == []
    assert say("lock", "told", "--", "sh", "-c", "kill -KILL $$").code == 128 + signal.SIGKILL


def test_a_command_asks_the_same_nodes(node: Node, say: Say, tmp_path: Path) -> None:
    """Also where they were named by an option, and the node is begun under a lock: it passes over what is not its."""
    told = tmp_path / "told"
    inner = (
        f"{shlex.join(COMMAND)} meta get nothing 2> {told}; {shlex.join(COMMAND)} check-config --quiet >> {told} 2>&1"
    )
    said = say("lock", "nested", "--address", node.address, "--", "sh", "-c", inner)
    assert (said.code, told.read_text()) == (Exit.DONE, "coterie: there is no key 'nothing'\n")


def test_what_cannot_be_run_holds_nothing(node: Node, say: Say) -> None:
    for command, problem in (
        ((), "say what to run, behind --"),
        (("--", "no-such-command"), "no-such-command: there is no such command"),
    ):
        said = say("lock", "vain", *command, at=node)
        assert said.code == Exit.WRONG_USAGE
        assert problem in said.err


def test_two_never_run_at_once(node: Node, tmp_path: Path) -> None:
    order, room = tmp_path / "order", tmp_path / "room"
    inside = f"mkdir {room} && echo $COTERIE_LOCK_TOKEN >> {order} && sleep 0.1 && rmdir {room}"
    with ExitStack() as stack:
        commands = [stack.enter_context(started(node, "lock", "one", "--", "sh", "-c", inside)) for _ in range(3)]
        for each in commands:
            assert each.end() == 0, each.errors()
    tokens = [int(line) for line in order.read_text().split()]
    assert len(tokens) == 3
    assert tokens == sorted(set(tokens))


def test_permits_and_what_is_not_obtained(node: Node, say: Say, tmp_path: Path) -> None:
    begun, told = tmp_path / "begun", tmp_path / "told"
    command = ("--permits", "2", "--value", "first", "--", "sh", "-c", holding(begun, told))
    with started(node, "lock", "some", *command) as first:
        until_there(begun)
        assert say("lock", "some", "--permits", "2", "--wait", "0", "--", "true", at=node).code == Exit.DONE
        other = say("lock", "some", "--permits", "3", "--", "true")
        assert other.code == Exit.PRECONDITION
        assert check_json("locks", say("locks", "--kind", "semaphore", "--json").out)["queues"][0]["name"] == "some"
        assert "holds" in say("locks").out
        assert first.end(signal.SIGTERM) == 9
    with started(node, "lock", "all", "--value", "first", "--", "sh", "-c", holding(begun, told)) as first:
        wait_until(lambda: holders(say, node, "all") == ["first"])
        for wait in ("0", "0.3"):
            said = say("lock", "all", "--wait", wait, "--", "false")
            assert said.code == Exit.PRECONDITION, said
            assert said.err.startswith("coterie: the lock 'all' was not obtained: others held it")
        assert waiters(say, node, "all") == []
        assert first.end(signal.SIGTERM) == 9


def test_what_was_lost_before_the_answer_came_is_not_held(
    node: Node, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(holding: Lock) -> None:
        raise GrantEndedError

    monkeypatch.setattr(Lock, "_acquire", lost)
    said = say("lock", "late", "--json", "--", "touch", str(tmp_path / "run"), at=node)
    assert (said.code, said.out) == (Exit.PRECONDITION, "")
    error = json.loads(said.err)["error"]
    assert (error["code"], error["exit_code"]) == ("grant_ended", Exit.PRECONDITION)
    assert "lost before the answer came" in error["message"]
    assert not (tmp_path / "run").exists()


def test_unavailable_is_not_taken_for_somebody_elses(say: Say) -> None:
    assert say("lock", "x", "--wait", "0", "--timeout", "1", "--", "true", at="127.0.0.1:1").code == Exit.UNAVAILABLE


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 9, "TERM"), (signal.SIGINT, 8, "INT")])
def test_who_is_asked_to_end_tells_the_command_and_gives_the_lock_back(
    node: Node, say: Say, tmp_path: Path, number: int, code: int, word: str
) -> None:
    begun, told = tmp_path / "begun", tmp_path / "told"
    with started(node, "lock", "asked", "--ttl", "600", "--", "sh", "-c", holding(begun, told)) as running:
        until_there(begun)
        assert len(holders(say, node, "asked")) == 1
        assert running.end(number) == code
        assert told.read_text() == f"{word}\n"
        assert holders(say, node, "asked") == []  # long before its 600 s are over


def test_who_is_asked_to_end_while_waiting_waits_no_more(node: Node, say: Say, tmp_path: Path) -> None:
    begun, told = tmp_path / "begun", tmp_path / "told"
    with started(node, "lock", "awaited", "--", "sh", "-c", holding(begun, told)) as first:
        until_there(begun)
        with started(node, "lock", "awaited", "--ttl", "600", "--value", "second", "--", "false") as second:
            wait_until(lambda: waiters(say, node, "awaited") == ["second"])
            assert second.end(signal.SIGINT) == Exit.INTERRUPTED
            assert waiters(say, node, "awaited") == []
            assert second.errors() == ""
        assert first.end(signal.SIGTERM) == 9


def test_what_ignores_its_end_is_killed_with_all_that_it_started(node: Node, say: Say, tmp_path: Path) -> None:
    """Here because the lock is lost: somebody has ended the lease."""
    begun = tmp_path / "begun"
    stubborn = f"trap '' TERM; sh -c 'echo $$ > {begun}; while :; do sleep 0.05; done'"
    with started(node, "lock", "lost", "--grace", "0.2", "--", "sh", "-c", stubborn) as running:
        child = int(until_there(begun))
        queue = check_json("locks", say("locks", "lost", "--json", at=node).out)["queues"][0]
        lease = str(queue["holders"][0]["lease"])
        assert check_json("lease revoke", say("lease", "revoke", lease, "--yes", "--json").out)["deleted"] == 1
        assert running.end() == Exit.LOST
        wait_until(lambda: not is_running(child))
        assert running.errors() == "coterie: the lock 'lost' was LOST; ending the command\n"


def test_where_it_only_warns_the_command_goes_on(node: Node, say: Say, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    patient = f"echo x > {begun}; while [ ! -e {go} ]; do sleep 0.05; done"
    with started(node, "lock", "warned", "--on_lost", "warn", "--", "sh", "-c", patient) as running:
        until_there(begun)
        lease = check_json("locks", say("locks", "warned", "--json", at=node).out)["queues"][0]["holders"][0]["lease"]
        say("lease", "revoke", str(lease), "--yes")
        assert running.process.stderr is not None
        assert running.process.stderr.readline() == "coterie: the lock 'warned' was LOST\n"
        go.touch()
        assert running.end() == Exit.LOST


def test_no_command_outlives_a_coterie_that_is_killed(node: Node, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    stubborn = f"trap '' TERM; sh -c 'echo $$ > {begun}; while :; do sleep 0.05; done'; :"
    with started(node, "lock", "killed", "--ttl", "5", "--grace", "0.2", "--", "sh", "-c", stubborn) as running:
        child = int(until_there(begun))
        assert is_running(child)
        running.end(signal.SIGKILL)
        wait_until(lambda: not is_running(child))


@pytest.mark.slow
def test_the_lock_outlives_the_node_that_was_asked(tmp_path: Path, say: Say) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    patient = f"echo x > {begun}; while [ ! -e {go} ]; do sleep 0.05; done; exit 5"
    with nodes(INTERVAL_MS="100") as cluster:
        leader = cluster.start(
            "leader", DATA_DIR=str(tmp_path / "leader"), RAFT__ENABLED="true", RAFT__BOOTSTRAP_EXPECT="1"
        )
        asked = cluster.start("asked", seeds=[leader.address])  # it passes on what it is asked
        wait_until(lambda: asked.client.get("/v1/meta?limit=1").status_code == 200)
        with started([asked, leader], "lock", "kept", "--ttl", "15", "--", "sh", "-c", patient) as running:
            until_there(begun)
            lease = str(
                check_json("locks", say("locks", "kept", "--json", at=leader).out)["queues"][0]["holders"][0]["lease"]
            )

            def renewals() -> int:
                return int(check_json("lease get", say("lease", "get", lease, "--json").out)["renewals"])

            asked.kill()
            before = renewals()
            wait_until(lambda: renewals() > before)
            assert running.process.poll() is None
            go.touch()
            assert running.end() == 5, running.errors()
            assert running.errors() == ""


def test_a_command_has_the_terminal(node: Node, tmp_path: Path) -> None:
    """It reads what is typed, and Ctrl-C is for it."""
    told = tmp_path / "told"
    ours, theirs = os.openpty()
    reading = f"read line; echo \"$line\" > {told}; trap 'echo INT >> {told}; exit 8' INT; while :; do sleep 0.05; done"
    words = [*COMMAND, "lock", "typed", "--", "sh", "-c", reading]
    process = subprocess.Popen(
        ["sh", "-c", f"exec <>{os.ttyname(theirs)} >&0 2>&0; exec {shlex.join(words)}"],
        env=environment({"CLIENT_ADDRESS": node.address}),
        cwd=ROOT,
        start_new_session=True,  # whose terminal is the first one that it opens
    )
    try:
        os.write(ours, b"hello\n")
        assert until_there(told) == "hello\n"
        os.write(ours, b"\x03")
        assert process.wait(PATIENCE_SECONDS) == 8
        assert told.read_text() == "hello\nINT\n"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
        os.close(theirs)


def test_who_is_stopped_with_its_group_is_no_obstacle(node: Node, tmp_path: Path) -> None:
    """The command's group holds its guardian, too."""
    begun = tmp_path / "begun"
    with started(node, "lock", "stopped", "--", "sh", "-c", f"echo $$ > {begun}; exec sleep 600") as running:
        child = int(until_there(begun))
        os.killpg(os.getpgid(child), signal.SIGSTOP)
        os.kill(child, signal.SIGKILL)
        assert running.end() == 128 + signal.SIGKILL


def test_a_lock_that_came_and_went_while_stopped_runs_nothing(node: Node, say: Say, tmp_path: Path) -> None:
    begun, ran = tmp_path / "begun", tmp_path / "ran"
    with started(node, "lock", "slept", "--", "sh", "-c", holding(begun, tmp_path / "told")) as first:
        until_there(begun)
        arguments = ("lock", "slept", "--ttl", "2", "--value", "sleeper", "--", "touch", str(ran))
        with started(node, *arguments) as second:
            wait_until(lambda: waiters(say, node, "slept") == ["sleeper"])
            second.process.send_signal(signal.SIGSTOP)
            assert first.end(signal.SIGTERM) == 9
            wait_until(lambda: not holders(say, node, "slept") and waiters(say, node, "slept") == [])
            second.process.send_signal(signal.SIGCONT)
            assert second.end() == Exit.PRECONDITION
            assert not ran.exists()


async def asked_for_the_end(numbers: list[signal.Signals], *, gives_back: bool) -> bool:
    """Whether these signals, one after another, cancel the task."""
    signals = Signals()
    try:
        with signals:
            signals.gives_back = gives_back
            for number in numbers:
                signal.raise_signal(number)
                await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        return True
    return False


def test_signals_where_nothing_runs() -> None:
    term = signal.SIGTERM
    assert asyncio.run(asked_for_the_end([term], gives_back=False))
    # Giving back is not cut short by whoever asks a second time, only by who insists.
    assert not asyncio.run(asked_for_the_end([term], gives_back=True))
    assert asyncio.run(asked_for_the_end([term, term], gives_back=True))
    # What is ignored from the start, as by nohup, stays so.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not asyncio.run(asked_for_the_end([signal.SIGHUP] * 3, gives_back=False))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
