"""The command as its users meet it: starts that fail say why, starts that succeed say where, stops are clean."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coterie.app.node.listening import open_sockets
from coterie.gossip import Address, open_udp_socket
from tests.app.processes import read_answer, run, running

pytestmark = pytest.mark.cluster

GENERATED_NAME = re.compile(r"server:127\.0\.0\.1:(\d+)-[a-z0-9]{6}")


def test_a_node_says_where_it_is_and_answers_there() -> None:
    with running("--interval_ms", "200") as node:
        start = node.start_line
        name = GENERATED_NAME.fullmatch(start["node_id"])
        assert name is not None
        port = int(name[1])
        assert node.address == ("127.0.0.1", port)
        assert start["listen_addr"] == start["public_addr"] == f"127.0.0.1:{port}"
        assert (start["level"], start["cluster_id"], start["seeds"]) == ("info", "testing", [])
        own = {
            "node_id": start["node_id"],
            "generation": start["generation"],
            "gossip_advertise_addr": f"127.0.0.1:{port}",
        }
        state = node.get("/")
        assert (state["cluster_id"], state["live_nodes"], state["dead_nodes"]) == ("testing", [own], [])
        # The same number for UDP.
        with pytest.raises(OSError, match="Address already in use"):
            open_udp_socket(Address("127.0.0.1", port))


def test_two_nodes_find_each_other_by_a_host_name() -> None:
    with running("--interval_ms", "100", "--node_id", "a") as first:
        seed = f"localhost:{first.address[1]}"
        with running("--interval_ms", "100", "--node_id", "b", "--seed", seed) as second:
            for node in (first, second):
                while {live["node_id"] for live in node.get("/")["live_nodes"]} != {"a", "b"}:
                    time.sleep(0.05)
            seeds = second.get("/")["cluster_state"]["seed_addrs"]
            assert seeds == [f"127.0.0.1:{first.address[1]}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_node_at_once_and_cleanly(number: signal.Signals) -> None:
    # Were an idle connection waited for, this would take ten minutes.
    with running(HTTP__KEEP_ALIVE_SECONDS="600", HTTP__HEAD_SECONDS="600") as node:
        with node.connect() as used, node.connect() as unused:
            used.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert read_answer(used).startswith(b"HTTP/1.1 200 ")
            unused.sendall(b"GET / HT")
            assert node.end(number) == 0
        assert [entry["event"] for entry in node.entries] == ["node started", "node stopped"]


def test_a_second_signal_changes_nothing() -> None:
    with running() as node:
        node.process.send_signal(signal.SIGINT)
        node.process.send_signal(signal.SIGINT)
        assert node.end(signal.SIGTERM) == 0
        assert "Traceback" not in node.log


def test_a_hanging_resolver_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError\n")  # its resolver is out of Python's reach
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\n"
        "def hang(*arguments, **options):\n"
        "    print('looking up', flush=True, file=__import__('sys').stderr)\n"
        "    time.sleep(600)\n"
        "socket.getaddrinfo = hang\n"
    )
    with running("--seed", "seeds.example.net:1", extra_path=[tmp_path]) as node:
        while "looking up\n" not in node.lines:
            time.sleep(0.01)
        assert node.end() == 0


def test_a_public_address_without_port_takes_the_one_the_system_chose() -> None:
    with running("--listen_addr", "0.0.0.0:0", "--public_addr", "127.0.0.1", AUTH__ANONYMOUS="read") as node:
        start = node.start_line
        port = node.address[1]
        assert port != 0
        assert start["listen_addr"] == f"0.0.0.0:{port}"
        assert start["url"] == f"http://127.0.0.1:{port}/"
        assert node.get("/")["live_nodes"][0]["gossip_advertise_addr"] == f"127.0.0.1:{port}"


def test_initial_key_values_are_set_in_order(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('[key_values]\nzebra = "1"\napple = "2"\n')
    with running("--config", str(tmp_path / "node.toml")) as node:
        assert node.get("/")["cluster_state"]["node_states"][0]["key_values"] == {
            "apple": {"value": "2", "version": 2, "status": "Set"},
            "zebra": {"value": "1", "version": 1, "status": "Set"},
        }


def test_name_and_generation_survive_even_a_kill(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    generations = []
    names = set()
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        with running(DATA_DIR=data_dir) as node:
            generations.append(node.start_line["generation"])
            names.add(node.start_line["node_id"])
            node.end(number)
    assert len(names) == 1
    assert generations == sorted(set(generations))


def test_a_second_node_on_the_same_directory_does_not_start(tmp_path: Path) -> None:
    with running(DATA_DIR=str(tmp_path)) as node:
        host, port = node.address
        second = run("--listen_addr", f"{host}:{port}", DATA_DIR=str(tmp_path))
        assert second.stderr == (
            f"coterie: data_dir {tmp_path}: another node uses it (process {node.process.pid}); "
            "stop that one, or give this node a directory of its own\n"
        )
        assert second.returncode == 1


@pytest.mark.parametrize("transport", ["TCP", "UDP"])
def test_an_address_in_use_is_told_with_the_fix(transport: str) -> None:
    sockets = open_sockets(Address("127.0.0.1", 0), backlog=1)
    (sockets.udp if transport == "TCP" else sockets.tcp).close()
    try:
        ended = run("--listen_addr", str(sockets.address))
    finally:
        sockets.close()
    assert ended.stderr == (
        f"coterie: address already in use: {sockets.address} ({transport}); another node may be running on it: "
        "stop that one, or choose another --listen_addr\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "")


def test_an_address_of_another_machine_is_told_with_the_fix() -> None:
    ended = run("--listen_addr", "192.0.2.1:0")
    assert ended.stderr == ("coterie: this machine has no address 192.0.2.1; choose one of its own as --listen_addr\n")
    assert ended.returncode == 1


def test_port_zero_finds_a_number_that_is_free_for_both() -> None:
    opened = [open_sockets(Address("127.0.0.1", 0), backlog=1) for _ in range(50)]
    try:
        for sockets in opened:
            assert sockets.tcp.getsockname() == sockets.udp.getsockname() == tuple(sockets.address)
            assert sockets.address.port != 0
    finally:
        for sockets in opened:
            sockets.close()


def test_port_zero_tries_another_number_where_udp_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[socket.socket] = []

    def taken_twice(address: Address) -> socket.socket:
        if len(taken) < 2:
            taken.append(open_udp_socket(address))
        return open_udp_socket(address)

    monkeypatch.setattr("coterie.app.node.listening.open_udp_socket", taken_twice)
    sockets = open_sockets(Address("127.0.0.1", 0), backlog=1)
    try:
        assert sockets.address.port not in {sock.getsockname()[1] for sock in taken}
    finally:
        sockets.close()
        for sock in taken:
            sock.close()


def test_wrong_usage_and_wrong_settings_end_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("[gossip]\nphi_treshold = 8\n")
    wrong_setting = run("--config", str(tmp_path / "node.toml"), "--interval_ms", "x", SEDE="a")
    assert wrong_setting.stderr.splitlines() == [
        "coterie: COTERIE_SEDE: unknown environment variable; did you mean COTERIE_SEED?",
        "coterie: --interval_ms: must be a whole number, not 'x'",
        f"coterie: gossip.phi_treshold in {tmp_path}/node.toml: unknown setting; did you mean gossip.phi_threshold?",
    ]
    wrong_usage = run("--lisen_addr=x")
    assert wrong_usage.stderr == "coterie: unknown option --lisen_addr; did you mean --listen_addr?\n"
    assert (wrong_setting.returncode, wrong_usage.returncode) == (2, 2)
    assert (wrong_setting.stdout, wrong_usage.stdout) == ("", "")


def test_the_installed_command_is_the_same() -> None:
    command = Path(sys.executable).with_name("coterie")
    installed = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert installed.stdout == run("--version").stdout
