"""Stock PySyncObj nodes in virtual time: links in memory that a test can watch, hold and feed by hand."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from coterie.consensus.pysyncobj import engine

module: Any = engine.syncobj


class StockTransport(engine.Transport):  # type: ignore[misc]
    def __init__(self, group: StockGroup, name: str) -> None:
        super().__init__(None, None, [])
        self.group = group
        self.name = name
        self.dropped: list[str] = []

    def send(self, node: Any, message: Any) -> bool:
        self.group.sent.append((self.name, node.id, message))
        if (self.name, node.id) not in self.group.blocked:
            self.group.queue.append((self.name, node.id, pickle.dumps(message)))
        return True

    def dropNode(self, node: Any) -> None:  # noqa: N802
        self.dropped.append(node.id)


class Stock(module.SyncObj):  # type: ignore[misc]
    def __init__(self, group: StockGroup, name: str | None, others: list[str], **conf: Any) -> None:
        self.link = StockTransport(group, name or "observer")
        settings = {"autoTick": False, "dynamicMembershipChange": True, "commandsWaitLeader": False, **conf}
        node = None if name is None else engine.Node(name)
        super().__init__(
            node,
            [engine.Node(other) for other in others],
            engine.SyncObjConf(**settings),
            nodeClass=engine.Node,
            transport=self.link,
        )
        self.data: dict[str, int] = {}

    @module.replicated  # type: ignore[untyped-decorator]
    def put(self, key: str, value: int) -> int:
        self.data[key] = value
        return value

    @module.replicated  # type: ignore[untyped-decorator]
    def fail(self) -> None:
        raise ValueError("a bug in a replicated method")

    def private(self, name: str) -> Any:
        return getattr(self, f"_SyncObj__{name}")

    def receive(self, sender: str, message: dict[str, Any]) -> None:
        self.private("onMessageReceived")(engine.Node(sender), message)

    def log(self) -> list[tuple[bytes, int, int]]:
        return list(self.private("raftLog")[:])

    def voters(self) -> set[str]:
        return {node.id for node in self.private("otherNodes")} | {self.link.name}


class StockGroup:
    """`queue`: messages on their way; `sent`: all that were ever sent."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rng = random.Random(1)
        self.nodes: dict[str, Stock] = {}
        self.queue: list[tuple[str, str, bytes]] = []
        self.sent: list[tuple[str, str, Any]] = []
        self.blocked: set[tuple[str, str]] = set()

    def add(self, name: str, others: list[str], **conf: Any) -> Stock:
        node = self.nodes[name] = Stock(self, name, others, **conf)
        return node

    def full(self, *names: str, **conf: Any) -> list[Stock]:
        """A group whose members all know each other and are connected."""
        nodes = [self.add(name, [other for other in names if other != name], **conf) for name in names]
        self.connect(*names)
        return nodes

    def connect(self, *names: str) -> None:
        for name in names:
            for other in names:
                if other != name:
                    self.nodes[name].link._onNodeConnected(engine.Node(other))

    def deliver(self) -> None:
        queue, self.queue = self.queue, []
        for source, target, data in queue:
            if target in self.nodes and (source, target) not in self.blocked:
                self.nodes[target].receive(source, pickle.loads(data))  # noqa: S301

    def run(self, seconds: float, *names: str) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.02
            self.deliver()
            for name in names or tuple(self.nodes):
                self.nodes[name].doTick()

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        end = self.now + seconds
        while not condition():
            assert self.now < end, "it did not happen"
            self.run(0.02)

    def elect(self, name: str) -> Stock:
        """Make a node leader, with its no-op committed everywhere."""
        node = self.nodes[name]
        node._SyncObj__raftElectionDeadline = 0
        self.until(lambda: node._isLeader() and node.raftLastApplied == node.log()[-1][1])
        self.run(0.3)
        return node

    def split(self, *side: str) -> None:
        for a in self.nodes:
            for b in self.nodes:
                if (a in side) != (b in side):
                    self.blocked.add((a, b))


@contextmanager
def stock_group() -> Iterator[StockGroup]:
    group = StockGroup()
    before = module.monotonicTime, module.random
    module.monotonicTime, module.random = (lambda: group.now), group.rng
    try:
        yield group
    finally:
        module.monotonicTime, module.random = before
        for node in group.nodes.values():
            node.destroy()


class Outcome:
    """A callback of stock PySyncObj that remembers how it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any]] = []

    def __call__(self, result: Any, error: Any) -> None:
        self.calls.append((result, error))
