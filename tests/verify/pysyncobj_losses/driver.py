"""Three processes of the program, each in a network namespace of its own, under one fault; prints what was lost.

    unshare --user --map-root-user --net python -m tests.verify.pysyncobj_losses.driver stock|ours FAULT

Each process gets a stream of writes, one after the other, each under a new key. The one that leads takes a lock; the
others try to take it all the time. The fault strikes after some writes, and ends after `FAULT_SECONDS`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("program.py")
NODES = (1, 2, 3)
FAULTS = ("kill -9 of all", "kill -9 of the leader", "pause of the leader", "partition of the leader")
BEFORE_SECONDS, FAULT_SECONDS, AFTER_SECONDS = 3.0, 8.0, 10.0
READY_SECONDS = 60.0
LOOK_SECONDS = 3.5
"""Longer than a write and an attempt at the lock take where both time out."""


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def address(number: int) -> str:
    return f"10.79.0.{number}:4321"


class Node:
    """A process, and the thread that makes it write."""

    def __init__(self, engine: str, directory: str, number: int, stack: ExitStack) -> None:
        self.number = number
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        stack.callback(self.holder.kill)
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        partners = [address(each) for each in NODES if each != number]
        self.command = [*self.inside, sys.executable, "-W", "ignore", str(PROGRAM), engine, directory, address(number)]
        self.command += partners
        self.lock = threading.Lock()

    def connect(self) -> None:
        while Path(f"/proc/{self.holder.pid}/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
            time.sleep(0.01)  # the holder is not in its namespace yet
        here = f"v{self.number}"
        run("ip", "link", "add", here, "type", "veth", "peer", "name", "e0", "netns", str(self.holder.pid))
        run("ip", "link", "set", here, "master", "br0", "up")
        for words in (f"address add 10.79.0.{self.number}/24 dev e0", "link set e0 up", "link set lo up"):
            run(*self.inside, "ip", *words.split())

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def say(self, line: str) -> Any:
        """None where the process is gone."""
        with self.lock, suppress(OSError, ValueError):
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        return None

    def cut_off(self, cut: bool) -> None:
        run("ip", "link", "set", f"v{self.number}", *(["nomaster"] if cut else ["master", "br0"]))


class Run:
    def __init__(self, engine: str, fault: str, directory: str, stack: ExitStack) -> None:
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "link", "set", "br0", "up")
        self.fault = fault
        self.nodes = [Node(engine, directory, number, stack) for number in NODES]
        for node in self.nodes:
            node.connect()
            node.start()
            stack.callback(node.end)
        self.acknowledged: list[tuple[float, str]] = []
        self.not_known = 0
        self.leads: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self.holds: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self.ended = False

    def ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while not all(node.say("ready") is True for node in self.nodes):
            if time.monotonic() > end:
                raise SystemExit("the three processes were not ready in time")
            time.sleep(0.05)

    def write(self, node: Node) -> None:
        """Until the end: a write, and a look at who leads and who holds the lock."""
        count = 0
        while not self.ended:
            count += 1
            key = f"{node.number}-{count}"
            answer = node.say(f"put {key}")
            if answer is True:
                self.acknowledged.append((time.monotonic(), key))
            else:
                self.not_known += 1
                time.sleep(0.05)
            self.look(node, "leads", self.leads)
            node.say("lock job")
            self.look(node, "holds job", self.holds)

    @staticmethod
    def look(node: Node, question: str, seen: dict[int, list[tuple[float, float]]]) -> None:
        """Between the two times the answer was yes."""
        asked = time.monotonic()
        if node.say(question) is True:
            seen[node.number].append((asked, time.monotonic()))

    def strike(self) -> None:
        [leader, *_] = [node for node in self.nodes if node.say("leads") is True] or self.nodes
        struck = self.nodes if self.fault == FAULTS[0] else [leader]
        if "kill" in self.fault:
            for node in struck:
                node.process.kill()
            time.sleep(1.0 if len(struck) > 1 else FAULT_SECONDS)
            for node in struck:
                node.start()
        elif "pause" in self.fault:
            leader.process.send_signal(signal.SIGSTOP)
            time.sleep(FAULT_SECONDS)
            leader.process.send_signal(signal.SIGCONT)
        else:
            leader.cut_off(True)
            time.sleep(FAULT_SECONDS)
            leader.cut_off(False)

    def report(self) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        end = time.monotonic() + READY_SECONDS
        wanted = {key for _, key in self.acknowledged}
        while time.monotonic() < end:
            held = [set(node.say("keys") or ()) for node in self.nodes]
            if all(wanted <= each for each in held) or (held[0] == held[1] == held[2] and time.monotonic() > end - 50):
                break
            time.sleep(0.2)
        keys["acknowledged"] = len(wanted)
        keys["lost"] = len(wanted - set.intersection(*held))
        keys["members differ"] = not held[0] == held[1] == held[2]
        keys["not known or failed"] = self.not_known
        times = sorted(at for at, _ in self.acknowledged)
        keys["longest without a write, s"] = round(max((b - a for a, b in pairwise(times)), default=0.0), 1)
        keys["two leaders, s"] = overlap(self.leads)
        keys["two holders, s"] = overlap(self.holds)
        return keys


def overlap(seen: dict[int, list[tuple[float, float]]]) -> float:
    """Seconds between the first and the last time at which two said yes while neither had said no in between."""
    runs = {number: joined(times) for number, times in seen.items()}
    both = 0.0
    numbers = sorted(runs)
    for at, one in enumerate(numbers):
        for other in numbers[at + 1 :]:
            both += sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in runs[one] for b in runs[other])
    return round(both, 1)


def joined(times: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Looks that follow each other within `LOOK_SECONDS` as one time."""
    found: list[tuple[float, float]] = []
    for began, ended in times:
        if found and began - found[-1][1] < LOOK_SECONDS:
            found[-1] = (found[-1][0], began)
        else:
            found.append((ended, ended))
    return found


def main(engine: str, fault: str) -> None:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        it = Run(engine, fault, directory, stack)
        it.ready()
        threads = [threading.Thread(target=it.write, args=(node,), daemon=True) for node in it.nodes]
        for thread in threads:
            thread.start()
        time.sleep(BEFORE_SECONDS)
        it.strike()
        time.sleep(AFTER_SECONDS)
        it.ended = True
        for thread in threads:
            thread.join(30.0)
        print(json.dumps(it.report()))


if __name__ == "__main__":
    main(*sys.argv[1:])
