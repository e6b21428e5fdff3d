"""Every command that asks a node, against a real one: what it prints as text and as JSON, and its exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Say
from tests.app.cli.shapes import check_json
from tests.cluster.processes import Node
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_keys_of_a_node(node: Node, say: Say, tmp_path: Path) -> None:
    told = check_json("kv put", say("kv", "put", "load", "0.7", "--json", at=node).out)
    assert (told["node"], told["key"], told["changed"]) == ("server:one", "load", True)
    assert (
        say("kv", "put", "load", "0.7").out
        == f"server:one load: it had this value already, version {told['version']}\n"
    )
    got = say("kv", "get", "load")
    assert (got.code, got.out, got.err) == (Exit.DONE, "0.7", "")
    assert say("kv", "get", "load", "--node", "server:one").out == "0.7"
    found = check_json("kv get", say("kv", "get", "load", "--json").out)
    assert (found["value"], found["alive"], found["status"]) == ("0.7", True, "Set")
    listed = check_json("kv ls", say("kv", "ls", "lo", "--json").out)
    assert [(each["node"], each["key"], each["value"]) for each in listed["keys"]] == [("server:one", "load", "0.7")]
    assert rows(say("kv", "ls", "lo").out)[1][:3] == ["server:one", "load", "0.7"]
    gone = check_json("kv del", say("kv", "del", "load", "--json").out)
    assert gone["deleted"]
    assert say("kv", "del", "load").out == "server:one load: was not there\n"


def test_values_from_elsewhere(node: Node, say: Say, tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_text("several\nlines ü\n")
    assert say("kv", "put", "a/motd", f"@{file}", at=node).code == Exit.DONE
    assert say("kv", "get", "a/motd").out == "several\nlines ü\n"
    assert say("kv", "put", "a/in", "-", stdin=b"@from a pipe").code == Exit.DONE
    assert say("kv", "get", "a/in").out == "@from a pipe"
    wrong = say("kv", "put", "a/in", "-", stdin=b"\xff")
    assert (wrong.code, wrong.err) == (
        Exit.WRONG_USAGE,
        "coterie: kv put: VALUE must be UTF-8 text: the gossip layer holds no other; see coterie kv put --help\n",
    )
    missing = say("kv", "put", "a/in", "@/no/such/file")
    assert missing.code == Exit.WRONG_USAGE
    assert "VALUE @/no/such/file: No such file or directory" in missing.err


def test_a_key_with_time_to_live(node: Node, say: Say) -> None:
    told = check_json("kv put", say("kv", "put", "short", "x", "--ttl", "--json", at=node).out)
    assert told["expires_in_seconds"] > 0
    assert "expires in" in say("kv", "ls", "short").out
    assert "gone in" in say("kv", "del", "short", "--ttl").out


def test_keys_of_the_system_are_shown_where_they_are_asked_for(node: Node, say: Say) -> None:
    assert "coterie/" not in say("kv", "ls", at=node).out
    for asked in (("--all",), ("coterie/",)):
        assert "coterie/raft/status" in say("kv", "ls", *asked).out


def test_what_is_not_there(node: Node, say: Say) -> None:
    for asked, code in (
        (("kv", "get", "nothing"), "key_not_found"),
        (("kv", "get", "nothing", "--node", "nobody"), "node_not_found"),
        (("kv", "ls", "--node", "nobody"), "node_not_found"),
        (("members", "get", "nobody"), "node_not_found"),
        (("members", "forget", "nobody", "--yes"), "node_not_found"),
        (("raft", "remove", "nobody", "--yes"), "node_not_found"),
        (("token", "rotate", "nobody"), "token_not_found"),
        (("token", "revoke", "nobody", "--yes"), "token_not_found"),
    ):
        said = say(*asked, at=node)
        assert (said.code, said.out) == (Exit.NOT_FOUND, ""), (asked, said)
        assert said.err.startswith("coterie: ")
        assert len(said.err.splitlines()) == 1
        as_json = say(*asked, "--json")
        assert f'"code":"{code}"' in as_json.err, (asked, as_json)
        assert f'"exit_code":{int(Exit.NOT_FOUND)}' in as_json.err


def test_members(node: Node, say: Say) -> None:
    told = check_json("members", say("members", "--json", at=node).out)
    assert [(each["node_id"], each["status"], each["role"]) for each in told["members"]] == [
        ("server:one", "live", "leader")
    ]
    assert rows(say("members").out)[1][:3] == ["server:one", "live", "leader"]
    assert say("members").out.split() == say("members", "list").out.split()
    one = check_json("members get", say("members", "get", "server:one", "--json").out)
    assert one["gossip_advertise_addr"] == node.address
    assert ["node", "server:one"] in rows(say("members", "get", "server:one").out)
    alive = say("members", "forget", "server:one", "--yes")
    assert alive.code == Exit.FAILED
    assert "is alive" in alive.err


def test_the_raft_layer(node: Node, say: Say, tmp_path: Path) -> None:
    status = check_json("raft", say("raft", "--json", at=node).out)
    assert (status["role"], status["leader"], status["quorum"]) == ("leader", "server:one", True)
    assert ["role", "leader"] in rows(say("raft").out)
    told = check_json("raft peers", say("raft", "peers", "--json").out)["members"]
    assert [(each["node_id"], each["role"]) for each in told] == [("server:one", "leader")]
    assert rows(say("raft", "peers").out)[1][:3] == ["server:one", "leader", "yes"]
    assert isinstance(check_json("raft decisions", say("raft", "decisions", "--json").out)["decisions"], list)
    assert rows(say("raft", "decisions").out)[0] == ["TIME", "ACTION", "NODE", "OUTCOME", "REASON"]
    file = tmp_path / "saved"
    saved = check_json("raft snapshot", say("raft", "snapshot", str(file), "--json").out)
    assert (saved["file"], saved["size_bytes"]) == (str(file), file.stat().st_size)


def test_a_node_takes_a_snapshot_when_asked(node: Node, say: Say) -> None:
    say("meta", "put", "snapshot/me", "x", at=node)
    begun = check_json("raft compact", say("raft", "compact", "--json").out)
    assert begun["applied_index"] > begun["snapshot_index"]

    def done() -> bool:
        status = check_json("raft status", say("raft", "status", "--json").out)
        return bool(status["snapshot_index"] >= begun["applied_index"])

    wait_until(done)
    assert "takes a snapshot up to entry" in say("raft", "compact").out
    assert re.search(r"^operation level +\d", say("raft", "status").out, re.MULTILINE)


def test_what_is_founded_is_not_given_up(node: Node, say: Say) -> None:
    said = say("raft", "give-up-founding", "--json", at=node)
    assert check_json("raft give-up-founding", said.out) == {"given_up": None, "address": f"http://{node.address}"}
    assert "there was no founding to give up" in say("raft", "give-up-founding").out


def test_removal_says_what_it_does_and_needs_a_yes(node: Node, say: Say) -> None:
    said = say("raft", "remove", "server:one", at=node)
    assert (said.code, said.out) == (Exit.WRONG_USAGE, "")
    assert "will be barred from the Raft layer for ever" in said.err
    assert "It is ALIVE" in said.err
    assert "It votes: 0 voters would be left" in said.err
    assert "add --yes to do it" in said.err


def test_tokens_of_the_metadata(node: Node, say: Say) -> None:
    rules = ("--rule", "metadata:write:jobs/", "--rule", "locks:read")
    made = say("token", "create", "--id", "worker", *rules, "--expires", "12h", "--description", "a worker", at=node)
    assert made.code == Exit.DONE
    assert made.out.startswith("coterie_worker_")
    assert len(made.out.split()) == 1
    assert "only time" in made.err
    kept = {each["id"]: each for each in check_json("token list", say("token", "list", "--json").out)["tokens"]}
    assert kept["worker"]["description"] == "a worker"
    assert kept["worker"]["expires"] == pytest.approx(kept["worker"]["created"] + 43_200, abs=1)
    shown = [row[:3] for row in rows(say("token", "list").out)]
    assert ["worker", "metadata:write:jobs/", "locks:read"] in shown
    rotated = check_json("token rotate", say("token", "rotate", "worker", "--keep", "5m", "--json").out)
    assert rotated["token"] not in {"", made.out.strip()}
    assert say("token", "create", "--id", "worker", "--rule", "*:read").code == Exit.FAILED
    again = check_json("token create", say("token", "create", "--rule", "*:read", "--json").out)
    assert say("token", "revoke", "worker").code == Exit.WRONG_USAGE
    for name in ("worker", again["id"]):
        assert check_json("token revoke", say("token", "revoke", name, "--yes", "--json").out) == {"revoked": name}
    left = {each["id"] for each in check_json("token list", say("token", "list", "--json").out)["tokens"]}
    assert left == set(kept) - {"worker"}
    own = check_json("token self", say("token", "self", "--json").out)
    assert own["id"] == "anonymous"
    assert rows(say("token", "self").out)[0] == ["id", "anonymous"]


def test_a_wrong_token_is_refused(node: Node, say: Say, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("coterie_nobody_" + "0" * 64)
    said = say("members", "--token_file", str(file), "--json", at=node)
    assert said.code == Exit.FAILED
    assert '"code":"unauthorized"' in said.err


def test_status_of_a_cluster_that_is_well(node: Node, say: Say) -> None:
    told = check_json("status", say("status", "--json", "--check", at=node).out)
    assert (told["healthy"], told["problems"], told["raft"]["leader"]) == (True, [], "server:one")
    assert told["nodes"] == {"live": 1, "dead": 0, "joining": 0, "left": 0}
    said = say("status", "--check")
    assert said.code == Exit.DONE
    assert said.out.startswith("Cluster testing: all is well (as server:one sees it, which runs coterie ")
    assert rows(said.out)[-1][:3] == ["server:one", "live", "leader"]


def test_rules_and_times_that_are_none(say: Say) -> None:
    for asked, problem in (
        (("token", "create", "--rule", "metadata"), "--rule must be LAYER:ACTION[:PREFIX]"),
        (("token", "create", "--rule", "metadata:fly"), "with an action of read, write, admin, not 'metadata:fly'"),
        (("token", "create", "--rule", "*:read", "--expires", "soon"), "'soon' must be seconds, or a number with"),
        (("events", "--kinds", "weather"), "there is no kind 'weather'"),
        (("members", "--address", "foo:bar"), "coterie: --address: must be http://host:port"),
        (("members", "--address", "10001"), "coterie: --address: must be http://host:port"),
        (("members", "--token_file", "/no/such"), "coterie: --token_file /no/such: No such file or directory"),
        (("members", "--ca_file", "/no/such", "--address", "https://127.0.0.1:1"), "coterie: --ca_file /no/such: "),
    ):
        said = say(*asked)
        assert (said.code, said.out) == (Exit.WRONG_USAGE, ""), said
        assert problem in said.err


def test_nobody_there(say: Say) -> None:
    said = say("members", at="http://127.0.0.1:1")
    assert (said.code, said.out) == (Exit.UNAVAILABLE, "")
    assert said.err == (
        "coterie: http://127.0.0.1:1 cannot be reached: Connection refused; "
        "is a node running there? --address says where one is\n"
    )
