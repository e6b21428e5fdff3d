"""`coterie meta` against a real node: keys, transactions, changes as they come and as they were."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Say
from tests.app.cli.shapes import check_json
from tests.app.cli.started import started, until_there
from tests.cluster.processes import Node

pytestmark = pytest.mark.cluster


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_a_key_from_its_first_write_to_its_end(node: Node, say: Say) -> None:
    first = check_json("meta put", say("meta", "put", "k/a", "blue", "--json", at=node).out)["revision"]
    second = check_json("meta put", say("meta", "put", "k/a", "green", "--prev", "--json").out)
    assert second["prev"]["value"] == "blue"
    assert say("meta", "get", "k/a").out == "green"
    assert say("meta", "get", "k/a", "--revision", str(first)).out == "blue"
    told = check_json("meta get", say("meta", "get", "k/a", "--json").out)
    assert (told["value"], told["mod_revision"], told["version"]) == ("green", second["revision"], 2)
    assert told["stale_seconds"] is None
    stale = say("meta", "get", "k/a", "--stale")
    assert (stale.code, stale.out) == (Exit.DONE, "green")
    assert "This is at most" in stale.err
    past = check_json("meta history", say("meta", "history", "k/a", "--json").out)
    assert [each["record"]["value"] for each in past["changes"]] == ["blue", "green"]
    assert say("meta", "history", "k/a").out == f"{first} k/a = blue\n{second['revision']} k/a = green\n"
    gone = check_json("meta del", say("meta", "del", "k/a", "--json").out)
    assert gone["deleted"] == 1
    assert say("meta", "del", "k/a").out == "k/a: was not there\n"
    for asked in ("get", "history"):
        said = say("meta", asked, "k/a")
        assert (said.code, said.out, said.err) == (Exit.NOT_FOUND, "", "coterie: there is no key 'k/a'\n")


def test_what_is_expected_of_a_key(node: Node, say: Say) -> None:
    revision = check_json("meta put", say("meta", "put", "e/a", "1", "--absent", "--json", at=node).out)["revision"]
    again = say("meta", "put", "e/a", "2", "--absent")
    assert (again.code, again.out) == (Exit.PRECONDITION, "")
    assert f"the key is at revision {revision}" in again.err
    assert say("meta", "del", "e/a", "--expect", str(revision + 100)).code == Exit.PRECONDITION
    assert say("meta", "put", "e/a", "2", "--expect", str(revision)).code == Exit.DONE
    assert say("meta", "put", "e/a", "3", "--expect", "1", "--absent").code == Exit.WRONG_USAGE


def test_values_to_the_byte(node: Node, say: Say, tmp_path: Path) -> None:
    data = bytes(range(256))
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(data)
    assert say("meta", "put", "b/file", f"@{source}", at=node).code == Exit.DONE
    assert say("meta", "put", "b/pipe", "-", stdin=data).code == Exit.DONE
    assert say("meta", "get", "b/pipe", "--output", str(target)).out == ""
    assert target.read_bytes() == data
    told = check_json("meta get", say("meta", "get", "b/file", "--json").out)
    assert told["encoding"] == "base64"
    unwritable = say("meta", "get", "b/file", "--output", str(tmp_path / "no" / "file"))
    assert unwritable.code == Exit.FAILED
    assert "--output" in unwritable.err


def test_lists_go_over_pages(node: Node, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.app.cli.keys.meta.PAGE", 2)
    for number in range(5):
        assert say("meta", "put", f"l/{number}", str(number), at=node).code == Exit.DONE
    listed = check_json("meta ls", say("meta", "ls", "l/", "--json").out)
    assert [each["key"] for each in listed["keys"]] == [f"l/{number}" for number in range(5)]
    assert not listed["more"]
    assert say("meta", "ls", "l/", "--keys_only").out.split() == [f"l/{number}" for number in range(5)]
    some = say("meta", "ls", "l/", "--limit", "3")
    assert [row[0] for row in rows(some.out)] == ["KEY", "l/0", "l/1", "l/2"]
    assert some.err == "There are more than --limit 3.\n"
    assert check_json("meta ls", say("meta", "ls", "l/", "--limit", "3", "--json").out)["more"]
    before = say("meta", "ls", "l/", "--keys_only", "--revision", str(listed["keys"][1]["mod_revision"]))
    assert before.out.split() == ["l/0", "l/1"]
    assert say("meta", "del", "l/", "--prefix").code == Exit.WRONG_USAGE
    assert "5 keys deleted" in say("meta", "del", "l/", "--prefix", "--yes").out
    assert say("meta", "ls", "l/").out.split() == ["KEY", "VALUE", "REVISION", "VERSION", "LEASE"]


LINES = b"""
if t/a version = 0       # nobody has it
put t/a "ready to go"
put t/b 2
else
get t/a
ls t/
"""


def test_a_transaction_as_lines_and_as_json(node: Node, say: Say) -> None:
    told = check_json("meta txn", say("meta", "txn", "--json", at=node, stdin=LINES).out)
    assert told["succeeded"]
    assert [list(each) for each in told["results"]] == [["put"], ["put"]]
    again = say("meta", "txn", stdin=LINES)
    assert again.code == Exit.DONE
    assert again.out.splitlines()[1:] == ["t/a = ready to go", "t/a = ready to go", "t/b = 2"]
    body = {
        "compare": [{"key": "t/a", "target": "value", "operand": "ready to go"}],
        "then": [
            {"put": {"key": "t/c", "value": "/w==", "encoding": "base64", "prev": True}},
            {"delete": {"key": "t/a", "prev": True}},
            {"delete_prefix": {"prefix": "t/b"}},
            {"range": {"prefix": "t/"}},
            {"get": {"key": "t/a"}},
        ],
    }
    done = check_json("meta txn", say("meta", "txn", "-", "--json", stdin=json.dumps(body).encode()).out)
    put, delete, delete_prefix, listed, got = done["results"]
    assert put["put"]["prev"] is None
    assert delete["delete"]["prev"][0]["value"] == "ready to go"
    assert delete_prefix["delete_prefix"]["deleted"] == 1
    assert [(each["key"], each["value"]) for each in listed["range"]["keys"]] == [("t/c", "/w==")]
    assert got["get"]["record"] is None
    vain = say("meta", "txn", "--json", stdin=json.dumps(body).encode())
    assert vain.code == Exit.PRECONDITION
    assert not check_json("meta txn", vain.out)["succeeded"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "the transaction is empty"),
        (b"putt x y", "line 1: begin with if, else, put, get"),
        (b"get a\nput x", "line 2: write put KEY VALUE: 'put x'"),
        (b"if a version = b", "the OPERAND of version must be a number"),
        (b"if a weight = 1", "$.compare[0].target"),
        (b'put x "', "line 1: No closing quotation"),
        (b'{"thn": []}', "unknown field `thn`"),
        (b'{"then": [{"put": {"key": "a"}}]}', "missing required field `value` - at `$.then[0].put`"),
        (b'{"then": [{"put": {"key": "a", "value": "x", "encoding": "base64"}}]}', "not what its encoding says"),
        (b'{"then": [{"get": {"key": "a"}, "delete": {"key": "a"}}]}', "exactly one of put, delete"),
        (b'{"compare": [{"key": "a", "target": "version"}]}', "give either key, target and operand, or held"),
        (b'{"compare": [{"key": "a", "target": "version", "operand": "1"}]}', "must be text for the target value"),
        (b"\xff", "FILE must be UTF-8 text"),
    ],
)
def test_what_is_no_transaction(say: Say, text: bytes, problem: str) -> None:
    said = say("meta", "txn", at="127.0.0.1:1", stdin=text)
    assert (said.code, said.out) == (Exit.WRONG_USAGE, "")
    assert problem in said.err


def test_changes_as_they_come(node: Node, say: Say) -> None:
    revision = check_json("meta put", say("meta", "put", "w/a", "1", "--json", at=node).out)["revision"]
    with started(node, "meta", "watch", "w/", "--from_revision", str(revision), "--json") as watching:
        first = check_json("meta watch", watching.line())
        assert (first["type"], first["key"], first["record"]["value"], first["prev"]) == ("put", "w/a", "1", None)
        say("meta", "put", "elsewhere", "x")
        say("meta", "put", "w/b", "2")
        assert check_json("meta watch", watching.line())["key"] == "w/b"
        say("meta", "del", "w/a")
        last = check_json("meta watch", watching.line())
        assert (last["type"], last["record"], last["prev"]["value"]) == ("delete", None, "1")
        assert watching.end(signal.SIGINT) == Exit.INTERRUPTED
        assert watching.errors() == ""


def test_a_command_for_each_change(node: Node, say: Say, tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = f'{{ echo "$COTERIE_WATCH_TYPE $COTERIE_WATCH_KEY $COTERIE_WATCH_REVISION"; cat; echo; }} > {told}.new; '
    command += f'mv {told}.new {told}; [ "$COTERIE_WATCH_TYPE" = put ]'
    revision = check_json("meta put", say("meta", "put", "x/a", "1", "--json", at=node).out)["revision"]
    arguments = ("meta", "watch", "x/a", "--exact", "--from_revision", str(revision), "--exec", command)
    with started(node, *arguments) as watching:
        assert until_there(told) == f"put x/a {revision}\n1\n"
        told.unlink()
        say("meta", "put", "x/ab", "not this one")
        gone = check_json("meta del", say("meta", "del", "x/a", "--json").out)["revision"]
        assert until_there(told) == f"delete x/a {gone}\n\n"
        assert watching.process.stderr is not None
        assert watching.process.stderr.readline() == f"CMD ended with 1 at revision {gone}.\n"
        assert watching.end(signal.SIGTERM) != 0


def test_a_key_that_no_environment_holds_is_passed_over(node: Node, say: Say, tmp_path: Path) -> None:
    text = "put 'zero/a\0b' 1\nput zero/c 1\n"
    revision = check_json("meta txn", say("meta", "txn", "--json", at=node, stdin=text.encode()).out)["revision"]
    told = tmp_path / "told"
    command = f"echo $COTERIE_WATCH_KEY > {told}"
    with started(node, "meta", "watch", "zero/", "--from_revision", str(revision), "--exec", command) as watching:
        assert until_there(told) == "zero/c\n"
        assert watching.process.stderr is not None
        assert watching.process.stderr.readline().startswith(f"CMD cannot be run at revision {revision}: ")
