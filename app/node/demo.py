"""Starts the three nodes of `configs/three-nodes`: `python -m coterie.app.node.demo [DIRECTORY]`, or `make demo`.

Shows their logs side by side, waits until they know each other, says what to try, and ends them all on Ctrl-C. It
reports a node that ends by itself, and how: before they know each other that ends the demo; later the others go on, to
notice the death.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.app.observability.logs import has_colors
from coterie.app.settings.loading import BadSettingsError, load_settings
from coterie.app.wire.names import ENV_PREFIX, shell_command

CONFIGS = Path("configs", "three-nodes")
"""From the root of a checkout, where `make demo` runs."""
NAMES = ("node1", "node2", "node3")
COLORS = {"node1": "36", "node2": "35", "node3": "33"}

POLL_SECONDS = 0.2
ANSWER_SECONDS = 2.0
STOP_SECONDS = 5.0
"""How long a node may take to stop before it is killed."""
MAX_LINE_BYTES = 1024 * 1024

GREETING = """
  Three nodes are up, and each knows the others. From another terminal:

    watch it in a browser          {url1}ui/
    see it at a glance             {coterie} status --address {addr1}
    the cluster as node1 sees it   curl -s {url1} | jq
    set a key on node1             curl '{url1}set_kv?key=hello&value=world'
    read it on node3               curl -s {url3} | jq '.cluster_state.node_states[].key_values'
    delete it again                curl '{url1}mark_for_deletion?key=hello'
{metadata}    kill node2, and watch          kill -9 {pid2}
    start it again                 {coterie} --config {config2}
    add a fourth                   {coterie} --listen_addr 127.0.0.1:10004 --seed {addr1}

  Ctrl-C stops them all.
"""


METADATA = """\
    who leads, who votes           curl -s {url1}v1/cluster | jq .raft
    agree on a value               curl -X PUT '{url2}v1/meta/config/color' -d blue
    read it anywhere               curl -s '{url3}v1/meta/config/color'
    write only what nobody wrote   curl -i -X PUT -H 'If-None-Match: *' '{url3}v1/meta/config/color' -d red
"""


@dataclass(frozen=True)
class Child:
    """One node, and where it answers."""

    name: str
    address: str
    process: asyncio.subprocess.Process
    in_raft: bool

    @property
    def url(self) -> str:
        return f"http://{self.address}/"


class Demo:
    """The three processes and what is written of them."""

    def __init__(self, configs: Path) -> None:
        """`configs` holds a TOML file for each of NAMES."""
        self._configs = configs
        self._colors = has_colors(sys.stdout)
        self._stopping = asyncio.Event()
        self._started = {name: asyncio.Event() for name in NAMES}

    async def run(self) -> int:
        """The exit code: 0 unless a node ended by itself."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        children = [await self._start(name) for name in NAMES]
        logs = [asyncio.create_task(self._show_log(child)) for child in children]
        ends = [asyncio.create_task(self._watch_end(child)) for child in children]
        stop = asyncio.create_task(self._stopping.wait())
        greeting = asyncio.create_task(self._greet(children))
        waited_for: list[asyncio.Future[Any]] = [stop, greeting, *ends]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if greeting.done():
            waited_for = [stop, asyncio.gather(*ends)]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        greeting.cancel()
        stop.cancel()
        early = any(end.done() for end in ends) and not self._stopping.is_set()
        self._stopping.set()
        await self._end(children)
        await asyncio.gather(*logs, *ends)
        return 1 if early else 0

    async def _start(self, name: str) -> Child:
        config = self._configs / f"{name}.toml"
        settings = load_settings({"config": str(config)})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "coterie", "--config", str(config)),
            env=os.environ | {"COTERIE_LOG__FORMAT": "console"} | ({"FORCE_COLOR": "1"} if self._colors else {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE_BYTES,
        )
        return Child(name, str(settings.listen_addr), process, settings.raft.enabled)

    async def _show_log(self, child: Child) -> None:
        prefix = f"\x1b[{COLORS[child.name]}m{child.name}\x1b[0m" if self._colors else child.name
        assert child.process.stdout is not None  # noqa: S101 - a pipe, as asked for above
        async for line in child.process.stdout:
            self._say(f"{prefix} | {line.decode(errors='replace').rstrip()}")
            if b"node started" in line:
                self._started[child.name].set()

    async def _watch_end(self, child: Child) -> None:
        code = await child.process.wait()
        if not self._stopping.is_set():
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self._say(f"demo: {child.name} ended ({how})")

    async def _greet(self, children: Sequence[Child]) -> None:
        first, second, third = children
        for child in children:
            await self._started[child.name].wait()  # who answers before may be a node of another demo
            while not await asyncio.to_thread(_is_ready, child):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(POLL_SECONDS)
        self._say(
            GREETING.format(
                url1=first.url,
                addr1=first.address,
                url3=third.url,
                metadata=METADATA.format(url1=first.url, url2=second.url, url3=third.url) if first.in_raft else "",
                pid2=second.process.pid,
                config2=self._configs / "node2.toml",
                coterie=shell_command(),
            )
        )

    async def _end(self, children: Sequence[Child]) -> None:
        for child in children:
            if child.process.returncode is None:
                child.process.terminate()
                child.process.send_signal(signal.SIGCONT)  # somebody may have stopped it, to watch
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(child.process.wait() for child in children))
        except TimeoutError:
            for child in children:
                if child.process.returncode is None:
                    self._say(f"demo: {child.name} does not stop within {STOP_SECONDS:g} s: killed")
                    child.process.kill()

    def _say(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _is_ready(child: Child) -> bool:
    """Whether it knows the others and, where it takes part in Raft, a leader."""
    try:
        live = _get(child, "/")["live_nodes"]
        leader = _get(child, "/v1/cluster")["raft"]["leader"] if child.in_raft else child.name
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    return leader is not None and {node["node_id"] for node in live} >= set(NAMES)


def _get(child: Child, path: str) -> Any:
    connection = http.client.HTTPConnection(child.address, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def main() -> int:
    # Settings in the environment are meant for another node.
    for name in [name for name in os.environ if name.upper().startswith(ENV_PREFIX)]:
        del os.environ[name]
    try:
        return asyncio.run(Demo(Path(sys.argv[1]) if sys.argv[1:] else CONFIGS).run())
    except BadSettingsError as error:
        sys.stderr.writelines(f"demo: {line}\n" for line in error.lines)
        return 2


if __name__ == "__main__":
    sys.exit(main())
