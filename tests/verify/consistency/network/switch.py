"""The switch: a process that carries packets between the nodes' TUN devices, as the links between them allow.

Standard input brings the links that do not work, as JSON lines; each line is answered by one with counters, so that
who sent it knows that it holds. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import selectors
import sys
import time
from itertools import count
from random import Random

from tests.verify.consistency.network.links import Direction, Link
from tests.verify.consistency.network.packets import is_ipv4, protocol_of, resets

MAX_PACKET = 65_536
MAX_UNDER_WAY = 100_000
"""Packets that are delayed at a time; more are dropped."""


class Switch:
    def __init__(self, devices: dict[int, int], seed: int) -> None:
        """`devices`: file descriptors by the nodes' numbers."""
        self._devices = devices
        self._rng = Random(seed)
        self._faulty: dict[tuple[int, int], Direction] = {}
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._numbers = count()
        self.carried = 0
        self.lost = 0

    def set_links(self, links: dict[tuple[int, int], Link]) -> None:
        """From now on; those that are not named work. A link that stays as it is keeps what is under way in order."""
        self._faulty = {
            ends: former
            if (former := self._faulty.get(ends)) is not None and former.link == link
            else Direction(link, self._rng)
            for ends, link in links.items()
        }

    def carry(self, sender: int) -> None:
        """Take all packets that a node has sent."""
        device = self._devices[sender]
        while True:
            try:
                packet = os.read(device, MAX_PACKET)
            except BlockingIOError:
                return
            if not is_ipv4(packet):
                continue  # IPv6 says hello by itself
            receiver = packet[19]
            direction = self._faulty.get((sender, receiver))
            if direction is None:
                self._deliver(receiver, packet)
            else:
                self._carry_badly(direction, sender, receiver, packet)

    def _carry_badly(self, direction: Direction, sender: int, receiver: int, packet: bytes) -> None:
        if direction.link.reset and (ends := resets(packet)) is not None:
            self.lost += 1
            self._deliver(receiver, ends[0])
            self._deliver(sender, ends[1])
            return
        now = time.monotonic()
        arrivals = direction.arrivals(len(packet), protocol_of(packet), now)
        if not arrivals or len(self._under_way) >= MAX_UNDER_WAY:
            self.lost += 1
        for due in arrivals:
            if due <= now:
                self._deliver(receiver, packet)
            elif len(self._under_way) < MAX_UNDER_WAY:
                heapq.heappush(self._under_way, (due, next(self._numbers), receiver, packet))

    def deliver_due(self) -> float | None:
        """Deliver what is due: seconds until something is due again, None where nothing is under way."""
        while self._under_way:
            wait = self._under_way[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, receiver, packet = heapq.heappop(self._under_way)
            self._deliver(receiver, packet)
        return None

    def _deliver(self, receiver: int, packet: bytes) -> None:
        device = self._devices.get(receiver)
        if device is None:
            self.lost += 1
            return
        try:
            os.write(device, packet)
            self.carried += 1
        except OSError:  # its queue is full, or it is being taken down
            self.lost += 1


def serve(switch: Switch, devices: dict[int, int]) -> None:
    selector = selectors.DefaultSelector()
    for number, device in devices.items():
        selector.register(device, selectors.EVENT_READ, number)
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    pending = b""
    while True:
        for key, _ in selector.select(switch.deliver_due()):
            if key.data is not None:
                switch.carry(key.data)
                continue
            data = os.read(sys.stdin.fileno(), MAX_PACKET)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                switch.set_links({(sender, to): Link(**link) for sender, to, link in json.loads(line)})
                answer = {"carried": switch.carried, "lost": switch.lost}
                os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", nargs="+", metavar="NUMBER:DESCRIPTOR")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    devices = {int(number): int(device) for number, _, device in (each.partition(":") for each in arguments.devices)}
    serve(Switch(devices, arguments.seed), devices)


if __name__ == "__main__":
    main()
