"""Releases side by side: what a later one may add disturbs nobody, what it changes is refused by name.

The later release is this one with more in everything that it says: more fields in announcements, handshakes and
messages, more kinds of messages, more keys under the reserved prefix.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from coterie.app.node.storage import gossip_file
from coterie.app.node.storage.data_dir import DataDir, DataDirError
from coterie.app.node.storage.gossip_file import NewerFormatError, SavedGossip, SavedKey
from coterie.consensus.autopilot.announcement import IDENTITY_KEY, KEYS, Announcement, decode, encode
from coterie.consensus.raft import messages
from coterie.consensus.raft.net import session
from coterie.consensus.raft.net.session import HandshakeError, Identity, LinkSession
from tests import ROOT
from tests.app.processes import Running, run, running
from tests.waiting import PATIENCE_SECONDS, wait_until

LATER_RELEASE = """
import json
import msgspec
from coterie.consensus.autopilot import announcement
from coterie.consensus.autopilot.shell import gossip_view
from coterie.consensus.raft import messages
from coterie.consensus.raft.net import session, tcp

def announce(it):
    later = {key: json.dumps(json.loads(text) | {"later": [1]}) for key, text in announcement.encode(it).items()}
    return {**later, "coterie/raft/later": "x", "coterie/later": "y"}

def hello(it):
    return msgspec.msgpack.encode([*msgspec.structs.astuple(it), {"later": True}])

def message(it):
    return msgspec.msgpack.encode(msgspec.msgpack.decode(messages.encode(it)) | {"later": 1})

def send(transport, member, it, plain=tcp.TcpTransport.send):
    plain(transport, member, it)
    link = transport.links.get(member)
    # In spite of what the other side named: a fault of a later release, and none of this one's.
    if link is not None and not link.closed:
        link.put(link.session.send(msgspec.msgpack.encode({"type": "later", "x": 1})))

messages.KINDS = session.KINDS = tcp.KINDS = messages.KINDS | {"later"}
tcp.TcpTransport.send = send
gossip_view.encode = announce
session._encode = hello
tcp.encode = message
"""

LATER = Announcement(member="a" * 32, incarnation=1, host="127.0.0.1", port=1, role="voter")


def test_what_a_later_release_adds_is_passed_over() -> None:
    said = encode(LATER)
    more = {key: json.dumps(json.loads(said[key]) | {"later": {"x": 1}}) for key in KEYS}
    assert decode({**more, "coterie/raft/later": "x"}) == decode(said)
    ping = messages.Ping(3, 4, 5)
    as_map = msgspec.msgpack.decode(messages.encode(ping)) | {"later": "x"}
    assert messages.decode(msgspec.msgpack.encode(as_map)) == ping
    kept = SavedGossip(written_at=1.0, cluster_id="c", keys=(SavedKey("k", "v", 1),))
    head = msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.structs.replace(kept, keys=()))) | {"later": 1}
    body = msgspec.msgpack.encode({"head": head, "chunks": [[["k", "v", 1, False, 0.0, "later"]]], "later": 1})
    content = struct.pack("<8sHQ", b"CTRYGSIP", 1, len(body)) + body
    assert gossip_file.decode(content + struct.pack("<I", zlib.crc32(content))) == kept


def test_an_announcement_of_a_later_protocol_is_read_and_named() -> None:
    said = encode(LATER)
    later = json.loads(said[IDENTITY_KEY]) | {"version": 2}
    read = decode({**said, IDENTITY_KEY: json.dumps(later)})
    assert isinstance(read, Announcement)
    assert read.version == 2


def test_a_handshake_of_a_later_protocol_is_refused_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "VERSION", 2)
    caller = LinkSession(Identity("c", "b", 1, b"p", b"s"), b"n" * 32, dialled="a", max_frame=1_000)
    monkeypatch.undo()
    called = LinkSession(Identity("c", "a", 1, b"q", b"s"), b"m" * 32, dialled=None, max_frame=1_000)
    with pytest.raises(HandshakeError) as refused:
        called.feed(b"".join(caller.outgoing))
    assert refused.value.reason == "wrong_version"
    assert str(refused.value) == "wrong_version: it speaks version 2 of the links' protocol, this release 1"


def test_files_of_a_later_release_stop_the_start_and_are_left_as_they_are(tmp_path: Path) -> None:
    """The log's and the snapshot's are in `tests/consensus/journal`."""
    identity = tmp_path / "identity.json"
    identity.write_text('{"format": 2, "node_id": "n", "generation": 7}')
    data_dir = DataDir(tmp_path)
    with pytest.raises(DataDirError, match="its format is 2, and this release reads format 1"):
        data_dir.next_identity(None, lambda: "n", 1.0)
    data_dir.close()
    identity.write_text('{"format": 1, "node_id": "n", "generation": 7, "later": true}')

    file = tmp_path / gossip_file.FILE_NAME
    content = gossip_file.encode(SavedGossip(written_at=0.0, cluster_id="c"))
    content = content[:8] + b"\x02" + content[9:-4]
    file.write_bytes(content + struct.pack("<I", zlib.crc32(content)))
    with pytest.raises(NewerFormatError):
        gossip_file.decode(file.read_bytes())
    said = run("--listen_addr", "127.0.0.1:0", DATA_DIR=str(tmp_path))
    assert said.returncode == 1
    assert said.stderr == (
        f"coterie: {file}: its format is 2, and this release reads format 1; start that release, or move the file away "
        "to go on without it\n"
    )
    assert file.read_bytes()[:-4] == content


@pytest.mark.slow
@pytest.mark.cluster
def test_a_later_release_joins_a_group_and_serves_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LATER_RELEASE)
    common: dict[str, Any] = {"INTERVAL_MS": "200", "RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "3"}

    def settings(name: str) -> dict[str, Any]:
        return {**common, "NODE_ID": name, "DATA_DIR": str(tmp_path / name)}

    later: dict[str, Any] = {"extra_path": [tmp_path, ROOT]}
    with running(**settings("n1")) as first:
        seed: dict[str, Any] = {"SEED": f"{first.address[0]}:{first.address[1]}"}
        with (
            running(**settings("n2"), **seed, **later) as second,
            running(**settings("n3"), **seed) as third,
        ):
            nodes = {"n1": first, "n2": second, "n3": third}
            wait_until(lambda: all(len(raft(node)["voters"]) == 3 and raft(node)["leader"] for node in nodes.values()))
            for name, node in nodes.items():
                put(node, f"/v1/meta/by-{name}", name)
            for leader in ("n2", "n1", "n3"):  # each of them leads once
                wait_until(partial(leads, leader, nodes))
                for node in nodes.values():
                    put(node, "/v1/meta/led", leader)
                    assert get(node, "/v1/meta/led") == leader
            for node in nodes.values():
                assert [get(node, f"/v1/meta/by-{name}") for name in nodes] == list(nodes)
                wait_until(partial(hears_of_the_later_release, node, node is not second))


def url(node: Running) -> str:
    return "http://{}:{}".format(*node.address)


def hears_of_the_later_release(node: Running, wanted: bool) -> bool:
    """Whether the node passed over messages of kinds that it does not know, or none where it has no reason to."""
    events = httpx.get(f"{url(node)}/v1/raft/status", timeout=PATIENCE_SECONDS).json()["link_events"]
    kinds = {event["kind"] for event in events}
    assert not kinds & {"bad_bytes", "wrong_version"}
    return ("unknown_kind" in kinds) == wanted


def raft(node: Running) -> Any:
    return httpx.get(f"{url(node)}/v1/cluster", timeout=PATIENCE_SECONDS).json()["raft"]


def put(node: Running, path: str, value: str) -> None:
    wait_until(lambda: httpx.put(url(node) + path, content=value, timeout=PATIENCE_SECONDS).status_code == 200)


def get(node: Running, path: str) -> str:
    return str(httpx.get(url(node) + path, timeout=PATIENCE_SECONDS).json()["value"])


def leads(wanted: str, nodes: Mapping[str, Running]) -> bool:
    """Whether all say so; it is asked to, where they do not."""
    if all(raft(node)["leader"] == wanted for node in nodes.values()):
        return True
    httpx.post(f"{url(nodes['n1'])}/v1/raft/transfer", json={"node": wanted}, timeout=PATIENCE_SECONDS)
    return False
