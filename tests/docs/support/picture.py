"""Draws the README's pictures of real runs.

`python -m tests.docs.support.picture status > docs/status.svg`, or `three-nodes`.

Nodes on the documented ports. `three-nodes`: a key that spreads, a node that dies. `status`: what the command says of
five, and of four. Everything shown was answered by the nodes.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.cluster.processes import Node, nodes
from tests.waiting import wait_until

WIDTH = 104

console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)


def command(text: str) -> None:
    console.print(Text.assemble(("$ ", "bold green"), (text, "bold")))


def answer(text: str) -> None:
    console.print(Text(text, style="cyan"), soft_wrap=False)


def brief(node: Node, field: str) -> str:
    return json.dumps([n["node_id"] for n in node.state()[field]])


def said(*arguments: str) -> Text:
    """What a command of ours writes to a terminal as wide as the picture."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "coterie", *arguments],
        stdout=theirs,
        env={**os.environ, "COLUMNS": str(WIDTH), "LINES": "50", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    text = b""
    with suppress(OSError):  # EIO: the other side is closed
        while part := os.read(ours, 65_536):
            text += part
    os.close(ours)
    process.wait()
    return Text.from_ansi(text.decode().replace("\r\n", "\n").rstrip())


def draw_status(directory: str) -> None:
    names = [f"node-{number}" for number in range(1, 6)]
    settings = {"RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "5", "RAFT__DEAD_VOTER_GRACE": "600"}
    with nodes(**settings) as started:
        running = [
            started.start(
                name,
                listen_addr=f"127.0.0.1:{10_001 + at}",
                seeds=["127.0.0.1:10001"],
                DATA_DIR=f"{directory}/{name}",
            )
            for at, name in enumerate(names)
        ]
        first = running[0].address

        def well() -> bool:
            check = ["status", "--check", "--address", first]
            told = subprocess.run([sys.executable, "-m", "coterie", *check], capture_output=True, text=True)
            return told.returncode == 0 and told.stdout.count(" live ") >= len(names)

        wait_until(well)
        for node, key in zip(running, ("role", "load", "zone", "gpu", "role"), strict=True):
            node.set(key, "x")
        time.sleep(20.0)  # suspicion is what it is in a cluster that has been running
        command(f"coterie status --address {first}")
        console.print(said("status", "--address", first))
        lost = running[3]
        console.print()
        command(f"kill -9 {lost.process.pid}   # {lost.node_id}")
        lost.kill()
        wait_until(lambda: lost.node_id in running[0].dead())
        command(f"coterie status --address {first}")
        console.print(said("status", "--address", first))
        console.print()  # so that the picture does not cut off what hangs below the last line


def draw_three_nodes() -> None:
    names = ["node-1", "node-2", "node-3"]
    with nodes() as started:
        running: list[Node] = []
        for i, name in enumerate(names):
            seeds = ["127.0.0.1:10001"] if i else []
            shown = f"coterie --listen_addr 127.0.0.1:{10001 + i} --node_id {name}"
            command(shown + (f" --seed {seeds[0]}" if seeds else "") + " &")
            running.append(started.start(name, listen_addr=f"127.0.0.1:{10001 + i}", seeds=seeds))
        one, two, three = running
        took = wait_until(lambda: all(n.live() == set(names) for n in running))
        command("curl -s http://127.0.0.1:10001/ | jq -c '[.live_nodes[].node_id]'")
        answer(f"{brief(one, 'live_nodes')}   # {took:.1f} s after the last one started")

        command("curl 'http://127.0.0.1:10001/set_kv?key=color&value=green'")
        answer(one.client.get("/set_kv", params={"key": "color", "value": "green"}).text)
        took = wait_until(lambda: three.value("node-1", "color") == "green")
        command("curl -s http://127.0.0.1:10003/ | jq -c '.cluster_state.node_states[0].key_values'")
        held = three.state()["cluster_state"]["node_states"][0]["key_values"]
        answer(f"{json.dumps(held)}   # {took * 1000:.0f} ms later, on another node")

        time.sleep(30.0)
        command(f"kill -9 {two.process.pid}   # node-2")
        two.kill()
        took = wait_until(lambda: two.node_id in one.dead() and two.node_id in three.dead())
        command("curl -s http://127.0.0.1:10001/ | jq -c '[.live_nodes[].node_id], [.dead_nodes[].node_id]'")
        answer(f"{brief(one, 'live_nodes')}\n{brief(one, 'dead_nodes')}   # found by both others after {took:.1f} s")


def main() -> None:
    if sys.argv[1:] == ["status"]:
        with tempfile.TemporaryDirectory() as directory:
            draw_status(directory)
    else:
        draw_three_nodes()
    # The stock format loads fonts from elsewhere; the reader's own monospaced font does.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    sys.stdout.write(console.export_svg(title="coterie", theme=MONOKAI, code_format=template))


if __name__ == "__main__":
    main()
