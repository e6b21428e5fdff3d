"""A calm simulated group to script: nodes of the real class, on links and disks that fail only when told to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from coterie.consensus.raft.core.events import JobDone
from coterie.consensus.raft.errors import RaftError
from coterie.consensus.raft.messages import Message
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.settings import RaftConfig
from tests.verify.raft_sim.workload.machine import encode_op
from tests.verify.raft_sim.world import SETTINGS, Host, World


def recorder(sent: list[tuple[str, Message]]) -> Callable[[str, Message], None]:
    def send(member: str, message: Message) -> None:
        sent.append((member, message))

    return send


def act(node: RaftNode, work: Callable[..., None], *args: Any, **options: Any) -> None:
    """Run one function of the core as an event of its own."""
    node._event(JobDone(lambda state, _result, _error: work(state, *args, **options), None, None))


class Answer:
    """A callback that remembers its one call."""

    def __init__(self) -> None:
        self.calls: list[tuple[RaftError | None, Any]] = []

    def __call__(self, error: RaftError | None, result: Any) -> None:
        self.calls.append((error, result))

    @property
    def open(self) -> bool:
        return not self.calls

    @property
    def error(self) -> RaftError | None:
        assert len(self.calls) == 1
        return self.calls[0][0]

    @property
    def result(self) -> Any:
        assert len(self.calls) == 1
        return self.calls[0][1]


def _ended(answer: Answer) -> bool:
    return not answer.open


class Group(World):
    """A world with short cuts."""

    def __init__(
        self,
        voters: int = 3,
        spares: int = 0,
        settings: RaftConfig = SETTINGS,
        seed: int = 1,
        *,
        start: bool = True,
    ) -> None:
        super().__init__(seed, voters, spares, settings=settings)
        self.tick_scale = 0.01
        if start:
            self.start_all()
        self.keep_connected(0.05)

    def node(self, name: str) -> RaftNode:
        node = self.hosts[name].node
        assert node is not None
        return node

    def lead(self, name: str = "n0") -> RaftNode:
        """Make a node the leader, with everything settled."""
        if not self.node(name).leading:
            assert self.run_until(lambda: self.leader() is not None, 10.0)
            self.run(0.5)
            leader = self.leader()
            assert leader is not None
            assert leader.node is not None
            if leader.name != name:
                leader.node.transfer(Answer(), name)
        assert self.run_until(lambda: self.node(name).leading and self.settled(), 10.0)
        self.run(0.2)
        return self.node(name)

    def settled(self) -> bool:
        leader = self.leader()
        return leader is not None and all(
            host.node is not None and leader.node is not None and host.node.applied == leader.node.last_index
            for host in self.live()
        )

    def put(self, name: str, number: int, timeout: float = 2.0) -> Answer:
        answer = Answer()
        self.node(name).propose(encode_op((number, "k", number)), answer, timeout)
        return answer

    def puts(self, name: str, count: int, start: int = 1000) -> None:
        """Writes that must all succeed, one entry each."""
        for number in range(start, start + count):
            answer = self.put(name, number, 5.0)
            assert self.run_until(partial(_ended, answer), 6.0)
            assert answer.error is None

    def change(self, name: str, member: str, *, add: bool, timeout: float = 2.0) -> Answer:
        answer = Answer()
        self.node(name).change_voters(member, answer, timeout, add=add)
        return answer

    def cut_off(self, *side: str) -> None:
        """Block every direction between `side` and the others."""
        for a in self.hosts:
            for b in self.hosts:
                if (a in side) != (b in side):
                    self.network.block(a, b)

    def heal(self) -> None:
        for source, target in sorted(self.network.blocked):
            self.network.unblock(source, target)

    def feed(self, name: str, sender: str, message: Message) -> list[tuple[str, Message]]:
        """Hand a node one message; what it sends in answer, to nobody else, once term and vote are on its disk."""
        host = self.hosts[name]
        node = self.node(name)
        sent: list[tuple[str, Message]] = []
        host.transport.send = recorder(sent)  # type: ignore[method-assign,assignment]
        try:
            node.received(sender, message)
            while node.state.outbox.storing and not node.stopped:
                host.disk.finish_next()
        finally:
            del host.transport.send
        return sent

    def restart(self, host: Host) -> RaftNode:
        host.crash()
        host.start()
        assert host.node is not None
        return host.node


__all__ = ["SETTINGS", "Answer", "Group", "act", "recorder"]
