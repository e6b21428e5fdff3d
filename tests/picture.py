"""Draws the README's picture from a real run: `python -m tests.picture > docs/three-nodes.svg`.

Three nodes on the documented ports, a key that spreads, a node that dies. Everything shown was answered by the nodes.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.cluster.processes import Node, nodes, seconds_until

WIDTH = 104

console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)


def command(text: str) -> None:
    console.print(Text.assemble(("$ ", "bold green"), (text, "bold")))


def answer(text: str) -> None:
    console.print(Text(text, style="cyan"), soft_wrap=False)


def brief(node: Node, field: str) -> str:
    return json.dumps([n["node_id"] for n in node.state()[field]])


def main() -> None:
    names = ["node-1", "node-2", "node-3"]
    with nodes() as started:
        running: list[Node] = []
        for i, name in enumerate(names):
            seeds = ["127.0.0.1:10001"] if i else []
            shown = f"coterie --listen_addr 127.0.0.1:{10001 + i} --node_id {name}"
            command(shown + (f" --seed {seeds[0]}" if seeds else "") + " &")
            running.append(started.start(name, listen_addr=f"127.0.0.1:{10001 + i}", seeds=seeds))
        one, two, three = running
        took = seconds_until(lambda: all(n.live() == set(names) for n in running), 30.0)
        command("curl -s http://127.0.0.1:10001/ | jq -c '[.live_nodes[].node_id]'")
        answer(f"{brief(one, 'live_nodes')}   # {took:.1f} s after the last one started")

        command("curl 'http://127.0.0.1:10001/set_kv?key=color&value=green'")
        answer(one.client.get("/set_kv", params={"key": "color", "value": "green"}).text)
        took = seconds_until(lambda: three.value("node-1", "color") == "green", 10.0)
        command("curl -s http://127.0.0.1:10003/ | jq -c '.cluster_state.node_states[0].key_values'")
        held = three.state()["cluster_state"]["node_states"][0]["key_values"]
        answer(f"{json.dumps(held)}   # {took * 1000:.0f} ms later, on another node")

        time.sleep(30.0)
        command(f"kill -9 {two.process.pid}   # node-2")
        two.kill()
        took = seconds_until(lambda: two.node_id in one.dead() and two.node_id in three.dead(), 30.0)
        command("curl -s http://127.0.0.1:10001/ | jq -c '[.live_nodes[].node_id], [.dead_nodes[].node_id]'")
        answer(f"{brief(one, 'live_nodes')}\n{brief(one, 'dead_nodes')}   # found by both others after {took:.1f} s")
    # The stock format loads fonts from elsewhere; the reader's own monospaced font does.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    sys.stdout.write(console.export_svg(title="coterie", theme=MONOKAI, code_format=template))


if __name__ == "__main__":
    main()
