"""`coterie elect` and `coterie lease` against a real node."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Say
from tests.app.cli.shapes import check_json
from tests.app.cli.started import started, until_there
from tests.cluster.processes import Node
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_one_leads_and_the_next_follows(node: Node, say: Say, tmp_path: Path) -> None:
    nobody = say("elect", "boss", "--who", at=node)
    assert (nobody.code, nobody.err) == (Exit.NOT_FOUND, "coterie: nobody leads 'boss'\n")
    empty = say("elect", "boss", "--who", "--json")
    assert empty.code == Exit.NOT_FOUND
    assert check_json("elect", empty.out)["leader"] is None
    files = [tmp_path / "first", tmp_path / "second"]
    leading = [f"env | grep COTERIE_ELECTION > {file}.new; mv {file}.new {file}; exec sleep 600" for file in files]
    with started(node, "elect", "boss", "--observe", "--json") as observer:
        assert check_json("elect", observer.line())["leader"] is None
        with started(node, "elect", "boss", "--value", "first", "--", "sh", "-c", leading[0]) as first:
            told = dict(line.split("=") for line in until_there(files[0]).split())
            assert told["COTERIE_ELECTION_NAME"] == "boss"
            seen = check_json("elect", observer.line())["leader"]
            assert (seen["value"], seen["token"]) == ("first", int(told["COTERIE_ELECTION_TOKEN"]))
            assert say("elect", "boss", "--who").out == "first\n"
            with started(node, "elect", "boss", "--value", "second", "--", "sh", "-c", leading[1]) as second:
                asked = ("elect", "boss", "--who", "--json")
                wait_until(lambda: len(check_json("elect", say(*asked).out)["candidates"]) == 1)
                assert first.end(signal.SIGTERM) == 128 + signal.SIGTERM
                until_there(files[1])
                assert check_json("elect", observer.line())["leader"]["value"] == "second"
                assert second.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert check_json("elect", observer.line())["leader"] is None
        observer.end(signal.SIGINT)
    assert say("elect", "boss", "--who", "--observe").code == Exit.WRONG_USAGE
    assert say("elect", "boss", "--who", "--", "true").code == Exit.WRONG_USAGE


def test_leases(node: Node, say: Say) -> None:
    lease = say("lease", "grant", "600", at=node).out.strip()
    say("meta", "put", "leased/a", "x", "--lease", lease)
    found = check_json("lease get", say("lease", "get", lease, "--json").out)
    assert (found["ttl_seconds"], found["keys"], found["renewals"]) == (600, ["leased/a"], 0)
    assert "leased/a" in say("lease", "get", lease).out
    assert check_json("lease keepalive", say("lease", "keepalive", lease, "--once", "--json").out)["renewals"] == 1
    assert int(lease) in [each["lease"] for each in check_json("lease", say("lease", "--json").out)["leases"]]
    assert say("lease").out.split()[:2] == ["ID", "LIVES"]
    unsure = say("lease", "revoke", lease)
    assert unsure.code == Exit.WRONG_USAGE
    assert f"Lease {lease} will end, and 1 keys and places with it." in unsure.err
    assert say("lease", "revoke", lease, "--yes").out == f"lease {lease}: ended, 1 keys went with it\n"
    assert say("meta", "get", "leased/a").code == Exit.NOT_FOUND
    for asked in (("get", lease), ("keepalive", lease), ("revoke", lease, "--yes")):
        assert say("lease", *asked).code == Exit.NOT_FOUND


def test_a_lease_that_lives_with_a_node(node: Node, say: Say) -> None:
    found = check_json("lease grant", say("lease", "grant", "--node", "server:one", "--json", at=node).out)
    assert (found["kind"], found["node"], found["hold_seconds"]) == ("node", "server:one", 5)
    lease = str(found["lease"])
    assert "with server:one, 5 s beyond its death" in say("lease").out
    assert "nobody needs to renew it" in say("lease", "keepalive", lease).err
    assert say("lease", "grant", "--node", "nobody").code == Exit.NOT_FOUND
    for wrong in (("grant",), ("grant", "5", "--node", "server:one"), ("grant", "5", "--hold", "5")):
        assert say("lease", *wrong).code == Exit.WRONG_USAGE
    say("lease", "revoke", lease, "--yes")
