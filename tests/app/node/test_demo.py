"""The demo: three nodes side by side, from any directory, until it is told to stop."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coterie.app.node.listening import BindError, Sockets, open_sockets
from coterie.gossip import Address
from tests.app.processes import environment
from tests.slow import some_quick
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.cluster

# An address of its own: ports that the system finds free here are not handed out to tests on 127.0.0.1.
HOST = "127.83.17.5"
NAMES = ("node1", "node2", "node3")


def free_addresses() -> list[Sockets]:
    try:
        return [open_sockets(Address(HOST, 0), backlog=1) for _ in NAMES]
    except BindError:
        pytest.skip("only Linux has all of 127/8 as loopback addresses")


@pytest.fixture
def configs(tmp_path: Path) -> tuple[Path, list[str]]:
    """A directory of configurations like `configs/three-nodes`, on free ports; and those addresses."""
    opened = free_addresses()
    addresses = [str(sockets.address) for sockets in opened]
    for sockets in opened:
        sockets.close()
    for name, address in zip(NAMES, addresses, strict=True):
        (tmp_path / f"{name}.toml").write_text(
            f'listen_addr = "{address}"\nnode_id = "{name}"\nseed = {addresses}\ninterval_ms = 100\n'
            f'data_dir = "{tmp_path / name}"\n'
            f'[raft]\nenabled = true\nbootstrap_expect = 3\nlisten_addr = "{HOST}:0"\n'
        )
    return tmp_path, addresses


@contextmanager
def demo(configs: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "coterie.app.node.demo", str(configs)],
        env=environment(settings),
        cwd=configs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it says up to the line that holds `last`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if last in line:
            return lines
    raise AssertionError("it ended with:\n" + "\n".join(lines))


def rest_of(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.read().splitlines()


@pytest.mark.parametrize("number", some_quick([signal.SIGINT, signal.SIGTERM], 1))
def test_three_nodes_come_up_notice_a_death_and_go(number: signal.Signals, configs: tuple[Path, list[str]]) -> None:
    directory, addresses = configs
    # A setting meant for another node does not reach these.
    with demo(directory, LISTEN_ADDR="127.0.0.1:1") as process:
        greeting = lines_until(process, "Ctrl-C stops them all.")
        for name, address in zip(NAMES, addresses, strict=True):
            assert any(
                line.startswith(f"{name} | ") and "node started" in line and f"url=http://{address}/" in line
                for line in greeting
            ), greeting
        assert any(f"curl 'http://{addresses[0]}/set_kv?key=hello&value=world'" in line for line in greeting)
        assert sum(f"http://{addresses[0]}/ui/" in line for line in greeting) == 1
        assert any(line.endswith(f"coterie status --address {addresses[0]}") for line in greeting)
        assert any(f"curl -X PUT 'http://{addresses[1]}/v1/meta/config/color' -d blue" in line for line in greeting)
        assert not any("\x1b" in line for line in greeting)
        killed = re.search(r"kill -9 (\d+)", "\n".join(greeting))
        assert killed is not None
        subprocess.run(["kill", "-9", killed[1]], check=True)
        lines_until(process, "demo: node2 ended (killed by SIGKILL)")
        process.send_signal(number)
        rest = rest_of(process)
        assert process.wait(PATIENCE_SECONDS) == 0
        stopped = {line.split(" | ")[0] for line in rest if "node stopped" in line}
        assert stopped == {"node1", "node3"}
    for address in addresses:
        open_sockets(Address.parse(address), backlog=1).close()


def test_a_node_that_cannot_start_is_named_and_ends_the_demo(configs: tuple[Path, list[str]]) -> None:
    directory, addresses = configs
    taken = open_sockets(Address.parse(addresses[2]), backlog=1)
    try:
        with demo(directory) as process:
            lines = rest_of(process)
            assert process.wait(PATIENCE_SECONDS) == 1
    finally:
        taken.close()
    assert "demo: node3 ended (exit code 1)" in lines
    assert not any("Three nodes are up" in line for line in lines)
    assert any(line.startswith(f"node3 | coterie: address already in use: {addresses[2]} (TCP)") for line in lines)


@pytest.mark.slow
def test_nodes_of_another_demo_are_not_taken_for_its_own(configs: tuple[Path, list[str]]) -> None:
    directory, _ = configs
    with demo(directory) as first:
        lines_until(first, "Ctrl-C stops them all.")
        with demo(directory) as second:
            lines = rest_of(second)
            assert second.wait(PATIENCE_SECONDS) == 1
    assert not any("Three nodes are up" in line for line in lines)
    assert any("another node uses it" in line for line in lines), lines
