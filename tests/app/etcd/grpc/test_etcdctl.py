"""etcd's own command, unmodified, against a node: over plain TCP, and over TLS with tokens."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from coterie.app.wire.tokens import hash_of
from tests.app.certificates import Authority
from tests.app.processes import running
from tests.waiting import PATIENCE_SECONDS, wait_for, wait_until

ETCDCTL = shutil.which("etcdctl")

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(ETCDCTL is None, reason="etcdctl is not installed")]

TOKEN = "coterie_app_" + "a" * 64
AUTH = f"""[auth]
anonymous = "none"
[[auth.tokens]]
id = "app"
hash = "{hash_of(TOKEN)}"
rules = [
  {{layer = "metadata", action = "write", prefix = "app/"}},
  {{layer = "metadata", action = "read", prefix = "app/"}},
]
"""


class Etcdctl:
    def __init__(self, endpoint: str, *options: str) -> None:
        self.endpoint = endpoint
        self._command = [str(ETCDCTL), "--endpoints", endpoint, *options]
        self._environment = os.environ | {"ETCDCTL_API": "3"}

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def __call__(self, *arguments: str, given: str = "") -> str:
        """What it prints; it must succeed."""
        ended = self.run(*arguments, given=given)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def refused(self, *arguments: str) -> str:
        """The last line of what it complains of."""
        ended = self.run(*arguments)
        assert ended.returncode != 0, ended.stdout
        return (ended.stdout + ended.stderr).splitlines()[-1]

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-w", "json"))

    @property
    def revision(self) -> int:
        return int(self.json("get", "nothing")["header"]["revision"])

    @contextmanager
    def going_on(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
        """A command that does not end by itself, and what it prints."""
        process = subprocess.Popen(
            [*self._command, *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()
            process.communicate()


@contextmanager
def node(directory: Path, scheme: str = "http", *options: str, **settings: Any) -> Iterator[Etcdctl]:
    with running(
        DATA_DIR=str(directory / "data"),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="1",
        RAFT__LISTEN_ADDR="127.0.0.1:0",
        ETCD__LISTEN_ADDR="127.0.0.1:0",
        **settings,
    ) as found:
        ctl = Etcdctl(f"{scheme}://{found.start_line['etcd_addr']}", *options)
        wait_until(lambda: ctl.run("get", "app/").returncode == 0, lambda: ctl.run("get", "app/").stderr)
        yield ctl
        assert "Traceback" not in found.log
        assert found.end() == 0


@pytest.fixture(scope="module")
def ctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcdctl]:
    with node(tmp_path_factory.mktemp("etcdctl")) as found:
        yield found


def test_keys(ctl: Etcdctl) -> None:
    assert ctl("put", "k/1", "b") == "OK\n"
    first = ctl.revision
    ctl("put", "k/2", "a")
    ctl("put", "k/3", "c")
    assert ctl("put", "k/1", "z", "--prev-kv") == "OK\nk/1\nb\n"
    assert ctl("get", "k/1") == "k/1\nz\n"
    assert ctl("get", "k/1", f"--rev={first}") == "k/1\nb\n"
    assert ctl("get", "--prefix", "k/", "--keys-only").split() == ["k/1", "k/2", "k/3"]
    by_value = ctl("get", "--prefix", "k/", "--sort-by=VALUE", "--order=DESCEND", "--print-value-only")
    assert by_value.split() == ["z", "c", "a"]
    assert ctl("get", "--prefix", "k/", "--sort-by=MODIFY", "--limit=1") == "k/2\na\n"
    found = ctl.json("get", "k/1")["kvs"][0]
    assert (found["version"], found["create_revision"]) == (2, first)
    assert ctl("del", "k/2", "--prev-kv") == "1\nk/2\na\n"
    assert ctl("del", "--prefix", "k/") == "2\n"
    assert ctl("get", "--prefix", "k/") == ""


def test_transactions(ctl: Etcdctl) -> None:
    ctl("put", "t", "1")
    txn = 'value("t") = "1"\nversion("t") > "0"\n\nput t 2\nget t\n\nget nothing\n\n'
    assert ctl("txn", given=txn) == "SUCCESS\n\nOK\n\nt\n2\n"
    assert ctl("txn", given=txn).startswith("FAILURE")


def test_a_watch_from_a_revision_and_its_progress(ctl: Etcdctl) -> None:
    ctl("put", "w", "1")
    since = ctl.revision
    ctl("put", "w", "2")
    with ctl.going_on("watch", "-i") as (process, printed):
        assert process.stdin is not None
        print(f"watch w --rev={since}", file=process.stdin)
        assert [printed.readline() for _ in range(6)] == ["PUT\n", "w\n", "1\n", "PUT\n", "w\n", "2\n"]
        ctl("del", "w")
        assert [printed.readline() for _ in range(3)] == ["DELETE\n", "w\n", "\n"]
        print("progress", file=process.stdin)
        assert printed.readline() == f"progress notify: {ctl.revision}\n"


def test_compaction(ctl: Etcdctl) -> None:
    for value in ("1", "2", "3"):
        ctl("put", "c", value)
    revision = ctl.revision
    assert ctl("compaction", str(revision)) == f"compacted revision {revision}\n"
    compacted = "Error: etcdserver: mvcc: required revision has been compacted"
    assert ctl.refused("get", "c", f"--rev={revision - 1}") == compacted
    assert ctl.refused("get", "c", f"--rev={revision + 1_000}").endswith("required revision is a future revision")
    assert ctl.refused("watch", "c", "--rev=1") == "Error: watch is canceled by the server"


def test_leases(ctl: Etcdctl) -> None:
    lease = ctl("lease", "grant", "60").split()[1]
    ctl("put", "l", "1", f"--lease={lease}")
    found = ctl.json("lease", "timetolive", lease, "--keys")
    assert (found["granted-ttl"], len(found["keys"])) == (60, 1)
    with ctl.going_on("lease", "keep-alive", lease) as (_, printed):
        assert printed.readline() == f"lease {lease} keepalived with TTL(60)\n"
    assert lease in ctl("lease", "list")
    assert ctl("lease", "revoke", lease) == f"lease {lease} revoked\n"
    assert ctl("get", "l") == ""
    assert ctl("lease", "timetolive", lease) == f"lease {lease} already expired\n"
    assert ctl.refused("lease", "revoke", lease).endswith("(etcdserver: requested lease not found)")
    assert ctl.refused("put", "l", "1", f"--lease={lease}") == "Error: etcdserver: requested lease not found"


def test_a_lock_goes_from_one_to_the_next(ctl: Etcdctl) -> None:
    with ctl.going_on("lock", "--ttl=2", "mutex") as (first, printed):
        held = printed.readline().strip()
        assert held.startswith("mutex/")
        with ctl.going_on("lock", "mutex") as (_, second):
            wait_until(lambda: ctl("get", "--prefix", "mutex/", "--keys-only").split()[1:])
            assert ctl("get", "--prefix", "mutex/", "--keys-only").split()[0] == held
            first.kill()  # its lease ends by itself
            assert second.readline().strip() not in {"", held}
            assert ctl("get", held) == ""


def test_an_election(ctl: Etcdctl) -> None:
    with ctl.going_on("elect", "e", "me") as (_, printed):
        key = printed.readline().strip()
        assert printed.readline() == "me\n"
        with ctl.going_on("elect", "--listen", "e") as (_, heard):
            assert [heard.readline().strip() for _ in range(2)] == [key, "me"]


def test_the_cluster(ctl: Etcdctl) -> None:
    member = ctl.json("member", "list")["members"][0]
    assert member["clientURLs"]
    assert "is healthy" in ctl.run("endpoint", "health").stdout + ctl.run("endpoint", "health").stderr
    (status,) = ctl.json("endpoint", "status", "--cluster")
    assert status["Status"]["leader"] == status["Status"]["header"]["member_id"] == member["ID"]
    assert "Unimplemented" in ctl.refused("member", "add", "another", "--peer-urls=http://127.0.0.1:1")


def test_a_large_value(ctl: Etcdctl) -> None:
    value = "x" * 100_000
    ctl("put", "large", given=value)
    assert ctl("get", "large", "--print-value-only").strip() == value
    found = ctl.run("put", "large", given="x" * 1_200_000)
    assert found.stderr.splitlines()[-1] == "Error: etcdserver: request is too large"


def chosen(endpoint: str, trusted: str, *offered: str) -> str | None:
    """The protocol that the listener chooses of these."""
    context = ssl.create_default_context(cafile=trusted)
    context.set_alpn_protocols(offered)
    host, _, port = endpoint.removeprefix("https://").rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as it:
        return it.selected_alpn_protocol()


def test_without_the_extra_a_node_serves_json_alone(tmp_path: Path) -> None:
    (tmp_path / "h2.py").write_text("raise ModuleNotFoundError(name='h2')\n")
    with running(extra_path=[tmp_path], ETCD__LISTEN_ADDR="127.0.0.1:0") as found:
        assert "for gRPC, install coterie[grpc]" in found.log
        address = found.start_line["etcd_addr"]
        assert httpx.get(f"http://{address}/version").json()["etcdserver"]
        assert Etcdctl(address).run("get", "x", "--command-timeout=1s").returncode != 0
        assert found.end() == 0
        assert "Traceback" not in found.log


def test_tls_and_tokens(tmp_path: Path) -> None:
    authority = Authority("ours")
    certificate, key = authority.certify(tmp_path, "127.0.0.1")
    trusted = authority.file(tmp_path)
    config = tmp_path / "node.toml"
    config.write_text(AUTH)
    tls = {"TLS__CERTIFICATE": certificate, "TLS__KEY": key, "TLS__CA": trusted, "CONFIG": str(config)}
    user = ("--user", f"app:{TOKEN}")
    with node(tmp_path, "https", "--cacert", trusted, *user, **tls) as ctl:
        assert ctl("put", "app/x", "1") == "OK\n"
        assert ctl("get", "app/x") == "app/x\n1\n"
        assert chosen(ctl.endpoint, trusted, "h2", "http/1.1") == "http/1.1"  # as curl: JSON
        assert chosen(ctl.endpoint, trusted, "h2") == "h2"
        assert ctl.refused("put", "other", "1") == "Error: etcdserver: permission denied"
        endpoint = ctl.json("member", "list")["members"][0]["clientURLs"][0]
        anonymous = Etcdctl(endpoint, "--cacert", trusted)
        assert anonymous.refused("get", "app/x") == "Error: etcdserver: user name is empty"
        stranger = Etcdctl(endpoint, "--cacert", trusted, "--user", f"app:{TOKEN[:-1]}b")
        wait_for(lambda: "authentication failed" in stranger.refused("get", "app/x") or None)
