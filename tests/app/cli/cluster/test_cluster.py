"""Commands on a cluster of three: leadership handed over, a voter lost, removed and forgotten, a node that leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Said, Say
from tests.app.cli.shapes import check_json
from tests.cluster.processes import nodes
from tests.waiting import PATIENCE_SECONDS, wait_for, wait_until

pytestmark = pytest.mark.cluster

NAMES = ("node-1", "node-2", "node-3")

SETTINGS = {
    "RAFT__ENABLED": "true",
    "RAFT__BOOTSTRAP_EXPECT": "3",
    "RAFT__DEAD_VOTER_GRACE": "600",
    "INTERVAL_MS": "100",
}


def done(say: Say, *arguments: str) -> Said:
    """What may be said twice: a busy machine may not be able to at first, or not answer in time."""

    def answer() -> Said | None:
        found = say(*arguments)
        return None if found.code in {Exit.UNAVAILABLE, Exit.UNKNOWN} else found

    said = wait_for(answer)
    assert said.code == Exit.DONE, said
    return said


@pytest.mark.slow
def test_an_operators_day(say: Say, tmp_path: Path) -> None:
    with nodes(**SETTINGS) as started:
        first = started.start(NAMES[0], DATA_DIR=str(tmp_path / NAMES[0]))
        others = [started.start(name, seeds=[first.address], DATA_DIR=str(tmp_path / name)) for name in NAMES[1:]]
        by_name = {each.node_id: each for each in (first, *others)}
        wait_until(lambda: say("status", "--check", at=first).code == 0 and say("members").out.count("voter") == 2)

        # Leadership goes to whom it is given.
        aim = next(
            each["node_id"]
            for each in check_json("raft peers", say("raft", "peers", "--json").out)["members"]
            if each["role"] == "voter"
        )
        told = done(say, "raft", "transfer", aim, "--json")
        assert check_json("raft transfer", told.out) == {"leader": aim}
        refused = say("raft", "transfer", "nobody")
        assert (refused.code, refused.out) == (Exit.FAILED, "")

        # A voter dies: what is not well is said, with what to do.
        lost = next(each for name, each in by_name.items() if name not in {aim, NAMES[0]})
        lost.kill()
        problem = f"the voter {lost.node_id} is not live; no further failure is survived"

        def told_of_it() -> bool:
            status = check_json("status", say("status", "--json").out)
            return [each["problem"] for each in status["problems"]] == [problem] and status["nodes"]["dead"] == 1

        wait_until(told_of_it)
        shown = say("status", "--check")
        assert shown.code == Exit.FAILED
        assert "not all is well" in shown.out
        assert "what to do: start it again" in shown.out

        # It is gone for good: removed from Raft, then forgotten everywhere.
        removed = check_json("raft remove", done(say, "raft", "remove", lost.node_id, "--yes", "--json").out)
        assert removed["node_id"] == lost.node_id
        forgotten = check_json("members forget", done(say, "members", "forget", lost.node_id, "--yes", "--json").out)
        assert (forgotten["node_id"], forgotten["forgotten"]) == (lost.node_id, 1)
        wait_until(lambda: lost.node_id not in say("members").out)

        # Another leaves in good order; what is left of the cluster still answers.
        leaver = by_name[aim] if aim != NAMES[0] else next(each for each in others if each is not lost)
        given = check_json("raft leave", say("raft", "leave", "--json", at=leaver).out)
        assert given == {"left": True, "address": f"http://{leaver.address}"}
        assert say("meta", "ls", at=leaver).code == Exit.DONE  # it asks the others
        gone = check_json("leave", say("leave", "--json", at=leaver).out)
        assert (gone["address"], gone["told"]) == (f"http://{leaver.address}", 1)
        assert leaver.process.wait(PATIENCE_SECONDS) == 0
        wait_until(lambda: say("members", "get", leaver.node_id, at=first).out.find("left") > 0)


def test_a_backup_becomes_a_new_cluster(say: Say, tmp_path: Path, node: object) -> None:
    file = tmp_path / "saved"
    saved = check_json("backup", say("backup", "--output", str(file), "--json", at=node).out)
    target = tmp_path / "new"
    target.mkdir()
    made = check_json(
        "recover", say("recover", "--data_dir", str(target), "--backup", str(file), "--yes", "--json").out
    )
    assert made["done"]["revision"] >= saved["revision"]
    assert made["done"]["set_aside"] is None
