"""Faults 9 to 16. Each: `stock` shows it on PySyncObj 0.3.17, `ours` that it is gone."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pysyncobj.tcp_connection import CONNECTION_STATE, TcpConnection  # type: ignore[import-untyped]
from pysyncobj.tcp_server import TcpServer  # type: ignore[import-untyped]

from coterie.consensus.pysyncobj import engine
from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.errors import CorruptSnapshotError, RaftUnknownOutcomeError
from tests.consensus.raft.helpers import SETTINGS, Group
from tests.verify.pysyncobj_faults.stock import Outcome, Stock, StockGroup

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # stock PySyncObj leaves files open


def test_fault_09_stock_never_calls_back_when_a_forward_is_lost(stock: StockGroup) -> None:
    stock.full("n0", "n1", "n2")
    stock.elect("n0")
    stock.blocked.add(("n1", "n0"))
    write = Outcome()
    stock.nodes["n1"].put("k", 1, callback=write)
    stock.nodes["n1"].doTick()
    stock.blocked.clear()  # the link is back, the message gone
    stock.run(20.0)
    assert write.calls == []


def test_fault_09_ours_ends_every_call_at_its_deadline() -> None:
    group = Group(3)
    group.lead("n0")
    group.network.block("n1", "n0")
    write = group.put("n1", 1, timeout=0.3)
    group.run(0.4)
    assert isinstance(write.error, RaftUnknownOutcomeError)


def test_fault_10_stock_votes_from_a_corrupt_dump(stock: StockGroup, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(b"not a dump at all")
    stock.full("n0", "n1", "n2")
    node = Stock(stock, "n1", ["n0", "n2"], fullDumpFile=str(dump))
    stock.nodes["n1"].destroy()
    stock.nodes["n1"] = node
    node.doTick()
    ask = {"type": "request_vote", "term": 7, "last_log_index": 5, "last_log_term": 5}
    node.receive("n0", ask)
    assert stock.sent[-1] == ("n1", "n0", {"type": "response_vote", "term": 7})


def test_fault_10_ours_does_not_start_from_a_corrupt_snapshot() -> None:
    group = Group(1)
    leader = group.lead("n0")
    group.puts("n0", 5)
    leader.compact()
    assert group.run_until(lambda: leader.snapshot_index > 0, 5.0)
    host = group.hosts["n0"]
    host.crash()
    assert host.platter.snapshot is not None
    host.platter.snapshot = host.platter.snapshot[:-1] + b"\x00"
    with pytest.raises(CorruptSnapshotError):
        host.start()
    assert host.node is None


def test_fault_11_stock_isolated_leader_believes_while_another_leads(stock: StockGroup) -> None:
    stock.full("n0", "n1", "n2")
    old = stock.elect("n0")
    stock.split("n0")
    stock.run(15.0)
    assert old._isLeader()
    assert any(stock.nodes[name]._isLeader() for name in ("n1", "n2"))


def test_fault_11_stock_healed_follower_deposes_the_leader(stock: StockGroup) -> None:
    stock.full("n0", "n1", "n2")
    leader = stock.elect("n0")
    term = leader.raftCurrentTerm
    stock.split("n2")
    stock.run(10.0)
    stock.blocked.clear()
    stock.run(5.0)
    assert max(node.raftCurrentTerm for node in stock.nodes.values()) > term + 1


def test_fault_11_ours_leaders_do_not_overlap_and_followers_come_back_quietly() -> None:
    group = Group(3)
    leader = group.lead("n0")
    term = leader.term
    group.cut_off("n2")
    group.run(5.0)
    group.heal()
    group.run(3.0)
    assert leader.leading
    assert leader.term == term
    group.cut_off("n0")
    while not any(group.node(name).leading for name in ("n1", "n2")):
        assert group.now < 100
        group.run(0.005)
    assert not leader.leading


def test_fault_12_stock_drops_a_link_on_which_only_one_side_talks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pysyncobj.tcp_connection.monotonicTime", lambda: now[0])
    connection = TcpConnection(None, timeout=10.0)
    connection._TcpConnection__state = CONNECTION_STATE.CONNECTED
    now[0] = 10.5  # nothing came in for 10.5 s: chunks of a snapshot are not answered
    connection.send({"type": "append_entries", "serialized": b"chunk"})
    assert connection.state == CONNECTION_STATE.DISCONNECTED


def test_fault_12_ours_installs_a_snapshot_that_takes_long() -> None:
    settings = replace(SETTINGS, snapshot_chunk_bytes=8, snapshot_window=1)
    group = Group(3, settings=settings)
    leader = group.lead("n0")
    group.cut_off("n2")
    group.puts("n0", 60)
    leader.compact()
    assert group.run_until(lambda: leader.state.log.first_index > 50, 5.0)
    group.network.latency = 0.15  # a chunk at a time, each there and back
    began = group.now
    group.heal()
    assert group.run_until(lambda: group.node("n2").snapshot_index > 50, 60.0)
    assert group.now - began > 5 * settings.election_max
    assert leader.leading


def test_fault_13_stock_drops_links_by_an_uncommitted_configuration(stock: StockGroup) -> None:
    stock.full("n0", "n1", "n2")
    leader = stock.elect("n0")
    stock.split("n0")
    leader.removeNodeFromCluster("n2")
    leader.doTick()
    assert leader.link.dropped == ["n2"]


def test_fault_13_ours_never_drops_a_link_for_a_configuration() -> None:
    group = Group(3)
    group.lead("n0")
    dropped: list[object] = []
    group.hosts["n0"].transport.drop = dropped.append  # type: ignore[method-assign,assignment]
    group.cut_off("n0")
    group.change("n0", "n2", add=False)
    group.run(0.1)
    assert group.node("n0").voters == ("n0", "n1")
    group.heal()
    assert group.run_until(group.settled, 10.0)
    assert dropped == []


def test_fault_14_stock_function_ids_move_when_a_method_is_added(stock: StockGroup) -> None:
    class More(Stock):
        @engine.syncobj.replicated  # type: ignore[untyped-decorator]
        def add_first(self) -> None: ...

    before = stock.add("n0", [])
    after = More(stock, "n1", [])
    assert before._methodToID["put_v0"] != after._methodToID["put_v0"]
    assert before._idToMethod[0].__name__ != after._idToMethod[0].__name__
    after.destroy()


def test_fault_14_ours_has_no_function_ids() -> None:
    node = Group(1).node("n0")
    assert not isinstance(node, engine.syncobj.SyncObj)
    assert not hasattr(node, "_methodToID")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_fault_15_stock_import_breaks_the_standard_library() -> None:
    assert _python("import socket; socket.inet_ntop(socket.AF_INET, b'1234')").returncode == 0
    broken = _python("import pysyncobj, socket; socket.inet_ntop(socket.AF_INET, b'1234')")
    assert broken.returncode != 0
    patched = "import pickle, pysyncobj; d = pickle._Unpickler; assert d.dispatch[85] is d.load_short_binstring"
    assert _python(patched).returncode != 0


def test_fault_15_ours_puts_it_back() -> None:
    code = (
        "import coterie.consensus.pysyncobj.engine, pickle, socket; "
        "assert socket.inet_ntop(socket.AF_INET, b'1234') == '49.50.51.52'; "
        "d = pickle._Unpickler; assert d.dispatch[85] is d.load_short_binstring and d.dispatch[84] is d.load_binstring"
    )
    done = _python(code)
    assert done.returncode == 0, done.stderr


class _NoFiles:
    """A listening socket on a machine that is out of file descriptors."""

    def __init__(self) -> None:
        self.closed = False

    def accept(self) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    def close(self) -> None:
        self.closed = True


def test_fault_16_stock_closes_its_listener_at_an_accept_error() -> None:
    """Ours: the transport's own tests."""
    server = TcpServer(None, "127.0.0.1", 0, onNewConnection=lambda _: None)
    listener = server._TcpServer__socket = _NoFiles()
    server._TcpServer__onNewConnection(3, 1)
    assert listener.closed


def test_fault_16_stock_waits_for_two_gigabytes() -> None:
    connection = TcpConnection(None)
    connection._TcpConnection__readBuffer = (2**31 - 1).to_bytes(4, "little") + bytes(1000)
    connection._TcpConnection__state = CONNECTION_STATE.CONNECTED
    assert connection._TcpConnection__processParseMessage() is None
    assert connection.state == CONNECTION_STATE.CONNECTED


def test_membership_entries_of_a_removed_member_still_reach_it() -> None:
    """The other half of 13: a removed member hears of its removal."""
    group = Group(3)
    leader = group.lead("n0")
    change = group.change("n0", "n2", add=False)
    assert group.run_until(lambda: not change.open, 2.0)
    assert group.run_until(lambda: group.node("n2").voters == ("n0", "n1"), 2.0)
    group.run(3.0)
    assert leader.leading
    assert not group.node("n2").state.votes
    assert encode_voters(["n0", "n1"]) in [entry[0] for entry in group.node("n2").state.log.journal[:]]
